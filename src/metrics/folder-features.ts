/** @file The features of a folder's pictures, batch by batch: only sums are kept where a metric needs no more. */
import { MaliangError, throwIfAborted } from '../core/errors.js';
import { type PictureFolder, readFolderPicture } from '../data/picture-folder.js';
import type { FeatureExtractor } from './feature-extractor.js';
import { MomentCollector, type MomentSums } from './feature-moments.js';
import { type FeatureRows, RowStore } from './feature-rows.js';
import { InceptionScoreCollector, type InceptionScoreOptions } from './inception-score.js';

/** What the metrics asked for want of a folder. */
export interface Wanted {
  /** Sums for FID, in so many groups for its resamples. */
  readonly momentGroups?: number | undefined;
  /** All rows, kept in memory. */
  readonly hasRows: boolean;
  /** Sums for the inception score. */
  readonly inceptionScore?: InceptionScoreOptions | undefined;
}

export interface FolderFeatures {
  readonly folder: PictureFolder;
  /** Names of the pictures that were read, in order. */
  readonly names: readonly string[];
  readonly moments: readonly MomentSums[] | undefined;
  readonly rows: FeatureRows | undefined;
  readonly inceptionScore: InceptionScoreCollector | undefined;
  /** How many pictures there are of each size, such as `512x512`. */
  readonly sizes: ReadonlyMap<string, number>;
  /** What could not be read and why, one sentence each. */
  readonly unreadable: readonly string[];
  /** What was changed to read pictures, one sentence each. */
  readonly notes: readonly string[];
}

export interface CollectOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((done: number) => void) | undefined;
}

/**
 * Reads every picture once; those that cannot be read are left out and named. The next batch is
 * decoded while the network works. Throws CANCELLED, DATA for features that are not finite, and
 * what `Engine` throws.
 */
export async function collectFeatures(
  extractor: FeatureExtractor,
  folder: PictureFolder,
  wanted: Wanted,
  { signal, onProgress }: CollectOptions = {},
): Promise<FolderFeatures> {
  const { size, classes = 0 } = extractor.network;
  const { momentGroups, hasRows, inceptionScore } = wanted;
  const moments = momentGroups === undefined ? undefined : new MomentCollector(size, momentGroups);
  const score =
    inceptionScore && new InceptionScoreCollector(classes, folder.files.length, inceptionScore);
  const store = new RowStore();
  const seen = new SeenPictures();
  const { batch } = extractor;
  let next = readBatch(extractor, folder, folder.files.slice(0, batch), seen);
  for (let at = 0; at < folder.files.length; at += batch) {
    throwIfAborted('evaluate', signal);
    const pictures = await next;
    next = readBatch(extractor, folder, folder.files.slice(at + batch, at + 2 * batch), seen);
    if (pictures.length > 0) {
      const { features, logits } = await extractor.extract(pictures);
      moments?.add(features);
      if (logits) score?.add(logits);
      if (hasRows) store.add(features.data as Float32Array);
    }
    onProgress?.(Math.min(at + batch, folder.files.length));
  }
  const { names, sizes, unreadable, notes } = seen;
  const rows = hasRows ? store.take(size) : undefined;
  return {
    ...{ folder, names, sizes, unreadable, notes, rows },
    moments: moments?.sums(),
    inceptionScore: score,
  };
}

class SeenPictures {
  readonly names: string[] = [];
  readonly sizes = new Map<string, number>();
  readonly unreadable: string[] = [];
  readonly notes: string[] = [];
}

/** Never rejects for a picture that cannot be read. */
async function readBatch(
  extractor: FeatureExtractor,
  folder: PictureFolder,
  names: readonly string[],
  seen: SeenPictures,
): Promise<Float32Array[]> {
  const read = await Promise.all(
    names.map((name) => readFolderPicture(folder.path, name).catch(asMaliangError)),
  );
  return read.flatMap((picture, i) => {
    if (picture instanceof MaliangError) {
      seen.unreadable.push(picture.message);
      return [];
    }
    const { image, notes } = picture;
    const size = `${image.width}x${image.height}`;
    seen.names.push(names[i]!);
    seen.sizes.set(size, (seen.sizes.get(size) ?? 0) + 1);
    seen.notes.push(...notes);
    return [extractor.prepare(image)];
  });
}

function asMaliangError(cause: unknown): MaliangError {
  if (cause instanceof MaliangError) return cause;
  throw cause;
}
