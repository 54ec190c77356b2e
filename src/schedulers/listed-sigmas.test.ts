/** @file Schedules of other systems: published tables and the rules they are known by. */
import { expect, it } from 'vitest';
import { alignYourStepsTables, listedSigmas } from './listed-sigmas.js';
import { listedSchedules } from './schedule-names.js';
import { fullRange, trainingSigmasOf } from './sigma-schedule.js';
import { loadSampler } from './table.js';

const training = trainingSigmasOf({
  numTrainTimesteps: 1000,
  betaStart: 0.00085,
  betaEnd: 0.012,
  betaSchedule: 'scaled_linear',
  trainedBetas: null,
});

it.each(listedSchedules)('%s falls from the largest σ', (schedule) => {
  const sigmas = listedSigmas(schedule, 12, fullRange(training));
  expect(sigmas[0]).toBeGreaterThan(13);
  for (let i = 1; i < sigmas.length; i++) expect(sigmas[i]).toBeLessThan(sigmas[i - 1]!);
});

it('gives the published steps, and as many as asked', () => {
  for (const table of ['sd1', 'sdxl', 'svd'] as const) {
    const ten = listedSigmas('align_your_steps', 10, fullRange(training, table));
    expect([...ten]).toEqual(alignYourStepsTables[table].slice(0, -1));
  }
  const twenty = listedSigmas('align_your_steps', 20, fullRange(training));
  expect(twenty).toHaveLength(20);
  // Every second of 21 points is one of the 11 published.
  expect(twenty[2]).toBeCloseTo(6.475, 6);
  expect(twenty[1]).toBeCloseTo(Math.sqrt(14.615 * 6.475), 6);
});

it('takes simple levels from the training ones', () => {
  const sigmas = listedSigmas('simple', 4, fullRange(training));
  expect([...sigmas]).toEqual([999, 749, 499, 249].map((t) => training[t]!));
});

it('spaces sgm_uniform in time, its last step left out', () => {
  const sigmas = listedSigmas('sgm_uniform', 3, fullRange(training));
  expect(sigmas[1]).toBeCloseTo(training[666]!, 4);
  expect(sigmas[2]).toBeCloseTo(training[333]!, 4);
});

it('is a schedule like any other for samplers over σ', () => {
  const json = { beta_start: 0.00085, beta_end: 0.012, beta_schedule: 'scaled_linear' };
  const names = ['EulerDiscreteScheduler', 'DPMSolverMultistepScheduler', 'KDPM2DiscreteScheduler'];
  for (const _class_name of names) {
    const sampler = loadSampler({ ...json, _class_name });
    const { timesteps } = sampler.plan({ steps: 10, schedule: 'align_your_steps' });
    expect(timesteps[0]).toBeGreaterThan(990);
    expect(sampler.schedules).toEqual(expect.arrayContaining([...listedSchedules]));
  }
  const ddim = loadSampler({ _class_name: 'DDIMScheduler' });
  expect(() => ddim.plan({ steps: 4, schedule: 'simple' })).toThrowErrorMatchingInlineSnapshot(
    `[MaliangError: DDIMScheduler: expected one of the schedules uniform, got simple. Choose one of these, or another sampler.]`,
  );
});
