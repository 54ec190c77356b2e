/** @file Linear multistep sampler of k-diffusion, with the configuration of diffusers' LMSDiscreteScheduler. */
import { combine, slope } from './combine.js';
import { type ConfigOf, choiceField } from './config.js';
import { denoisedAtSigma, noisedAtSigma, scaledInput } from './denoisers.js';
import { SamplerRun } from './run.js';
import type { Denoise, PlanRequest, SampleOptions, Trajectory } from './sampler.js';
import {
  respacingFields,
  type SigmaSchedule,
  sigmaSchedule,
  spacingFields,
  trainingFields,
} from './sigma-schedule.js';

const order = 4;

/** Keys and defaults of diffusers' LMSDiscreteScheduler. */
export const lmsFields = {
  ...trainingFields,
  ...spacingFields,
  ...respacingFields,
  predictionType: choiceField('epsilon', ['epsilon', 'sample', 'v_prediction']),
};
export type LmsConfig = ConfigOf<typeof lmsFields>;

/** Runs steps that integrate the polynomial through up to four slopes. */
export async function sampleLms(
  denoise: Denoise,
  x: Float32Array,
  schedule: SigmaSchedule,
  options: SampleOptions = {},
): Promise<Float32Array> {
  const { sigmas, predictionType } = schedule;
  const run = new SamplerRun('LMS', schedule, denoise, options);
  const slopes: Float32Array[] = [];
  for (let step = run.start; step < run.end; step++) {
    const sigma = sigmas[step]!;
    const output = await run.output(scaledInput(x, sigma), step);
    const denoised = denoisedAtSigma(predictionType, sigma, x, output);
    slopes.unshift(slope(x, denoised, sigma));
    slopes.length = Math.min(slopes.length, order);
    const weights = lmsWeights(sigmas, step, Math.min(step + 1, order));
    const change = combine(...slopes.map((values, k) => [weights[k]!, values] as const));
    x = run.finish(step, combine([1, x], [1, change]), denoised);
  }
  return x;
}

/** The trajectory of one run under `config`. */
export function planLms(config: LmsConfig, request: PlanRequest): Trajectory {
  const schedule = sigmaSchedule(config, request, { where: 'LMS', ignoresKarrasEnds: true });
  return {
    timesteps: schedule.timesteps,
    order: 1,
    initialNoiseScale: schedule.initialNoiseScale,
    addNoise: (clean, noise, step) => noisedAtSigma(schedule.sigmas[step]!, clean, noise),
    sample: (denoise, x, options) => sampleLms(denoise, x, schedule, options),
  };
}

/** ∫ of the Lagrange polynomials over the last `count` levels, from this level to the next. */
export function lmsWeights(sigmas: readonly number[], step: number, count: number): number[] {
  const nodes = Array.from({ length: count }, (_, k) => sigmas[step - k]!);
  const origin = nodes[0]!;
  const end = sigmas[step + 1]! - origin;
  return nodes.map((node, k) => {
    // Coefficients of Π (τ − other)/(node − other), powers of τ − origin rising.
    let polynomial = [1];
    for (const [j, other] of nodes.entries()) {
      if (j !== k) polynomial = timesLinear(polynomial, origin - other, 1 / (node - other));
    }
    return polynomial.reduce((sum, c, power) => sum + (c * end ** (power + 1)) / (power + 1), 0);
  });
}

/** polynomial · (τ + shift) · scale. */
function timesLinear(polynomial: readonly number[], shift: number, scale: number): number[] {
  return Array.from(
    { length: polynomial.length + 1 },
    (_, power) => ((polynomial[power] ?? 0) * shift + (polynomial[power - 1] ?? 0)) * scale,
  );
}
