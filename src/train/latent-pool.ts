/** @file Pictures encoded once into a pool of latents with captions, so that the loop need not draw or encode. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { complain, throwIfAborted } from '../core/errors.js';
import { f16ToNumber, numberToF16, type TensorData } from '../core/tensor-data.js';
import type { PictogramDataset } from '../data/pictograms.js';
import { parseSafetensorsHeader, readTensor, streamSafetensors } from '../formats/safetensors.js';
import { emitOnnx } from '../graph/emit.js';
import { input } from '../graph/tensor.js';
import { writeFileAtomically } from '../hub/atomic-file.js';
import { type AutoencoderTinyConfig, autoencoderTinyEncode } from '../models/autoencoder-tiny.js';
import { Scope } from '../nn/scope.js';
import { LocalSession } from '../runtime/session.js';

const latentsFile = 'latents.safetensors';
const captionsFile = 'captions.json';

export class LatentPool {
  readonly captions: readonly string[];
  /** [c, h, w] of one entry. */
  readonly shape: readonly number[];
  readonly #bits: Uint16Array;

  constructor(captions: readonly string[], shape: readonly number[], bits: Uint16Array) {
    this.captions = captions;
    this.shape = shape;
    this.#bits = bits;
  }

  get size(): number {
    return this.captions.length;
  }

  /** Values of one entry, [c, h, w]. */
  latents(index: number): Float32Array {
    const count = this.shape.reduce((a, b) => a * b, 1);
    const bits = this.#bits.subarray(index * count, (index + 1) * count);
    return Float32Array.from(bits, f16ToNumber);
  }

  /** Throws DATA when the folder holds no pool. */
  static read(folder: string): LatentPool {
    if (!existsSync(join(folder, latentsFile)) || !existsSync(join(folder, captionsFile))) {
      throw complain('DATA', { where: folder, expected: 'a latent pool', got: 'none' });
    }
    const bytes = readFileSync(join(folder, latentsFile));
    const { tensors } = parseSafetensorsHeader(bytes, bytes.length);
    const { shape, data } = readTensor(bytes, tensors.get('latents')!);
    const captions = JSON.parse(readFileSync(join(folder, captionsFile), 'utf8')) as string[];
    return new LatentPool(captions, shape.slice(1), data as Uint16Array);
  }

  static exists(folder: string): boolean {
    return existsSync(join(folder, latentsFile)) && existsSync(join(folder, captionsFile));
  }
}

export interface PoolRequest {
  readonly count: number;
  readonly seed: number;
  readonly folder: string;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

/** Encodes `count` samples of the data set and writes the pool. */
export async function buildLatentPool(
  data: PictogramDataset,
  autoencoder: { config: AutoencoderTinyConfig; weights: ReadonlyMap<string, TensorData> },
  request: PoolRequest,
): Promise<void> {
  const { count, seed, folder, signal, onProgress } = request;
  const { config, weights } = autoencoder;
  const batch = 16;
  const pixels = input('pixels', [batch, 3, data.size, data.size]);
  const latents = autoencoderTinyEncode(new Scope(), config, pixels);
  const session = await LocalSession.create(emitOnnx(new Map([['latents', latents]])));
  const shape = latents.shape.slice(1);
  const values = shape.reduce((a, b) => a * b, 1);
  const bits = new Uint16Array(count * values);
  const captions: string[] = [];
  const input32 = new Float32Array(batch * 3 * data.size * data.size);
  try {
    for (let first = 0; first < count; first += batch) {
      throwIfAborted('latent pool', signal);
      const size = Math.min(batch, count - first);
      for (let i = 0; i < size; i++) {
        const sample = data.sampleAt(first + i, seed);
        input32.set(sample.pixels, i * sample.pixels.length);
        captions.push(sample.caption);
      }
      const feed: TensorData = { dtype: 'f32', shape: pixels.shape, data: input32 };
      const result = await session.run(new Map([...weights, ['pixels', feed]]));
      const encoded = result.get('latents')!.data as Float32Array;
      for (let i = 0; i < size * values; i++) bits[first * values + i] = numberToF16(encoded[i]!);
      onProgress?.(first + size, count);
    }
  } finally {
    await session.dispose();
  }
  const tensor: TensorData = { dtype: 'f16', shape: [count, ...shape], data: bits };
  await writeFileAtomically(
    join(folder, latentsFile),
    streamSafetensors([['latents', tensor]], () => tensor),
  );
  await writeFileAtomically(join(folder, captionsFile), JSON.stringify(captions));
}
