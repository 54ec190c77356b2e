/** @file Every sampler against diffusers: configuration keys pairwise, whole trajectories (tools/reference/make_schedulers.py). */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { loadSampler, samplerTable } from '../../src/schedulers/table.js';
import { distance, latentCount, type Run, type RunOptions, replay, unpack } from './replay.js';

interface Fixture {
  readonly runs: readonly Run[];
  /** What diffusers throws at, or gives no numbers for. */
  readonly refused: readonly {
    readonly config: Record<string, unknown>;
    readonly options: RunOptions;
    readonly reason: string;
  }[];
}

const folder = new URL('../fixtures/schedulers/', import.meta.url);
const notTrajectories = ['noise.json', 'brownian.json', 'k-diffusion.json'];
const files = readdirSync(folder).filter(
  (name) => name.endsWith('.json') && !notTrajectories.includes(name),
);
/** The agreed line is 1e-4; latents keep within a quarter of it. */
const line = 2.5e-5;

it('has a file for every class that runs', () => {
  const running = Object.entries(samplerTable).filter(([, loader]) => loader !== null);
  expect(files.map((file) => file.replace('.json', 'Scheduler')).sort()).toEqual(
    running.map(([name]) => name).sort(),
  );
});

describe.each(files)('%s', (file) => {
  const { runs, refused }: Fixture = JSON.parse(readFileSync(new URL(file, folder), 'utf8'));
  const className = file.replace('.json', 'Scheduler');

  it.each(runs)('follows diffusers: $config, $options', async (run) => {
    const sampler = loadSampler({ _class_name: className, ...run.config });
    const { timesteps, first, xs, denoised } = await replay(sampler, run);
    expectTimesteps(timesteps, run.timesteps);
    expect(distance(first, unpack(run.first))).toBeLessThanOrEqual(1e-6);
    const expected = unpack(run.xs);
    expect(xs.length * latentCount).toBe(expected.length);
    for (const [i, x] of xs.entries()) {
      const row = expected.subarray(i * latentCount, (i + 1) * latentCount);
      expect(distance(x, row)).toBeLessThanOrEqual(line);
    }
    if (run.denoised) expect(distance(denoised!, unpack(run.denoised))).toBeLessThanOrEqual(line);
  });

  it.each(refused)('refuses $config, $options: $reason', async ({ config, options }) => {
    const run = { className, config, options, seed: 1, timesteps: [], first: '', xs: '' };
    const attempt = async () => replay(loadSampler({ _class_name: className, ...config }), run);
    await expect(attempt()).rejects.toMatchObject({ name: 'MaliangError' });
  });
});

/**
 * Timesteps that are whole numbers by rule are equal; fractions come from logarithms in f32, whose last
 * digits differ between processors.
 */
function expectTimesteps(actual: readonly number[], expected: readonly number[]): void {
  expect(actual.length).toBe(expected.length);
  if (expected.every(Number.isInteger)) expect(actual).toEqual(expected);
  for (const [i, t] of expected.entries()) {
    expect(Math.abs(actual[i]! - t)).toBeLessThanOrEqual(1e-4);
  }
}
