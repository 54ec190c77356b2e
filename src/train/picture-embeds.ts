/** @file Embeddings of a pool's pictures by a frozen vision tower: what a text tower is compared with. */
import type { TensorData } from '../core/tensor-data.js';
import type { PictogramDataset } from '../data/pictograms.js';
import { emitOnnx } from '../graph/emit.js';
import { input } from '../graph/tensor.js';
import type { ClipVisionConfig } from '../models/clip-config.js';
import { clipVisionWithProjection } from '../models/clip-vision.js';
import { unitRows } from '../models/unit-rows.js';
import { Scope } from '../nn/scope.js';
import { LocalSession } from '../runtime/session.js';
import { type SampleRange, sampleBatches } from './sample-batches.js';

export interface VisionTower {
  readonly config: ClipVisionConfig;
  readonly weights: ReadonlyMap<string, TensorData>;
}

export interface PictureEmbedsOptions extends SampleRange {
  readonly threads?: number | undefined;
}

const batch = 32;

/** Of unit length, [count, projectionDim]. Throws CANCELLED or RUNTIME. */
export async function pictureEmbeds(
  data: PictogramDataset,
  { config, weights }: VisionTower,
  options: PictureEmbedsOptions,
): Promise<Float32Array> {
  const pixels = input('pixels', [batch, 3, data.size, data.size]);
  const { imageEmbeds } = clipVisionWithProjection(new Scope(), config, pixels);
  const model = emitOnnx(new Map([['embeds', unitRows(imageEmbeds)]]));
  await using session = await LocalSession.create(model, { threads: options.threads });
  const width = config.projectionDim;
  const embeds = new Float32Array(options.count * width);
  const batches = sampleBatches(data, batch, 'picture embeddings', options);
  for (const { first, captions, pictures } of batches) {
    const feed: TensorData = { dtype: 'f32', shape: pixels.shape, data: pictures };
    const results = await session.run(new Map([...weights, ['pixels', feed]]));
    const found = results.get('embeds')!.data as Float32Array;
    embeds.set(found.subarray(0, captions.length * width), first * width);
  }
  return embeds;
}
