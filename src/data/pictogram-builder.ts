/** @file Builds the pictogram data set: draws every concept in every style and packs the pixels. */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { complain, throwIfAborted } from '../core/errors.js';
import { renderSvg } from '../formats/image.js';
import { writeError, writeFileAtomically } from '../hub/atomic-file.js';
import { type NamedConcept, nameConcepts } from './pictogram-concepts.js';
import {
  indexVersion,
  type PictogramConcept,
  type PictogramIndex,
  type PictogramPicture,
  pictogramSize,
  readPictogramIndex,
} from './pictogram-index.js';
import {
  type Drawing,
  type PictogramSources,
  readPictogramSources,
  svgDocument,
} from './pictogram-sources.js';
import { holdOut, splitGroups } from './split.js';
import { type PictogramStyle, pictogramStyles } from './styles.js';
import { alikePairs, meanColour, thumbnailOf } from './thumbnails.js';

export interface BuildProgress {
  /** Pictures drawn so far and in all. */
  readonly done: number;
  readonly total: number;
}

export interface BuildOptions {
  /** Folder to write, by convention `.cache/pictograms`; made when missing. */
  readonly folder: string;
  /** What to draw; default the installed icon packages. */
  readonly sources?: PictogramSources;
  readonly onProgress?: (progress: BuildProgress) => void;
  readonly signal?: AbortSignal;
}

export interface BuildResult {
  readonly index: PictogramIndex;
  /** False when the pixels of an earlier build still fitted. */
  readonly hasDrawn: boolean;
}

interface PictureTask {
  readonly concept: number;
  readonly style: PictogramStyle;
  readonly drawing: Drawing;
}

type Drawn = Pick<PictogramIndex, 'pictures' | 'alike'>;

/** Pixels drawn per stored pixel and axis. */
const supersample = 2;
/** Raise it when the drawing below changes. */
const renderVersion = 2;

/**
 * Draws all pictures at 128x128 and writes `pictures-<key>.bin` and then `index.json`, each
 * complete or not at all. A second run keeps pixels that still fit and only refreshes the index.
 * Throws DATA when the packages are missing, CANCELLED when aborted, FILE_WRITE or DISK_FULL.
 */
export async function buildPictograms(options: BuildOptions): Promise<BuildResult> {
  throwIfAborted('buildPictograms', options.signal);
  const { folder, sources = readPictogramSources() } = options;
  const concepts = nameConcepts(sources.concepts);
  requireDistinctIds(concepts);
  const tasks = pictureTasks(concepts);
  const renderKey = renderKeyOf(tasks, sources);
  const pixelFile = `pictures-${renderKey.slice(0, 12)}.bin`;

  makeFolder(folder);
  const earlier = earlierBuild(folder, renderKey);
  const drawn = earlier ?? (await drawAll(tasks, join(folder, pixelFile), options));
  const index: PictogramIndex = {
    version: indexVersion,
    size: pictogramSize,
    renderKey,
    pixelFile,
    packages: sources.packages,
    concepts: splitConcepts(concepts, drawn.alike),
    pictures: drawn.pictures,
    alike: drawn.alike,
  };
  await writeFileAtomically(join(folder, 'index.json'), indexText(index));
  removeOldPixels(folder, pixelFile);
  return { index, hasDrawn: earlier === undefined };
}

function pictureTasks(concepts: readonly NamedConcept[]): PictureTask[] {
  return concepts.flatMap(({ source }, concept) =>
    pictogramStyles.flatMap((style) => {
      const drawing = source.drawings[style];
      return drawing ? [{ concept, style, drawing }] : [];
    }),
  );
}

function renderKeyOf(tasks: readonly PictureTask[], sources: PictogramSources): string {
  const hash = createHash('sha256');
  hash.update(JSON.stringify([renderVersion, pictogramSize, supersample, sources.packages]));
  for (const { concept, style, drawing } of tasks) {
    hash.update(JSON.stringify([concept, style, drawing]));
  }
  return hash.digest('hex');
}

