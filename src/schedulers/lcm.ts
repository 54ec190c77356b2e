/** @file Latent consistency sampler, Luo et al. 2023, with the configuration of diffusers' LCMScheduler. */
import { complain } from '../core/errors.js';
import { combine } from './combine.js';
import { booleanField, type ConfigOf, choiceField, integerField, numberField } from './config.js';
import { trainedTimesteps } from './ddpm.js';
import { checkedSignal, estimateAt, keptInRange, noisedAt, type RangeRule } from './denoisers.js';
import { SamplerRun } from './run.js';
import type { Denoise, PlanRequest, PredictionType, SampleOptions, Trajectory } from './sampler.js';
import { alphasCumprod, checkedSteps } from './schedules.js';
import { trainingFields } from './sigma-schedule.js';

const f = Math.fround;

/** Keys and defaults of diffusers' LCMScheduler that have an effect. */
export const lcmFields = {
  ...trainingFields,
  betaStart: numberField(0.00085, 0),
  betaEnd: numberField(0.012, 0),
  betaSchedule: choiceField('scaled_linear', ['linear', 'scaled_linear', 'squaredcos_cap_v2']),
  originalInferenceSteps: integerField(50, 1),
  clipSample: booleanField(false),
  clipSampleRange: numberField(1, 0),
  predictionType: choiceField('epsilon', ['epsilon', 'sample', 'v_prediction']),
  thresholding: booleanField(false),
  dynamicThresholdingRatio: numberField(0.995, 0),
  sampleMaxValue: numberField(1, 0),
  timestepScaling: numberField(10),
  rescaleBetasZeroSnr: booleanField(false),
};
export type LcmConfig = ConfigOf<typeof lcmFields>;

/** Noise levels of a run: step i goes from ᾱ = `alphas[i]` to `alphas[i + 1]`; the last gives the picture. */
export interface LcmSchedule {
  readonly timesteps: readonly number[];
  readonly alphas: readonly number[];
  readonly timestepScaling: number;
  readonly predictionType: PredictionType;
  readonly range: RangeRule;
}

/** Runs LCM: estimates the picture and renoises it, but for the last step. */
export async function sampleLcm(
  denoise: Denoise,
  x: Float32Array,
  schedule: LcmSchedule,
  options: SampleOptions = {},
): Promise<Float32Array> {
  const { timesteps, alphas, predictionType, range } = schedule;
  const run = new SamplerRun('LCM', schedule, denoise, options);
  for (let step = run.start; step < run.end; step++) {
    const output = await run.output(x, step);
    const estimate = estimateAt(predictionType, alphas[step]!, x, output);
    const picture = keptInRange(range, estimate.denoised, options.batch ?? 1);
    const { skip, out } = boundaryScales(timesteps[step]!, schedule.timestepScaling);
    const denoised = combine([out, picture], [skip, x]);
    const isLast = step + 1 === run.end;
    const next = isLast
      ? denoised
      : noisedAt(alphas[step + 1]!, denoised, run.noise(step, x.length));
    x = run.finish(step, next, denoised);
  }
  return x;
}

/** The trajectory of one run under `config`. */
export function planLcm(config: LcmConfig, request: PlanRequest): Trajectory {
  const all = alphasCumprod(config);
  const timesteps = request.timesteps
    ? trainedTimesteps('LCM', request.timesteps, config.numTrainTimesteps)
    : distilledTimesteps('LCM', config, request);
  const alphas = timesteps.map((t) => all[t]!);
  checkedSignal('LCM', config, alphas, timesteps);
  const schedule: LcmSchedule = { ...config, timesteps, alphas, range: config };
  return {
    timesteps,
    order: 1,
    initialNoiseScale: 1,
    addNoise: (clean, noise, step) => noisedAt(alphas[step]!, clean, noise),
    sample: (denoise, x, options) => sampleLcm(denoise, x, schedule, options),
  };
}

/** Evenly picked from the timesteps the model was distilled for, the highest first. */
export function distilledTimesteps(
  where: string,
  config: { readonly numTrainTimesteps: number; readonly originalInferenceSteps: number },
  { steps, originalSteps }: PlanRequest,
): number[] {
  const { numTrainTimesteps: train } = config;
  const original = originalSteps ?? config.originalInferenceSteps;
  if (original > train) throw tooManyOriginal(where, original, train);
  checkedSteps(steps, original);
  const stride = Math.floor(train / original);
  return distributed(original, steps).map((i) => (original - i) * stride - 1);
}

/** Floors of `steps` even positions below `count`, as numpy.linspace without its end gives them. */
export function distributed(count: number, steps: number): number[] {
  const stride = count / steps;
  return Array.from({ length: steps }, (_, i) => Math.floor(i * stride));
}

/** c_skip and c_out at a timestep, with σ_data ½; in f32. */
function boundaryScales(timestep: number, scaling: number): { skip: number; out: number } {
  const scaled = f(timestep * f(scaling));
  const total = f(f(scaled * scaled) + 0.25);
  return { skip: f(0.25 / total), out: f(scaled / f(Math.sqrt(total))) };
}

function tooManyOriginal(where: string, original: number, train: number) {
  return complain('CONFIG', {
    where,
    expected: `original_inference_steps of at most ${train}`,
    got: `${original}`,
  });
}
