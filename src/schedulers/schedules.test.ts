/** @file Noise levels and timesteps against tools/reference/make_schedulers.py. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import {
  alphasCumprod,
  roundHalfEven,
  spacedTimesteps,
  type TimestepSpacing,
} from './schedules.js';

interface Spacing {
  spacing: TimestepSpacing;
  train: number;
  offset: number;
  most: number;
  sha256: string;
}
const url = new URL('../../test/fixtures/schedulers/noise.json', import.meta.url);
const fixture = JSON.parse(readFileSync(url, 'utf8'));
const alphaCases: { config: Record<string, unknown>; alphas: string }[] = fixture.alphas;
const spacingCases: Spacing[] = fixture.spacings;

it.each(alphaCases)('gives the ᾱ of torch: $config', ({ config, alphas }) => {
  const actual = alphasCumprod({
    numTrainTimesteps: (config.num_train_timesteps as number) ?? 1000,
    betaStart: (config.beta_start as number) ?? 0.0001,
    betaEnd: (config.beta_end as number) ?? 0.02,
    betaSchedule: (config.beta_schedule as 'linear') ?? 'linear',
    trainedBetas: null,
    rescaleBetasZeroSnr: config.rescale_betas_zero_snr === true,
  });
  const sampled = [...actual.filter((_, i) => i % 7 === 0), ...actual.slice(-7)];
  const expected = new Float32Array(new Uint8Array(Buffer.from(alphas, 'base64')).buffer);
  const differences = sampled.map(
    (value, i) => Math.abs(value - expected[i]!) / Math.max(1e-6, expected[i]!),
  );
  expect(sampled).toHaveLength(expected.length);
  // torch's vectorised sqrt and exp miss the last bit; the zero-SNR rescale magnifies that.
  expect(Math.max(...differences)).toBeLessThanOrEqual(
    config.rescale_betas_zero_snr ? 1e-5 : 2.5e-7,
  );
});

it.each(spacingCases)('gives every list of timesteps: $spacing of $train + $offset', (row) => {
  const digest = createHash('sha256');
  for (let steps = 1; steps <= row.most; steps++) {
    const request = {
      steps,
      numTrainTimesteps: row.train,
      timestepSpacing: row.spacing,
      stepsOffset: row.offset,
    };
    digest.update(`${spacedTimesteps(request).join(' ')}\n`);
  }
  expect(digest.digest('hex')).toBe(row.sha256);
});

it('rounds halves to even', () => {
  expect([0.5, 1.5, 2.5, -0.5, -1.5, 2.4, 2.6].map(roundHalfEven).map((v) => v + 0)).toEqual([
    0, 2, 2, 0, -2, 2, 3,
  ]);
});
