/** @file Pictures encoded once into a pool of latents with captions, so that the loop need not draw or encode. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { complain } from '../core/errors.js';
import { elementCount, f16ToNumber, numberToF16, type TensorData } from '../core/tensor-data.js';
import type { PictogramDataset } from '../data/pictograms.js';
import { streamSafetensors, tensorBytes } from '../formats/safetensors.js';
import * as g from '../graph/build.js';
import { emitOnnx } from '../graph/emit.js';
import { input } from '../graph/tensor.js';
import { writeFileAtomically } from '../hub/atomic-file.js';
import { readTensorAt } from '../hub/read-tensor.js';
import { readWeightFile } from '../hub/weight-file.js';
import { type AutoencoderTinyConfig, autoencoderTinyEncode } from '../models/autoencoder-tiny.js';
import { Scope } from '../nn/scope.js';
import { LocalSession } from '../runtime/session.js';
import { type SampleRange, sampleBatches } from './sample-batches.js';

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
    const count = elementCount(this.shape);
    const bits = this.#bits.subarray(index * count, (index + 1) * count);
    return Float32Array.from(bits, f16ToNumber);
  }

  /**
   * Reads a pool that was made from `origin`. Throws DATA when the folder holds none, a damaged
   * one, or one made from something else.
   */
  static async read(folder: string, origin: string): Promise<LatentPool> {
    if (!LatentPool.exists(folder)) throw refuse(folder, 'a latent pool', 'none');
    const { tensors, metadata } = await readWeightFile(join(folder, latentsFile));
    if (metadata.get('origin') !== origin) {
      const expected = 'latents of these pictures by this autoencoder';
      throw refuse(folder, expected, 'a pool made from others');
    }
    const stored = tensors.get('latents');
    const captions = await readCaptions(folder);
    if (stored?.dtype !== 'f16' || stored.shape[0] !== captions.length) {
      const got = `${captions.length} captions and latents [${stored?.shape ?? ''}]`;
      throw refuse(folder, 'a caption for each of its latents', got);
    }
    const { shape, data } = await readTensorAt(stored);
    return new LatentPool(captions, shape.slice(1), data as Uint16Array);
  }

  static exists(folder: string): boolean {
    return existsSync(join(folder, latentsFile)) && existsSync(join(folder, captionsFile));
  }
}

async function readCaptions(folder: string): Promise<string[]> {
  const text = await readFile(join(folder, captionsFile), 'utf8');
  try {
    const captions = JSON.parse(text) as unknown;
    if (Array.isArray(captions) && captions.every((item) => typeof item === 'string')) {
      return captions;
    }
  } catch {
    // Said below, as for any other content that is no list of captions.
  }
  throw refuse(folder, `a list of captions in ${captionsFile}`, 'something else');
}

function refuse(where: string, expected: string, got: string): Error {
  const next = 'Delete the folder, or name another `pool`; it is then made anew.';
  return complain('DATA', { where, expected, got, next });
}

export interface PoolEncoder {
  readonly config: AutoencoderTinyConfig;
  readonly weights: ReadonlyMap<string, TensorData>;
}

export interface PoolContent {
  readonly count: number;
  readonly seed: number;
  /** Share of composed scenes the data set was opened with. */
  readonly sceneShare: number;
  /** Whether the data set was opened to shift and mirror pictures. */
  readonly augment: boolean;
}

/** A digest of everything the pool depends on. */
export function poolOrigin(
  data: PictogramDataset,
  { config, weights }: PoolEncoder,
  { count, seed, sceneShare, augment }: PoolContent,
): string {
  const hash = createHash('sha256');
  hash.update(JSON.stringify([data.size, data.length, config, count, seed, sceneShare, augment]));
  for (const [name, tensor] of weights) hash.update(name).update(tensorBytes(name, tensor));
  return hash.digest('hex').slice(0, 16);
}

export interface PoolRequest extends PoolContent, SampleRange {
  readonly folder: string;
  readonly threads?: number | undefined;
}

const batch = 16;

/**
 * Encodes `count` samples of the data set and writes the pool. Throws CANCELLED, DISK_FULL or
 * FILE_WRITE; nothing half-made is then taken for a pool.
 */
export async function buildLatentPool(
  data: PictogramDataset,
  encoder: PoolEncoder,
  request: PoolRequest,
): Promise<void> {
  const { count, folder } = request;
  const pixels = input('pixels', [batch, 3, data.size, data.size]);
  const { scalingFactor, shiftFactor } = encoder.config;
  const encoded = autoencoderTinyEncode(new Scope(), encoder.config, pixels);
  const latents = g.mul(g.sub(encoded, shiftFactor), scalingFactor);
  const model = emitOnnx(new Map([['latents', latents]]));
  await using session = await LocalSession.create(model, { threads: request.threads });
  const shape = latents.shape.slice(1);
  const encode = async (pictures: Float32Array): Promise<Float32Array> => {
    const feed: TensorData = { dtype: 'f32', shape: pixels.shape, data: pictures };
    const results = await session.run(new Map([...encoder.weights, ['pixels', feed]]));
    return results.get('latents')!.data as Float32Array;
  };
  const { bits, captions } = await encodeSamples(data, encode, elementCount(shape), request);
  const tensor: TensorData = { dtype: 'f16', shape: [count, ...shape], data: bits };
  const metadata = { origin: poolOrigin(data, encoder, request) };
  const chunks = streamSafetensors([['latents', tensor]], () => tensor, metadata);
  await rm(join(folder, captionsFile), { force: true }); // a pool is whole when it has captions
  await writeFileAtomically(join(folder, latentsFile), chunks);
  await writeFileAtomically(join(folder, captionsFile), JSON.stringify(captions));
}

/** Latents of the samples as f16 bits, `values` for each, and their captions. */
async function encodeSamples(
  data: PictogramDataset,
  encode: (pictures: Float32Array) => Promise<Float32Array>,
  values: number,
  request: PoolRequest,
): Promise<{ bits: Uint16Array; captions: string[] }> {
  const bits = new Uint16Array(request.count * values);
  const captions: string[] = [];
  for (const samples of sampleBatches(data, batch, 'latent pool', request)) {
    const { first, pictures } = samples;
    const encoded = await encode(pictures);
    const count = samples.captions.length * values;
    for (let i = 0; i < count; i++) bits[first * values + i] = numberToF16(encoded[i]!);
    captions.push(...samples.captions);
  }
  return { bits, captions };
}
