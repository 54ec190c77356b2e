/** @file Latents of a pool above others in their place, decoded side by side. */
import type { TensorData } from '../core/tensor-data.js';
import * as g from '../graph/build.js';
import { emitOnnx } from '../graph/emit.js';
import { input } from '../graph/tensor.js';
import { writeFileAtomically } from '../hub/atomic-file.js';
import { autoencoderTinyDecode } from '../models/autoencoder-tiny.js';
import { Scope } from '../nn/scope.js';
import { LocalSession } from '../runtime/session.js';
import type { LatentPool, PoolEncoder } from './latent-pool.js';
import { encodeSheet } from './sheet.js';

/** Pictures in a row of a sheet. */
export const sheetCount = 8;

/** Entries spread over the pool, the same ones every time. */
export function sheetEntries({ size }: LatentPool): number[] {
  return Array.from({ length: sheetCount }, (_, i) => Math.floor((i * size) / sheetCount));
}

export interface LatentSheet {
  readonly pool: LatentPool;
  readonly autoencoder: PoolEncoder;
  /** In the place of the entries' own latents, [sheetCount, c, h, w]. */
  readonly latents: Float32Array;
  readonly pictureSize: number;
  readonly threads: number | undefined;
}

/** Throws RUNTIME, DISK_FULL or FILE_WRITE. */
export async function writeLatentSheet(path: string, sheet: LatentSheet): Promise<void> {
  const { pool, latents, pictureSize: size } = sheet;
  const known = sheetEntries(pool).flatMap((entry) => [...pool.latents(entry)]);
  const pixels = await decode(sheet, Float32Array.from([...known, ...latents]));
  const pictures = Array.from({ length: 2 * sheetCount }, (_, i) =>
    pixels.subarray(i * 3 * size * size, (i + 1) * 3 * size * size),
  );
  await writeFileAtomically(path, encodeSheet(pictures, size, sheetCount));
}

/** Latents [2·sheetCount, c, h, w] -> pictures [2·sheetCount, 3, size, size]. */
async function decode(
  { pool, autoencoder, threads }: LatentSheet,
  data: Float32Array,
): Promise<Float32Array> {
  const { config, weights } = autoencoder;
  const latents = input('latents', [2 * sheetCount, ...pool.shape]);
  const unscaled = g.add(g.div(latents, config.scalingFactor), config.shiftFactor);
  const pictures = autoencoderTinyDecode(new Scope(), config, unscaled);
  const model = emitOnnx(new Map([['pictures', pictures]]));
  await using session = await LocalSession.create(model, { threads });
  const feed: TensorData = { dtype: 'f32', shape: latents.shape, data };
  const results = await session.run(new Map([...weights, ['latents', feed]]));
  return results.get('pictures')!.data as Float32Array;
}
