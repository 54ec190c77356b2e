/** @file What a diffusion run is shown: noised latents, their velocities, timesteps and captions. */
import { describe, expect, it } from 'vitest';
import { numberToF16, type TensorData } from '../core/tensor-data.js';
import { alphasCumprod } from '../schedulers/schedules.js';
import { type BatchSettings, drawBatch, timeIdsOf } from './diffusion-batch.js';
import { LatentPool } from './latent-pool.js';

const values = 2 * 4 * 4;
const size = 5;
/** Entry e holds e − 2 + j/64 at place j. */
const bits = Uint16Array.from({ length: size * values }, (_, i) =>
  numberToF16(Math.floor(i / values) - 2 + (i % values) / 64),
);
const captions = Array.from({ length: size }, (_, i) => `caption ${i}`);
const pool = new LatentPool(captions, [2, 4, 4], bits);
const alphas = alphasCumprod({
  numTrainTimesteps: 1000,
  betaStart: 0.0001,
  betaEnd: 0.02,
  betaSchedule: 'squaredcos_cap_v2',
  trainedBetas: null,
  rescaleBetasZeroSnr: false,
});
const settings: BatchSettings = {
  seed: 9,
  captionDropout: 0,
  logitMean: 0,
  pictureSize: 128,
  alphas,
};
const floats = (batch: ReadonlyMap<string, TensorData>, name: string): Float32Array =>
  batch.get(name)!.data as Float32Array;

it('shows latents of the captions it names, with noise of unit variance', () => {
  const n = 300;
  const { captions: shown, feeds } = drawBatch(settings, pool, 0, n);
  const [sample, target] = [floats(feeds, 'sample'), floats(feeds, 'target')];
  let [sum, squares] = [0, 0];
  shown.forEach((caption, i) => {
    const alpha = alphas[floats(feeds, 'timesteps')[i]!]!;
    const clean = pool.latents(captions.indexOf(caption));
    for (let j = 0; j < values; j++) {
      const [x, v] = [sample[i * values + j]!, target[i * values + j]!];
      // x₀ = √ᾱ·x − √(1−ᾱ)·v and ε = √(1−ᾱ)·x + √ᾱ·v
      expect(Math.sqrt(alpha) * x - Math.sqrt(1 - alpha) * v).toBeCloseTo(clean[j]!, 4);
      const noise = Math.sqrt(1 - alpha) * x + Math.sqrt(alpha) * v;
      sum += noise;
      squares += noise * noise;
    }
  });
  expect(new Set(shown)).toEqual(new Set(captions));
  expect(sum / (n * values)).toBeCloseTo(0, 1);
  expect(squares / (n * values)).toBeCloseTo(1, 1);
});

it('gives each sample the same whatever batch it comes in', () => {
  const whole = drawBatch(settings, pool, 10, 4);
  const parts = [drawBatch(settings, pool, 10, 1), drawBatch(settings, pool, 11, 3)];
  expect(parts.flatMap((part) => part.captions)).toEqual(whole.captions);
  for (const name of ['sample', 'target', 'timesteps', 'timeIds']) {
    const joined = parts.flatMap(({ feeds }) => [...floats(feeds, name)]);
    expect(joined).toEqual([...floats(whole.feeds, name)]);
  }
  const other = drawBatch({ ...settings, seed: 10 }, pool, 10, 4);
  expect(floats(other.feeds, 'sample')).not.toEqual(floats(whole.feeds, 'sample'));
});

describe('over many samples', () => {
  const n = 2000;

  it('leaves out the share of captions it is told to', () => {
    const empty = (captionDropout: number): number =>
      drawBatch({ ...settings, captionDropout }, pool, 0, n).captions.filter((text) => text === '')
        .length / n;
    expect([empty(0), empty(1)]).toEqual([0, 1]);
    expect(empty(0.1)).toBeGreaterThan(0.08);
    expect(empty(0.1)).toBeLessThan(0.12);
  });

  it('draws every timestep, the middle ones most', () => {
    const timesteps = floats(drawBatch(settings, pool, 0, n).feeds, 'timesteps');
    const counts = [0, 0, 0, 0, 0];
    for (const t of timesteps) {
      expect(Number.isInteger(t) && t >= 0 && t < 1000).toBe(true);
      counts[Math.floor(t / 200)]!++;
    }
    expect(counts[2]).toBeGreaterThan(1.3 * counts[0]!);
    expect(counts[2]).toBeGreaterThan(1.3 * counts[4]!);
    for (const count of counts) expect(count).toBeGreaterThan(n / 10);
  });

  it('draws the noisy timesteps most when the centre is above 0', () => {
    const shifted = drawBatch({ ...settings, logitMean: 1 }, pool, 0, n);
    const noisy = floats(shifted.feeds, 'timesteps').filter((t) => t >= 700).length;
    expect(noisy / n).toBeGreaterThan(0.45);
    expect(noisy / n).toBeLessThan(0.57);
  });
});

it('describes whole pictures', () => {
  expect(timeIdsOf(2, 64)).toEqual({
    dtype: 'f32',
    shape: [2, 6],
    data: Float32Array.of(64, 64, 0, 0, 64, 64, 64, 64, 0, 0, 64, 64),
  });
});
