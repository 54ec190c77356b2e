/** @file Batches of a diffusion run: noised latents with velocities (Salimans and Ho 2022), captions with dropout. */
import { TorchGenerator } from '../core/random.js';
import { elementCount, type FloatTensor, type TensorData } from '../core/tensor-data.js';
import { noisedAt, velocityAt } from '../schedulers/denoisers.js';
import { timeIdCount } from './generator.js';
import type { LatentPool } from './latent-pool.js';
import { deriveSeed } from './run-settings.js';

/** SDXL's size conditioning of `n` whole pictures, [n, timeIdCount]. */
export function timeIdsOf(n: number, size: number): FloatTensor {
  const sizes = [size, size, 0, 0, size, size];
  const data = Float32Array.from({ length: n * timeIdCount }, (_, i) => sizes[i % timeIdCount]!);
  return { dtype: 'f32', shape: [n, timeIdCount], data };
}

/** Logit-normal timesteps (Esser et al. 2024), one in six uniform. */
function drawTimestep(random: TorchGenerator, count: number, logitMean: number): number {
  const [u] = random.uniform(1) as unknown as [number];
  const [normal] = random.randn(1) as unknown as [number];
  const share = u < 1 / 6 ? u * 6 : 1 / (1 + Math.exp(-logitMean - 1.2 * normal));
  return Math.min(count - 1, Math.floor(share * count));
}

export interface BatchSettings {
  readonly seed: number;
  /** Share of captions replaced by the empty text. */
  readonly captionDropout: number;
  /** Centre of the timesteps drawn, as a logit: 0 is the middle one, above 0 is more noise. */
  readonly logitMean: number;
  readonly pictureSize: number;
  /** ᾱ of every timestep. */
  readonly alphas: Float32Array;
}

export interface DrawnBatch {
  readonly captions: readonly string[];
  readonly feeds: Map<string, TensorData>;
}

/** Noised latents with targets; every sample draws from a stream of its own. */
export function drawBatch(
  { seed, captionDropout, logitMean, pictureSize, alphas }: BatchSettings,
  pool: LatentPool,
  first: number,
  n: number,
): DrawnBatch {
  const values = elementCount(pool.shape);
  const sample = new Float32Array(n * values);
  const target = new Float32Array(n * values);
  const timesteps = new Float32Array(n);
  const captions: string[] = [];
  for (let i = 0; i < n; i++) {
    const random = new TorchGenerator(deriveSeed(seed, 3, first + i));
    const [pick, drop] = random.uniform(2) as unknown as [number, number];
    const entry = Math.min(pool.size - 1, Math.floor(pick * pool.size));
    const timestep = drawTimestep(random, alphas.length, logitMean);
    const noise = random.randn(values);
    const clean = pool.latents(entry);
    sample.set(noisedAt(alphas[timestep]!, clean, noise), i * values);
    target.set(velocityAt(alphas[timestep]!, clean, noise), i * values);
    timesteps[i] = timestep;
    captions.push(drop < captionDropout ? '' : pool.captions[entry]!);
  }
  const shape = [n, ...pool.shape];
  const feeds = new Map<string, TensorData>([
    ['sample', { dtype: 'f32', shape, data: sample }],
    ['target', { dtype: 'f32', shape, data: target }],
    ['timesteps', { dtype: 'f32', shape: [n], data: timesteps }],
    ['timeIds', timeIdsOf(n, pictureSize)],
  ]);
  return { captions, feeds };
}
