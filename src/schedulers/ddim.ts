/** @file DDIM sampler, Song et al. 2021, equations 12 and 16, with the configuration of diffusers' DDIMScheduler. */
import { complain } from '../core/errors.js';
import {
  betasField,
  booleanField,
  type ConfigOf,
  choiceField,
  integerField,
  numberField,
} from './config.js';
import {
  checkedSignal,
  epsilonFrom,
  estimateAt,
  keptInRange,
  noisedAt,
  type RangeRule,
} from './denoisers.js';
import { SamplerRun } from './run.js';
import type { Denoise, PlanRequest, PredictionType, SampleOptions, Trajectory } from './sampler.js';
import { alphasCumprod, spacedTimesteps, timestepSpacings } from './schedules.js';

const f = Math.fround;

/** Keys and defaults of diffusers' DDIMScheduler. */
export const ddimFields = {
  numTrainTimesteps: integerField(1000, 1),
  betaStart: numberField(0.0001, 0),
  betaEnd: numberField(0.02, 0),
  betaSchedule: choiceField('linear', ['linear', 'scaled_linear', 'squaredcos_cap_v2']),
  trainedBetas: betasField(),
  clipSample: booleanField(true),
  setAlphaToOne: booleanField(true),
  stepsOffset: integerField(0),
  predictionType: choiceField('epsilon', ['epsilon', 'sample', 'v_prediction']),
  thresholding: booleanField(false),
  dynamicThresholdingRatio: numberField(0.995, 0),
  clipSampleRange: numberField(1, 0),
  sampleMaxValue: numberField(1, 0),
  timestepSpacing: choiceField('leading', timestepSpacings),
  rescaleBetasZeroSnr: booleanField(false),
};
export type DdimConfig = ConfigOf<typeof ddimFields>;

/** Noise levels of a run: step i goes from ᾱ = `alphas[i]` to `nextAlphas[i]`. */
export interface DdimSchedule {
  readonly timesteps: readonly number[];
  readonly alphas: readonly number[];
  readonly nextAlphas: readonly number[];
  readonly predictionType: PredictionType;
  readonly range: RangeRule;
}

/** The schedule of a run of `steps` steps. */
export function ddimSchedule(config: DdimConfig, steps: number): DdimSchedule {
  const all = alphasCumprod(config);
  const timesteps = spacedTimesteps({ steps, ...config });
  const stride = Math.floor(config.numTrainTimesteps / steps);
  const final = config.setAlphaToOne ? 1 : all[0]!;
  const alphas = timesteps.map((t) => all[t]!);
  checkedSignal('DDIM', config, alphas, timesteps);
  const nextAlphas = timesteps.map((t) => (t >= stride ? all[t - stride]! : final));
  return { timesteps, alphas, nextAlphas, predictionType: config.predictionType, range: config };
}

/** Runs DDIM. `eta` 0 is deterministic; 1 adds as much noise as DDPM. */
export async function sampleDdim(
  denoise: Denoise,
  x: Float32Array,
  schedule: DdimSchedule,
  options: SampleOptions = {},
): Promise<Float32Array> {
  const { alphas, nextAlphas, predictionType, range } = schedule;
  const eta = checkedEta(options.eta ?? 0);
  const run = new SamplerRun('DDIM', schedule, denoise, options);
  for (let step = run.start; step < run.end; step++) {
    const output = await run.output(x, step);
    const estimate = estimateAt(predictionType, alphas[step]!, x, output);
    const denoised = keptInRange(range, estimate.denoised, options.batch ?? 1);
    const sigma = sigmaOf(alphas[step]!, nextAlphas[step]!, eta);
    const epsilon = options.useClippedOutput
      ? epsilonFrom(alphas[step]!, x, denoised)
      : estimate.epsilon;
    let next = nextLatents(nextAlphas[step]!, sigma, denoised, epsilon);
    if (eta > 0) next = withNoise(next, sigma, run.noise(step, x.length));
    x = run.finish(step, next, denoised);
  }
  return x;
}

/** The trajectory of one run under `config`. */
export function planDdim(config: DdimConfig, request: PlanRequest): Trajectory {
  const schedule = ddimSchedule(config, request.steps);
  return {
    timesteps: schedule.timesteps,
    order: 1,
    initialNoiseScale: 1,
    addNoise: (clean, noise, step) => noisedAt(schedule.alphas[step]!, clean, noise),
    sample: (denoise, x, options) => sampleDdim(denoise, x, schedule, options),
  };
}

/** σ(η), equation 16, in f32. */
function sigmaOf(alpha: number, nextAlpha: number, eta: number): number {
  const variance = f(f(f(1 - nextAlpha) / f(1 - alpha)) * f(1 - f(alpha / nextAlpha)));
  return f(f(eta) * f(Math.sqrt(variance)));
}

/** Equation 12 without its random term. */
function nextLatents(
  nextAlpha: number,
  sigma: number,
  denoised: Float32Array,
  epsilon: Float32Array,
): Float32Array {
  const a = f(Math.sqrt(nextAlpha));
  const direction = f(Math.sqrt(Math.max(f(f(1 - nextAlpha) - f(sigma * sigma)), 0)));
  return denoised.map((v, i) => f(a * v) + f(direction * epsilon[i]!));
}

function withNoise(x: Float32Array, sigma: number, noise: Float32Array): Float32Array {
  return x.map((v, i) => v + f(sigma * noise[i]!));
}

/** Throws USAGE unless eta lies between 0 and 1. */
export function checkedEta(eta: number, where = 'DDIM'): number {
  if (eta >= 0 && eta <= 1) return eta;
  throw complain('USAGE', { where, expected: 'eta from 0 to 1', got: `${eta}` });
}
