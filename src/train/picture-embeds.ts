/** @file Embeddings of a pool's pictures by a frozen vision tower: what a text tower is compared with. */
import { throwIfAborted } from '../core/errors.js';
import type { TensorData } from '../core/tensor-data.js';
import type { PictogramDataset } from '../data/pictograms.js';
import { emitOnnx } from '../graph/emit.js';
import { input } from '../graph/tensor.js';
import type { ClipVisionConfig } from '../models/clip-config.js';
import { clipVisionWithProjection } from '../models/clip-vision.js';
import { unitRows } from '../models/unit-rows.js';
import { Scope } from '../nn/scope.js';
import { LocalSession } from '../runtime/session.js';

export interface VisionTower {
  readonly config: ClipVisionConfig;
  readonly weights: ReadonlyMap<string, TensorData>;
}

export interface PictureEmbedsOptions {
  /** The first `count` samples of `seed`. */
  readonly count: number;
  readonly seed: number;
  readonly threads?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

const batch = 32;

/** Of unit length, [count, projectionDim]. Throws CANCELLED or RUNTIME. */
export async function pictureEmbeds(
  data: PictogramDataset,
  { config, weights }: VisionTower,
  { count, seed, threads, signal, onProgress }: PictureEmbedsOptions,
): Promise<Float32Array> {
  const pixels = input('pixels', [batch, 3, data.size, data.size]);
  const { imageEmbeds } = clipVisionWithProjection(new Scope(), config, pixels);
  const model = emitOnnx(new Map([['embeds', unitRows(imageEmbeds)]]));
  await using session = await LocalSession.create(model, { threads });
  const width = config.projectionDim;
  const embeds = new Float32Array(count * width);
  const pictures = new Float32Array(batch * 3 * data.size * data.size);
  const feed: TensorData = { dtype: 'f32', shape: pixels.shape, data: pictures };
  for (let first = 0; first < count; first += batch) {
    throwIfAborted('picture embeddings', signal);
    const size = Math.min(batch, count - first);
    for (let i = 0; i < size; i++) {
      const sample = data.sampleAt(first + i, seed).pixels;
      pictures.set(sample, i * sample.length);
    }
    const results = await session.run(new Map([...weights, ['pixels', feed]]));
    const found = results.get('embeds')!.data as Float32Array;
    embeds.set(found.subarray(0, size * width), first * width);
    onProgress?.(first + size, count);
  }
  return embeds;
}
