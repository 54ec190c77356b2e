/** @file Samplers of k-diffusion against its own code (tools/reference/make_k_diffusion.py). */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { TorchGenerator } from '../../src/core/random.js';
import { listedSigmas } from '../../src/schedulers/listed-sigmas.js';
import { loadSampler } from '../../src/schedulers/table.js';
import { batch, distance, latentCount, toyModel, unpack } from './replay.js';

interface Run {
  config: Record<string, unknown>;
  steps: number;
  seed: number;
  seeds: number[] | null;
  noiseScale: number;
  first: string;
  xs: string;
}

const url = new URL('../fixtures/schedulers/k-diffusion.json', import.meta.url);
const fixture = JSON.parse(readFileSync(url, 'utf8'));
const rows = [
  ...fixture.dpmpp2sAncestral.map((run: Run) => ['DPMPP2SAncestralScheduler', run] as const),
  ...fixture.dpmpp3mSde.map((run: Run) => ['DPMPP3MSDEScheduler', run] as const),
] as (readonly [string, Run])[];

it.each(rows)('%s follows k-diffusion: %j', async (className, run) => {
  const sampler = loadSampler({ _class_name: className, ...run.config });
  const trajectory = sampler.plan({ steps: run.steps });
  const generator = new TorchGenerator(run.seed);
  const first = generator.randn(latentCount).map((value) => value * trajectory.initialNoiseScale);
  expect(distance(first, unpack(run.first))).toBeLessThanOrEqual(1e-6);
  const xs: Float32Array[] = [];
  await trajectory.sample(async (x, t) => toyModel(x, t), first, {
    batch,
    churn: { noiseScale: run.noiseScale },
    brownianSeeds: run.seeds ?? [],
    noise: () => generator.randn(latentCount),
    onStep: ({ step, x }) => {
      const isLast = step === trajectory.timesteps.length - 1;
      if (trajectory.order === 1 || step % 2 === 1 || isLast) xs.push(x);
    },
  });
  const expected = unpack(run.xs);
  expect(xs.length * latentCount).toBe(expected.length);
  for (const [i, x] of xs.entries()) {
    const row = expected.subarray(i * latentCount, (i + 1) * latentCount);
    expect(distance(x, row)).toBeLessThanOrEqual(1e-4);
  }
});

it.each(
  fixture.polyexponential as { steps: number; least: number; largest: number; sigmas: string }[],
)('polyexponential of $steps steps', ({ steps, least, largest, sigmas }) => {
  const source = { training: new Float32Array(2), least, largest, table: 'sd1' as const };
  const actual = [...listedSigmas('polyexponential', steps, source), 0];
  expect(distance(actual, unpack(sigmas))).toBeLessThanOrEqual(1e-6);
});