function earlierBuild(folder: string, renderKey: string): Drawn | undefined {
  let index: PictogramIndex;
  try {
    index = readPictogramIndex(folder);
  } catch {
    return undefined; // missing, damaged or of another version: drawn anew
  }
  return index.renderKey === renderKey ? index : undefined;
}

async function drawAll(
  tasks: readonly PictureTask[],
  path: string,
  { onProgress, signal }: BuildOptions,
): Promise<Drawn> {
  const pictures: PictogramPicture[] = [];
  const thumbnails = new Map(
    pictogramStyles.map((style) => [style, new Map<number, Uint8Array>()]),
  );
  const draw = async function* (): AsyncGenerator<Uint8Array> {
    for (const { concept, style, drawing } of tasks) {
      throwIfAborted('buildPictograms', signal);
      const svg = svgDocument(drawing, pictogramSize * supersample);
      const { data } = await renderSvg(svg, { size: pictogramSize, supersample });
      yield data;
      const thumbnail = thumbnailOf(data, pictogramSize);
      const sha256 = createHash('sha256').update(data).digest('hex');
      pictures.push({ concept, style, meanRgb: meanColour(thumbnail), sha256 });
      thumbnails.get(style)?.set(concept, thumbnail);
      onProgress?.({ done: pictures.length, total: tasks.length });
    }
  };
  await writeFileAtomically(path, draw());
  const alike = [...thumbnails.values()].flatMap(alikeConcepts);
  return { pictures, alike };
}

function alikeConcepts(thumbnails: ReadonlyMap<number, Uint8Array>): [number, number][] {
  const concepts = [...thumbnails.keys()];
  const pairs = alikePairs([...thumbnails.values()]);
  return pairs.map(([a, b]) => [concepts[a]!, concepts[b]!]);
}

function splitConcepts(
  concepts: readonly NamedConcept[],
  alike: PictogramIndex['alike'],
): PictogramConcept[] {
  const families = concepts.map(({ family }) => family);
  const groups = splitGroups(families, alike);
  const heldOut = holdOut(
    concepts.map(({ id }) => id),
    groups,
  );
  return concepts.map(({ id, source, en, zh, canFlip, isSceneObject }, at) => {
    const { hexcode, group, subgroup } = source;
    const splitGroup = groups[at]!;
    const isHeldOut = heldOut[at]!;
    return { id, hexcode, group, subgroup, canFlip, isSceneObject, splitGroup, isHeldOut, en, zh };
  });
}

function requireDistinctIds(concepts: readonly NamedConcept[]): void {
  const seen = new Map<string, string>();
  for (const { id, source } of concepts) {
    const other = seen.get(id);
    if (other !== undefined) {
      throw complain('DATA', {
        where: 'buildPictograms',
        expected: 'one concept per id',
        got: `"${id}" for ${other} and ${source.hexcode}`,
        next: 'Give one of them another label.',
      });
    }
    seen.set(id, source.hexcode);
  }
}

/** One concept per line, so that two indexes can be compared. */
function indexText({ concepts, pictures, alike, ...rest }: PictogramIndex): string {
  const lines = (list: readonly unknown[]): string =>
    list.map((item) => `\n${JSON.stringify(item)}`).join(',');
  const head = JSON.stringify(rest).slice(0, -1);
  const pairs = JSON.stringify(alike);
  const body = `"concepts":[${lines(concepts)}],\n"pictures":[${lines(pictures)}]`;
  return `${head},\n"alike":${pairs},\n${body}}\n`;
}

function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    throw writeError(folder, error);
  }
}

function removeOldPixels(folder: string, pixelFile: string): void {
  for (const name of readdirSync(folder)) {
    if (/^pictures-[0-9a-f]{12}\.bin$/.test(name) && name !== pixelFile) {
      rmSync(join(folder, name), { force: true });
    }
  }
}
