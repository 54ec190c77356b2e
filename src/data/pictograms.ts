/** @file The pictogram data set: seeded samples of pixels and captions, a pure function of (index, seed). */
import { join } from 'node:path';
import { complain } from '../core/errors.js';
import { type BackgroundColour, namedBackgrounds, white } from './backgrounds.js';
import { caption } from './captions.js';
import { blankCanvas, drawPicture, type Placement, toSignedUnit } from './compositing.js';
import {
  buildCommand,
  type PictogramConcept,
  type PictogramIndex,
  pictogramSize,
  readPictogramIndex,
} from './pictogram-index.js';
import { PictureFile } from './picture-file.js';
import { DataRandom, epochOrder } from './shuffle.js';
import type { CaptionLanguage, PictogramStyle } from './styles.js';

export interface PictogramOptions {
  /** Pixels per side of a sample, default 128. */
  readonly size?: 64 | 128;
  /** Which concepts; default `train`, that is, without the 3 % held out. */
  readonly split?: 'train' | 'holdout' | 'all';
  /** Only concepts of these emojibase groups, such as `food-drink`; default all. */
  readonly groups?: readonly string[];
  /** Share of composed scenes, 0 to 1, default 0. */
  readonly sceneShare?: number;
  /** Share of Chinese captions, 0 to 1, default 0.35. */
  readonly chineseShare?: number;
  /** Share of single pictures on a named colour instead of white, 0 to 1, default 0.3. */
  readonly backgroundShare?: number;
  /** Shifts and scales by up to 6 % and mirrors where that keeps the meaning; default true. */
  readonly augment?: boolean;
}

export interface PictogramSample {
  /** `[3, size, size]`, -1 to 1. */
  readonly pixels: Float32Array;
  readonly caption: string;
  /** The concept; of a scene the first one. */
  readonly conceptId: string;
  readonly style: PictogramStyle;
  readonly language: CaptionLanguage;
  readonly isScene: boolean;
}

/** A built pictogram folder, open for sampling. Close it when done. */
export class PictogramDataset {
  /** Concepts of the chosen split and groups. */
  readonly concepts: readonly PictogramConcept[];
  readonly size: 64 | 128;
  readonly #index: PictogramIndex;
  readonly #file: PictureFile;
  readonly #options: Required<Omit<PictogramOptions, 'groups' | 'split' | 'size'>>;
  /** Positions in the pixel file of the pictures in use. */
  readonly #pictures: readonly number[];
  #order: { seed: number; epoch: number; order: Uint32Array } | undefined;

  /** Opens a folder made by the build command. Throws DATA when it is missing or does not fit. */
  static open(folder: string, options: PictogramOptions = {}): PictogramDataset {
    const index = readPictogramIndex(folder);
    return new PictogramDataset(index, join(folder, index.pixelFile), options);
  }

  private constructor(index: PictogramIndex, pixelPath: string, options: PictogramOptions) {
    const { size = 128, split = 'train', groups } = options;
    const { sceneShare = 0, chineseShare = 0.35, backgroundShare = 0.3, augment = true } = options;
    requireSize(size);
    for (const [name, share] of Object.entries({ sceneShare, chineseShare, backgroundShare })) {
      requireShare(name, share);
    }
    this.size = size;
    this.#index = index;
    this.#options = { sceneShare, chineseShare, backgroundShare, augment };
    const isChosen = ({ isHeldOut, group }: PictogramConcept): boolean =>
      (split === 'all' || isHeldOut === (split === 'holdout')) && (groups?.includes(group) ?? true);
    this.concepts = index.concepts.filter(isChosen);
    this.#pictures = [...index.pictures.keys()].filter((at) => isChosen(this.#conceptOf(at)));
    if (this.#pictures.length === 0) {
      const got = `none for split "${split}", groups ${groups?.join(', ') ?? 'all'}`;
      const next = `Choose another split or rebuild with \`${buildCommand}\`.`;
      throw complain('DATA', { where: 'pictograms', expected: 'at least one picture', got, next });
    }
    this.#file = new PictureFile(pixelPath);
  }

  /** Pictures per epoch. */
  get length(): number {
    return this.#pictures.length;
  }

