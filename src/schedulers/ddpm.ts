/** @file DDPM sampler, Ho et al. 2020, learned variance: Nichol, Dhariwal 2021, with the configuration of diffusers' DDPMScheduler. */
import { complain } from '../core/errors.js';
import { combine } from './combine.js';
import { booleanField, type ConfigOf, choiceField, numberField } from './config.js';
import { checkedSignal, estimateAt, keptInRange, noisedAt, type RangeRule } from './denoisers.js';
import { SamplerRun } from './run.js';
import type { Denoise, PlanRequest, PredictionType, SampleOptions, Trajectory } from './sampler.js';
import {
  alphasCumprod,
  type BetaSchedule,
  betaSchedules,
  spacedTimesteps,
  timestepSpacings,
} from './schedules.js';
import { fallingTimesteps, spacingFields, trainingFields } from './sigma-schedule.js';

const f = Math.fround;

export const varianceTypes = [
  'fixed_small',
  'fixed_small_log',
  'fixed_large',
  'fixed_large_log',
  'learned',
  'learned_range',
] as const;
type VarianceType = (typeof varianceTypes)[number];

/** Keys and defaults of diffusers' DDPMScheduler. */
export const ddpmFields = {
  ...trainingFields,
  ...spacingFields,
  timestepSpacing: choiceField('leading', timestepSpacings),
  betaSchedule: choiceField<BetaSchedule>(
    'linear',
    betaSchedules.filter((name) => name !== 'exp'),
  ),
  varianceType: choiceField<VarianceType>('fixed_small', varianceTypes),
  clipSample: booleanField(true),
  predictionType: choiceField('epsilon', ['epsilon', 'sample', 'v_prediction']),
  thresholding: booleanField(false),
  dynamicThresholdingRatio: numberField(0.995, 0),
  clipSampleRange: numberField(1, 0),
  sampleMaxValue: numberField(1, 0),
  rescaleBetasZeroSnr: booleanField(false),
};
export type DdpmConfig = ConfigOf<typeof ddpmFields>;

/** Noise levels of a run: step i goes from ᾱ = `alphas[i]` to `alphas[i + 1]`, at the end to 1. */
export interface DdpmSchedule {
  readonly timesteps: readonly number[];
  readonly alphas: readonly number[];
  readonly predictionType: PredictionType;
  readonly varianceType: VarianceType;
  readonly range: RangeRule;
}

/** Whether the model says the variance too. */
export function learnsVariance(varianceType: string | null): boolean {
  return varianceType === 'learned' || varianceType === 'learned_range';
}

/** Runs DDPM; noise is drawn in every step but one at timestep 0. */
export async function sampleDdpm(
  denoise: Denoise,
  x: Float32Array,
  schedule: DdpmSchedule,
  options: SampleOptions = {},
): Promise<Float32Array> {
  const { timesteps, alphas, predictionType, varianceType, range } = schedule;
  const run = new SamplerRun('DDPM', schedule, denoise, options);
  const batch = options.batch ?? 1;
  const width = learnsVariance(varianceType) ? 2 : 1;
  for (let step = run.start; step < run.end; step++) {
    const [alpha, next] = [alphas[step]!, alphas[step + 1]!];
    const output = await run.output(x, step, width);
    const [prediction, variance] = width === 2 ? halves(output, batch) : [output, undefined];
    const estimate = estimateAt(predictionType, alpha, x, prediction);
    const denoised = keptInRange(range, estimate.denoised, batch);
    const { picture, latents, beta } = posterior(alpha, next);
    let mean = combine([picture, denoised], [latents, x]);
    if (timesteps[step]! > 0) {
      const noise = run.noise(step, x.length);
      const spread = spreadOf(varianceType, beta, alpha, next, variance);
      mean = mean.map((v, i) => v + f((spread[i] ?? spread[0]!) * noise[i]!));
    }
    x = run.finish(step, mean, denoised);
  }
  return x;
}

/** The trajectory of one run under `config`. */
export function planDdpm(config: DdpmConfig, request: PlanRequest): Trajectory {
  const all = alphasCumprod(config);
  const timesteps = request.timesteps
    ? trainedTimesteps('DDPM', request.timesteps, config.numTrainTimesteps)
    : spacedTimesteps({ ...config, steps: request.steps });
  const alphas = [...timesteps.map((t) => all[t]!), 1];
  checkedSignal('DDPM', config, alphas, timesteps);
  if (config.varianceType === 'fixed_large_log') throw noLargeLog();
  const schedule: DdpmSchedule = { ...config, timesteps, alphas, range: config };
  return {
    timesteps,
    order: 1,
    initialNoiseScale: 1,
    addNoise: (clean, noise, step) => noisedAt(alphas[step]!, clean, noise),
    sample: (denoise, x, options) => sampleDdpm(denoise, x, schedule, options),
  };
}

/** Given timesteps, checked to be falling integers of the training range. */
export function trainedTimesteps(
  where: string,
  timesteps: readonly number[],
  train: number,
): number[] {
  const falling = fallingTimesteps(where, timesteps);
  if (falling.every((t) => Number.isInteger(t) && t < train)) return falling;
  throw complain('USAGE', {
    where,
    expected: `timesteps that are integers below ${train}`,
    got: `${falling.find((t) => !Number.isInteger(t) || t >= train)}`,
  });
}

/** Output of a model that says its variance: per picture first the prediction, then as many variances. */
export function halves(output: Float32Array, batch: number): [Float32Array, Float32Array] {
  const size = output.length / batch / 2;
  const [first, second] = [
    new Float32Array(output.length / 2),
    new Float32Array(output.length / 2),
  ];
  for (let i = 0; i < batch; i++) {
    first.set(output.subarray(2 * i * size, (2 * i + 1) * size), i * size);
    second.set(output.subarray((2 * i + 1) * size, (2 * i + 2) * size), i * size);
  }
  return [first, second];
}

/** Factors of the posterior mean, equation 7. */
function posterior(alpha: number, next: number) {
  const [rest, nextRest] = [f(1 - alpha), f(1 - next)];
  const kept = f(alpha / next);
  const beta = f(1 - kept);
  return {
    picture: f(f(f(Math.sqrt(next)) * beta) / rest),
    latents: f(f(f(Math.sqrt(kept)) * nextRest) / rest),
    beta,
  };
}

/** Standard deviation of the fresh noise, one for all values or one each. */
function spreadOf(
  type: VarianceType,
  beta: number,
  alpha: number,
  next: number,
  predicted: Float32Array | undefined,
): Float32Array {
  const small = Math.max(f(f(f(1 - next) / f(1 - alpha)) * beta), f(1e-20));
  switch (type) {
    case 'fixed_small':
      return Float32Array.of(Math.sqrt(small));
    case 'fixed_small_log':
      return Float32Array.of(Math.exp(f(0.5 * f(Math.log(small)))));
    case 'fixed_large':
    case 'fixed_large_log':
      return Float32Array.of(Math.sqrt(beta));
    case 'learned':
      return predicted!.map(Math.sqrt);
    case 'learned_range': {
      const [least, most] = [f(Math.log(small)), f(Math.log(beta))];
      return predicted!.map((value) => {
        const share = f(f(value + 1) / 2);
        const log = f(f(share * most) + f(f(1 - share) * least));
        return Math.exp(f(0.5 * log));
      });
    }
  }
}

function noLargeLog() {
  return complain('CONFIG', {
    where: 'DDPM',
    expected: 'a variance_type that can be sampled',
    got: 'fixed_large_log, whose root diffusers takes of a negative logarithm',
    next: 'fixed_large is the variance it stands for.',
  });
}
