/** @file Replays a trajectory of tools/reference/make_schedulers.py through a sampler. */
import { TorchGenerator } from '../../src/core/random.js';
import type { Churn, Sampler } from '../../src/schedulers/sampler.js';

/** One run of a class of diffusers. */
export interface Run {
  readonly className: string;
  readonly config: Record<string, unknown>;
  readonly options: RunOptions;
  readonly seed: number;
  readonly timesteps: readonly number[];
  readonly first: string;
  /** Latents after every call, one after the other. */
  readonly xs: string;
  /** The last estimate of the picture, where the class tells it. */
  readonly denoised?: string;
}

export interface RunOptions {
  readonly steps: number;
  readonly start?: number;
  readonly eta?: number;
  readonly churn?: Churn;
  readonly imageTokens?: number;
  readonly timesteps?: readonly number[];
  readonly sigmas?: readonly number[];
  readonly originalSteps?: number;
  readonly useClippedOutput?: boolean;
}

export interface Outcome {
  readonly timesteps: readonly number[];
  readonly first: Float32Array;
  readonly xs: readonly Float32Array[];
  readonly denoised: Float32Array | undefined;
}

const f = Math.fround;
export const batch = 2;

/** Latents of a run: 16 or more values, so that noise takes the path of large tensors. */
export const latentCount = 18;

export function unpack(text: string): Float32Array {
  return new Float32Array(new Uint8Array(Buffer.from(text, 'base64')).buffer);
}

/** The formula of `toy_model` in make_schedulers.py; `width` 2 adds variances after each picture. */
export function toyModel(x: Float32Array, timestep: number, width: 1 | 2 = 1): Float32Array {
  const s = timestep / 1000;
  const [c1, c2] = [f(0.5 + s), f(0.75 - 0.5 * s)];
  const waves = x.map((v) => v / f(1 + f(v * v)));
  const out = x.map((_, i) => {
    const rolled = x[(i + x.length - 1) % x.length]!;
    return f(f(c1 * waves[i]!) + f(c2 * rolled)) + ((i % 7) - 3) / 8;
  });
  if (width === 1) return out;
  const size = x.length / batch;
  const parts = Array.from({ length: batch }, (_, i) => [
    ...out.slice(i * size, (i + 1) * size),
    ...waves.slice(i * size, (i + 1) * size).map((wave) => 0.5 + wave),
  ]);
  return Float32Array.from(parts.flat());
}

/** Runs `sampler` as the script ran diffusers. */
export async function replay(sampler: Sampler, { seed, options }: Run): Promise<Outcome> {
  const { start = 0 } = options;
  const trajectory = sampler.plan(options);
  const generator = new TorchGenerator(seed);
  const noise = generator.randn(latentCount);
  const clean = Float32Array.from(noise, (_, i) => -1 + (2 * i) / (latentCount - 1));
  const first =
    start > 0
      ? trajectory.addNoise(clean, noise, start)
      : noise.map((value) => value * trajectory.initialNoiseScale);
  const xs: Float32Array[] = [];
  let denoised: Float32Array | undefined;
  const model = async (x: Float32Array, t: number) => toyModel(x, t, sampler.outputWidth);
  await trajectory.sample(model, first, {
    ...options,
    batch,
    noise: () => generator.randn(latentCount),
    onStep: (event) => {
      xs.push(event.x);
      denoised = event.denoised;
    },
  });
  return { timesteps: trajectory.timesteps, first, xs, denoised };
}

/** Largest difference relative to max(1, max |expected|); infinite where a value is no number. */
export function distance(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let [largest, scale] = [0, 1];
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs(actual[i]! - expected[i]!);
    largest = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : Math.max(largest, difference);
    scale = Math.max(scale, Math.abs(expected[i]!));
  }
  return actual.length === expected.length ? largest / scale : Number.POSITIVE_INFINITY;
}