  /**
   * The sample at a running number: each epoch of `length` numbers meets every picture once, in an
   * order drawn from `seed`. The same (index, seed) gives the same bytes in every process, so a
   * resumed run needs no other state. `index` counts from 0 without bound.
   */
  sampleAt(index: number, seed: number): PictogramSample {
    requireIndex(index);
    const picture = this.#pictureAt(index, seed);
    const random = DataRandom.from(seed, index, 0x73616d70);
    return this.#single(picture, random);
  }

  /** The plain picture of a concept, unshifted: `[3, size, size]`, -1 to 1. For evaluation. */
  renderOf(
    conceptId: string,
    style: PictogramStyle,
    background: BackgroundColour = white,
  ): Float32Array {
    const at = this.#index.pictures.findIndex(
      (picture) =>
        picture.style === style && this.#index.concepts[picture.concept]?.id === conceptId,
    );
    if (at < 0) {
      throw complain('DATA', {
        where: 'renderOf',
        expected: 'a concept and a style of the set',
        got: `"${conceptId}", ${style}`,
        next: 'Take ids from `concepts`; the newest ones lack the styles "glossy 3D" and "flat".',
      });
    }
    const whole = { left: 0, top: 0, side: this.size, isMirrored: false };
    return this.#draw([{ picture: at, ...whole }], background.rgb);
  }

  close(): void {
    this.#file.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #single(picture: number, random: DataRandom): PictogramSample {
    const { chineseShare, backgroundShare } = this.#options;
    const concept = this.#conceptOf(picture);
    const { style } = this.#index.pictures[picture]!;
    const language = random.chance(chineseShare) ? 'zh' : 'en';
    const background = random.chance(backgroundShare) ? random.pick(namedBackgrounds) : undefined;
    const text = caption(concept, style, random, {
      language,
      ...(background === undefined ? {} : { background }),
    });
    const placement = this.#wholeCanvas(concept, random);
    const pixels = this.#draw([{ picture, ...placement }], (background ?? white).rgb);
    return { pixels, caption: text, conceptId: concept.id, style, language, isScene: false };
  }

  /** The whole canvas, or with augmentation a box a little smaller, shifted and mirrored. */
  #wholeCanvas(concept: PictogramConcept, random: DataRandom): Placement {
    const { size } = this;
    if (!this.#options.augment) return { left: 0, top: 0, side: size, isMirrored: false };
    const side = size * random.between(0.88, 1);
    const room = size - side;
    const shift = (): number => room / 2 + Math.min(room / 2, 0.06 * size) * random.between(-1, 1);
    const [left, top] = [shift(), shift()];
    return { left, top, side, isMirrored: concept.canFlip && random.chance(0.5) };
  }

  #draw(
    pictures: readonly ({ readonly picture: number } & Placement)[],
    rgb: BackgroundColour['rgb'],
  ): Float32Array {
    const canvas = blankCanvas(this.size, rgb);
    for (const { picture, ...placement } of pictures) {
      drawPicture(canvas, this.#file.read(picture), pictogramSize, placement);
    }
    return toSignedUnit(canvas);
  }

  #pictureAt(index: number, seed: number): number {
    const epoch = Math.floor(index / this.length);
    let known = this.#order;
    if (known?.seed !== seed || known.epoch !== epoch) {
      known = { seed, epoch, order: epochOrder(this.length, seed, epoch) };
      this.#order = known;
    }
    return this.#pictures[known.order[index % this.length]!]!;
  }

  #conceptOf(picture: number): PictogramConcept {
    return this.#index.concepts[this.#index.pictures[picture]!.concept]!;
  }
}

function requireSize(size: number): void {
  if (size === 64 || size === 128) return;
  throw complain('DATA', {
    where: 'pictograms',
    expected: '`size` 64 or 128',
    got: `${size}`,
    next: 'Choose one of the two.',
  });
}

function requireShare(name: string, share: number): void {
  if (share >= 0 && share <= 1) return;
  throw complain('DATA', {
    where: 'pictograms',
    expected: `\`${name}\` from 0 to 1`,
    got: `${share}`,
    next: `Change \`${name}\`.`,
  });
}

function requireIndex(index: number): void {
  if (Number.isSafeInteger(index) && index >= 0) return;
  throw complain('DATA', {
    where: 'sampleAt',
    expected: 'a whole number from 0',
    got: `${index}`,
    next: 'Count samples from 0 upwards.',
  });
}
