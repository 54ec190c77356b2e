/** @file Samples of a data set in batches of one size, for what is computed once before a loop. */
import { throwIfAborted } from '../core/errors.js';
import type { PictogramDataset } from '../data/pictograms.js';

export interface SampleRange {
  /** The first `count` samples of `seed`. */
  readonly count: number;
  readonly seed: number;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

export interface SampleBatch {
  /** Index of the first sample. */
  readonly first: number;
  readonly captions: readonly string[];
  /** [batch, 3, h, w], the same memory every time; what lies behind the last sample is of no use. */
  readonly pictures: Float32Array;
}

/** Progress is told when the next batch is asked for. Throws CANCELLED between batches, naming `what`. */
export function* sampleBatches(
  data: PictogramDataset,
  batch: number,
  what: string,
  { count, seed, signal, onProgress }: SampleRange,
): Generator<SampleBatch> {
  const pictures = new Float32Array(batch * 3 * data.size * data.size);
  for (let first = 0; first < count; first += batch) {
    throwIfAborted(what, signal);
    const size = Math.min(batch, count - first);
    const captions: string[] = [];
    for (let i = 0; i < size; i++) {
      const sample = data.sampleAt(first + i, seed);
      pictures.set(sample.pixels, i * sample.pixels.length);
      captions.push(sample.caption);
    }
    yield { first, captions, pictures };
    onProgress?.(first + size, count);
  }
}
