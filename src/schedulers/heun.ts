/** @file Heun sampler, Karras et al. 2022, algorithm 1, with the configuration of diffusers' HeunDiscreteScheduler. */
import { combine, slope } from './combine.js';
import { booleanField, type ConfigOf, choiceField, numberField } from './config.js';
import { denoisedAtSigma, keptInRange, noisedAtSigma, scaledInput } from './denoisers.js';
import { SamplerRun } from './run.js';
import type { Denoise, PlanRequest, SampleOptions, Trajectory } from './sampler.js';
import type { BetaSchedule } from './schedules.js';
import {
  respacingFields,
  type SigmaSchedule,
  sigmaSchedule,
  spacingFields,
  trainingFields,
  twice,
} from './sigma-schedule.js';

const f = Math.fround;

/** Keys and defaults of diffusers' HeunDiscreteScheduler. */
export const heunFields = {
  ...trainingFields,
  ...spacingFields,
  ...respacingFields,
  betaStart: numberField(0.00085, 0),
  betaEnd: numberField(0.012, 0),
  betaSchedule: choiceField<BetaSchedule>('linear', [
    'linear',
    'scaled_linear',
    'squaredcos_cap_v2',
    'exp',
  ]),
  predictionType: choiceField('epsilon', ['epsilon', 'sample', 'v_prediction']),
  clipSample: booleanField(false),
  clipSampleRange: numberField(1, 0),
};
export type HeunConfig = ConfigOf<typeof heunFields>;

/** Noise levels of a run, and the range its estimates are clipped to. */
export interface HeunSchedule extends SigmaSchedule {
  /** Two calls per step but for the last. */
  readonly timesteps: readonly number[];
  readonly limit: number | null;
}

/** Runs steps of second order: to the next level, and again with the mean slope of both ends. */
export async function sampleHeun(
  denoise: Denoise,
  x: Float32Array,
  schedule: HeunSchedule,
  options: SampleOptions = {},
): Promise<Float32Array> {
  const { sigmas, predictionType, limit } = schedule;
  const run = new SamplerRun('Heun', schedule, denoise, { ...options, order: 2 });
  const denoisedBy = async (input: Float32Array, sigma: number, call: number) => {
    const output = await run.output(scaledInput(input, sigma), call);
    return clipped(limit, denoisedAtSigma(predictionType, sigma, input, output));
  };
  for (let call = run.start; call < run.end; call += 2) {
    const [sigma, next] = [sigmas[call / 2]!, sigmas[call / 2 + 1]!];
    const distance = f(next - sigma);
    const denoised = await denoisedBy(x, sigma, call);
    const first = slope(x, denoised, sigma);
    const ahead = run.finish(call, combine([1, x], [distance, first]), denoised);
    if (call + 1 === run.end) return ahead;
    const again = await denoisedBy(ahead, next, call + 1);
    const second = slope(ahead, again, next);
    const mean = first.map((v, i) => f(v + second[i]!) / 2);
    x = run.finish(call + 1, combine([1, x], [distance, mean]), again);
  }
  return x;
}

/** The trajectory of one run under `config`. */
export function planHeun(config: HeunConfig, request: PlanRequest): Trajectory {
  const levels = sigmaSchedule(config, request, { where: 'Heun', takesTimesteps: true });
  const timesteps = twice(levels.timesteps).map(f);
  const limit = config.clipSample ? config.clipSampleRange : null;
  return {
    timesteps,
    order: 2,
    initialNoiseScale: levels.initialNoiseScale,
    addNoise: (clean, noise, call) =>
      noisedAtSigma(levels.sigmas[Math.ceil(call / 2)]!, clean, noise),
    sample: (denoise, x, options) =>
      sampleHeun(denoise, x, { ...levels, timesteps, limit }, options),
  };
}

function clipped(limit: number | null, denoised: Float32Array): Float32Array {
  if (limit === null) return denoised;
  const rule = { clipSample: true, clipSampleRange: limit, thresholding: false };
  return keptInRange({ ...rule, dynamicThresholdingRatio: 1, sampleMaxValue: 1 }, denoised, 1);
}
