/** @file The index of a built pictogram folder: its types, its checks, where its files lie. */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { complain } from '../core/errors.js';
import type { EnglishArticle } from './english-grammar.js';
import type { SourcePackage } from './pictogram-sources.js';
import { type PictogramStyle, pictogramStyles } from './styles.js';

/** Pixels per side of every stored picture. */
export const pictogramSize = 128;
/** Bytes of one stored picture: premultiplied RGBA, rows from the top. */
export const pictogramBytes = pictogramSize * pictogramSize * 4;
export const indexVersion = 1;
export const buildCommand = 'npm run data:pictograms';

export interface EnglishNoun {
  /** The noun phrase without article, `red apple`. */
  readonly name: string;
  /** Empty for mass nouns, plurals and proper names. */
  readonly article: EnglishArticle;
}

export interface EnglishNames extends EnglishNoun {
  /** Other names people type; each can stand for `name`. */
  readonly aliases: readonly EnglishNoun[];
  readonly tags: readonly string[];
  /** Plural of `name`, or null where counting makes no sense. */
  readonly plural: string | null;
}

export interface ChineseNoun {
  readonly name: string;
  /** Measure word, or null where counting makes no sense. */
  readonly measure: string | null;
}

export interface ChineseNames extends ChineseNoun {
  readonly aliases: readonly ChineseNoun[];
  readonly tags: readonly string[];
}

/** One thing that is drawn, in up to four styles. */
export interface PictogramConcept {
  /** Kebab-case English label, `red-apple`. */
  readonly id: string;
  readonly hexcode: string;
  readonly group: string;
  readonly subgroup: string;
  /** False where mirroring would change the meaning: text, arrows, clocks, pointing hands. */
  readonly canFlip: boolean;
  /** True where the picture is one free-standing, countable thing. */
  readonly isSceneObject: boolean;
  /** Concepts of one split group are near-duplicates and lie on the same side of the split. */
  readonly splitGroup: string;
  readonly isHeldOut: boolean;
  readonly en: EnglishNames;
  readonly zh: ChineseNames;
}

export interface PictogramPicture {
  /** Position in `concepts`. */
  readonly concept: number;
  readonly style: PictogramStyle;
  /** Mean sRGB colour of the covered pixels, 0 to 255. */
  readonly meanRgb: readonly [number, number, number];
  /** Of the premultiplied RGBA bytes, hexadecimal. */
  readonly sha256: string;
}

export interface PictogramIndex {
  readonly version: typeof indexVersion;
  readonly size: typeof pictogramSize;
  /** Hash of everything the pixels depend on. */
  readonly renderKey: string;
  /** File name of the packed pictures inside the folder; picture i starts at i x 65,536. */
  readonly pixelFile: string;
  readonly packages: readonly SourcePackage[];
  readonly concepts: readonly PictogramConcept[];
  readonly pictures: readonly PictogramPicture[];
  /** Pairs of concepts, by position, with a style in which their pictures look alike. */
  readonly alike: readonly (readonly [number, number])[];
}

/** Reads and checks `index.json` and the size of the pixel file. Throws DATA when they do not fit. */
export function readPictogramIndex(folder: string): PictogramIndex {
  const path = join(folder, 'index.json');
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw refuse('a built data set', `no ${path}`, error);
  }
  const index = parse(text, path);
  requireConsistent(index, path);
  requirePixels(join(folder, index.pixelFile), index.pictures.length * pictogramBytes);
  return index;
}

function parse(text: string, path: string): PictogramIndex {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw refuse('JSON', `a damaged ${path}`, error);
  }
  const found = value as Partial<PictogramIndex> | null;
  if (found?.version !== indexVersion || found.size !== pictogramSize) {
    const got = `version ${found?.version}, size ${found?.size}`;
    throw refuse(`index version ${indexVersion}, size ${pictogramSize}`, got);
  }
  return found as PictogramIndex;
}

function requireConsistent(index: PictogramIndex, path: string): void {
  const { concepts, pictures, pixelFile } = index;
  if (!Array.isArray(concepts) || !Array.isArray(pictures) || pictures.length === 0) {
    throw refuse('concepts and pictures', `none in ${path}`);
  }
  if (!/^[\w-]+(\.[\w-]+)*$/.test(pixelFile)) {
    throw refuse('a plain file name for the pixels', JSON.stringify(pixelFile));
  }
  const strange = index.pictures.findIndex(
    ({ concept, style }) => !concepts[concept] || !pictogramStyles.includes(style),
  );
  if (strange >= 0) throw refuse('a known concept and style', `picture ${strange} without one`);
}

function requirePixels(path: string, sizeBytes: number): void {
  const found = statSync(path, { throwIfNoEntry: false })?.size;
  if (found === sizeBytes) return;
  throw refuse(`${sizeBytes} bytes in ${path}`, found === undefined ? 'no file' : `${found}`);
}

function refuse(expected: string, got: string, cause?: unknown): Error {
  const next = `Build it with \`${buildCommand}\`.`;
  return complain('DATA', { where: 'pictograms', expected, got, next }, cause);
}
