/** @file Ancestral Euler sampler of k-diffusion (Song et al. 2021), with the configuration of diffusers' EulerAncestralDiscreteScheduler. */
import { combine, slope } from './combine.js';
import { booleanField, type ConfigOf, choiceField } from './config.js';
import { denoisedAtSigma, noisedAtSigma, scaledInput } from './denoisers.js';
import { SamplerRun } from './run.js';
import type { Denoise, PlanRequest, SampleOptions, Trajectory } from './sampler.js';
import {
  noRespacing,
  type SigmaSchedule,
  sigmaSchedule,
  spacingFields,
  trainingFields,
} from './sigma-schedule.js';

const f = Math.fround;

/** Keys and defaults of diffusers' EulerAncestralDiscreteScheduler. */
export const eulerAncestralFields = {
  ...trainingFields,
  ...spacingFields,
  predictionType: choiceField('epsilon', ['epsilon', 'v_prediction']),
  rescaleBetasZeroSnr: booleanField(false),
};
export type EulerAncestralConfig = ConfigOf<typeof eulerAncestralFields>;

/** Runs Euler steps to a lower σ than asked and makes it up with fresh noise, drawn in every step. */
export async function sampleEulerAncestral(
  denoise: Denoise,
  x: Float32Array,
  schedule: SigmaSchedule,
  options: SampleOptions = {},
): Promise<Float32Array> {
  const { sigmas, predictionType } = schedule;
  const run = new SamplerRun('Euler ancestral', schedule, denoise, options);
  for (let step = run.start; step < run.end; step++) {
    const sigma = sigmas[step]!;
    const output = await run.output(scaledInput(x, sigma), step);
    const denoised = denoisedAtSigma(predictionType, sigma, x, output);
    const { up, down } = ancestralStep(sigma, sigmas[step + 1]!);
    const moved = combine([1, x], [f(down - sigma), slope(x, denoised, sigma)]);
    x = run.finish(step, combine([1, moved], [up, run.noise(step, x.length)]), denoised);
  }
  return x;
}

/** The trajectory of one run under `config`. */
export function planEulerAncestral(config: EulerAncestralConfig, request: PlanRequest): Trajectory {
  const rules = { where: 'Euler ancestral' };
  const schedule = sigmaSchedule({ ...config, ...noRespacing }, request, rules);
  return {
    timesteps: schedule.timesteps,
    order: 1,
    initialNoiseScale: schedule.initialNoiseScale,
    addNoise: (clean, noise, step) => noisedAtSigma(schedule.sigmas[step]!, clean, noise),
    sample: (denoise, x, options) => sampleEulerAncestral(denoise, x, schedule, options),
  };
}

/** Splits a step from σ to `next` into a deterministic part down to `down` and noise of size `up`. */
export function ancestralStep(sigma: number, next: number): { up: number; down: number } {
  const [from2, to2] = [f(sigma * sigma), f(next * next)];
  const up = Math.min(next, f(Math.sqrt(f(f(to2 * f(from2 - to2)) / from2))));
  return { up, down: f(Math.sqrt(f(to2 - f(up * up)))) };
}
