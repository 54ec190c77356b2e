/** @file The pictogram data set: seeded samples of pixels and captions, a pure function of (index, seed). */
import { join } from 'node:path';
import { complain } from '../core/errors.js';
import { type BackgroundColour, pickBackground, white } from './backgrounds.js';
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
import { composeScene, isPairHeldOut, type Scene, sceneCaption } from './scenes.js';
import { DataRandom, epochOrder } from './shuffle.js';
import { type CaptionLanguage, captionLanguages, type PictogramStyle } from './styles.js';

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

export interface CorpusOptions {
  readonly rounds?: number;
  readonly seed?: number;
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
  readonly #pictureByName: ReadonlyMap<string, number>;
  readonly #sceneConcepts: readonly PictogramConcept[];
  /** Whether scenes may show the pairs held out of training. */
  readonly #keepsPairs: boolean;
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
    this.#sceneConcepts = this.concepts.filter(({ isSceneObject }) => isSceneObject);
    this.#keepsPairs = split !== 'train';
    this.#pictureByName = new Map(
      index.pictures.map(({ concept, style }, at) => [
        `${index.concepts[concept]!.id}/${style}`,
        at,
      ]),
    );
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
    const isScene = this.#sceneConcepts.length > 0 && random.chance(this.#options.sceneShare);
    return isScene ? this.#scene(picture, random) : this.#single(picture, random);
  }

  /** The plain picture of a concept, unshifted: `[3, size, size]`, -1 to 1. For evaluation. */
  renderOf(
    conceptId: string,
    style: PictogramStyle,
    background: BackgroundColour = white,
  ): Float32Array {
    const at = this.#pictureOf(conceptId, style);
    if (at === undefined) {
      throw complain('DATA', {
        where: 'renderOf',
        expected: 'a concept and a style of the set',
        got: `"${conceptId}", ${style}`,
        next: 'Take ids from `concepts`; the newest ones lack the styles "glossy 3D" and "flat".',
      });
    }
    const whole = { left: 0, top: 0, side: this.size, isMirrored: false };
    return this.#draw([{ picture: at, ...whole }], background);
  }

  /**
   * Captions without pixels, for training a tokenizer: every concept of the split in every style
   * and both languages, `rounds` times (default 4), about a fifth of them as scenes. The same
   * options give the same captions.
   */
  *captionsCorpus({ rounds = 4, seed = 0 }: CorpusOptions = {}): Generator<string> {
    for (let round = 0; round < rounds; round++) {
      for (const picture of this.#pictures) {
        for (const language of captionLanguages) {
          yield this.#corpusCaption(picture, language, DataRandom.from(seed, round, picture));
        }
      }
    }
  }

  /** Compares every stored picture with its digest. Throws DATA at the first that differs. */
  verify(): void {
    for (const [at, { sha256 }] of this.#index.pictures.entries()) {
      if (this.#file.digest(at) === sha256) continue;
      throw complain('DATA', {
        where: 'pictograms',
        expected: `sha256 ${sha256} for picture ${at}`,
        got: 'other pixels',
        next: `Delete the folder and run \`${buildCommand}\`.`,
      });
    }
  }

  close(): void {
    this.#file.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #single(picture: number, random: DataRandom): PictogramSample {
    const concept = this.#conceptOf(picture);
    const { style } = this.#index.pictures[picture]!;
    const language = this.#language(random);
    const ground = this.#background([picture], random);
    const text = caption(concept, style, random, { language, ...ground });
    const placement = this.#wholeCanvas(concept, random);
    const pixels = this.#draw([{ picture, ...placement }], ground.background ?? white);
    return { pixels, caption: text, conceptId: concept.id, style, language, isScene: false };
  }

  #corpusCaption(picture: number, language: CaptionLanguage, random: DataRandom): string {
    const concept = this.#conceptOf(picture);
    const { style } = this.#index.pictures[picture]!;
    const ground = this.#background([picture], random);
    if (!concept.isSceneObject || random.chance(0.7)) {
      return caption(concept, style, random, { language, ...ground });
    }
    const { facts } = this.#compose(concept, style, random);
    return sceneCaption(facts, random, { style, language, ...ground });
  }

  #compose(first: PictogramConcept, style: PictogramStyle, random: DataRandom): Scene {
    const pickOther = (taken: readonly PictogramConcept[]): PictogramConcept =>
      this.#otherConcept(taken, style, random);
    return composeScene(first, pickOther, random);
  }

  #scene(picture: number, random: DataRandom): PictogramSample {
    const { style } = this.#index.pictures[picture]!;
    const language = this.#language(random);
    const usual = this.#conceptOf(picture);
    const first = usual.isSceneObject ? usual : this.#otherConcept([], style, random);
    const { facts, objects } = this.#compose(first, style, random);
    const isMirrored = this.#options.augment && random.chance(0.5);
    const drawn = objects.map(({ concept, x, y, side }) => ({
      picture: this.#pictureOf(concept.id, style)!,
      left: (x - side / 2) * this.size,
      top: (y - side / 2) * this.size,
      side: side * this.size,
      isMirrored: isMirrored && concept.canFlip,
    }));
    const ground = this.#background(
      drawn.map((object) => object.picture),
      random,
    );
    const text = sceneCaption(facts, random, { style, language, ...ground });
    const pixels = this.#draw(drawn, ground.background ?? white);
    return { pixels, caption: text, conceptId: first.id, style, language, isScene: true };
  }

  /** A scene concept that has the style, is not taken, and may stand beside those taken. */
  #otherConcept(
    taken: readonly PictogramConcept[],
    style: PictogramStyle,
    random: DataRandom,
  ): PictogramConcept {
    const isApart = ({ id }: PictogramConcept): boolean =>
      this.#keepsPairs || taken.every((other) => !isPairHeldOut(other.id, id));
    for (let attempt = 0; attempt < 100; attempt++) {
      const concept = random.pick(this.#sceneConcepts);
      const isTaken = taken.includes(concept);
      if (!isTaken && this.#pictureOf(concept.id, style) !== undefined && isApart(concept)) {
        return concept;
      }
    }
    throw complain('DATA', {
      where: 'sampleAt',
      expected: 'several scene concepts in every style',
      got: `${this.#sceneConcepts.length} concepts`,
      next: 'Set `sceneShare` to 0 or choose more groups.',
    });
  }

  #language(random: DataRandom): CaptionLanguage {
    return random.chance(this.#options.chineseShare) ? 'zh' : 'en';
  }

  /** A named background that suits the pictures, or nothing for white. */
  #background(pictures: readonly number[], random: DataRandom): { background?: BackgroundColour } {
    if (!random.chance(this.#options.backgroundShare)) return {};
    const colours = pictures.map((picture) => this.#index.pictures[picture]!.meanRgb);
    return { background: pickBackground(colours, random) };
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
    { rgb }: BackgroundColour,
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

  #pictureOf(conceptId: string, style: PictogramStyle): number | undefined {
    return this.#pictureByName.get(`${conceptId}/${style}`);
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
