/** @file Euler sampler, Karras et al. 2022, algorithm 2, with the configuration of diffusers' EulerDiscreteScheduler. */
import { complain } from '../core/errors.js';
import { combine, slope } from './combine.js';
import { booleanField, type ConfigOf, choiceField } from './config.js';
import { denoisedAtSigma, noisedAtSigma, scaledInput } from './denoisers.js';
import { numpyLog } from './numpy-log.js';
import { SamplerRun } from './run.js';
import type { Churn, Denoise, PlanRequest, SampleOptions, Trajectory } from './sampler.js';
import { linspaceF32 } from './schedules.js';
import {
  initialScale,
  respacingFields,
  type SigmaSchedule,
  sigmaSchedule,
  spacingFields,
  trainingFields,
  trainingSigmasOf,
} from './sigma-schedule.js';

const f = Math.fround;

/** Keys and defaults of diffusers' EulerDiscreteScheduler. */
export const eulerFields = {
  ...trainingFields,
  ...spacingFields,
  ...respacingFields,
  predictionType: choiceField('epsilon', ['epsilon', 'sample', 'v_prediction']),
  interpolationType: choiceField('linear', ['linear', 'log_linear']),
  timestepType: choiceField('discrete', ['discrete', 'continuous']),
  rescaleBetasZeroSnr: booleanField(false),
  finalSigmasType: choiceField('zero', ['zero', 'sigma_min']),
};
export type EulerConfig = ConfigOf<typeof eulerFields>;

/** The schedule of a run. */
export function eulerSchedule(config: EulerConfig, request: PlanRequest): SigmaSchedule {
  const rules = { where: 'Euler', takesTimesteps: true };
  const training = trainingSigmasOf(config);
  const final = config.finalSigmasType === 'zero' ? 0 : training[0]!;
  const curve = logLinear(training, request.steps);
  const inner = [...curve, final];
  const isLinear = config.interpolationType === 'linear';
  const sigmaMin = config.sigmaMin ?? (isLinear ? null : curve[curve.length - 1]!);
  const sigmaMax = config.sigmaMax ?? (isLinear ? null : curve[0]!);
  const plain = sigmaSchedule({ ...config, sigmaMin, sigmaMax }, request, rules, final);
  const levels = hasLogLinear(config, request)
    ? { ...plain, sigmas: inner, initialNoiseScale: initialScale(config.timestepSpacing, inner) }
    : plain;
  const isContinuous =
    config.timestepType === 'continuous' && config.predictionType === 'v_prediction';
  if (!isContinuous) return levels;
  if (request.timesteps) throw noContinuousTimesteps();
  const timesteps = levels.sigmas
    .slice(0, levels.timesteps.length)
    .map((sigma) => f(0.25 * f(Math.log(sigma))));
  return { ...levels, timesteps };
}

/** Runs Euler steps. */
export async function sampleEuler(
  denoise: Denoise,
  x: Float32Array,
  schedule: SigmaSchedule,
  options: SampleOptions = {},
): Promise<Float32Array> {
  const { sigmas, predictionType } = schedule;
  const run = new SamplerRun('Euler', schedule, denoise, options);
  for (let step = run.start; step < run.end; step++) {
    const sigma = sigmas[step]!;
    const output = await run.output(scaledInput(x, sigma), step);
    const { hat, sample } = churned(run, x, sigma, { step, levels: sigmas.length });
    const denoised = denoisedAtSigma(predictionType, sigma, sample, output, hat);
    const derivative = slope(sample, denoised, hat);
    x = run.finish(step, combine([1, sample], [f(sigmas[step + 1]! - hat), derivative]), denoised);
  }
  return x;
}

/** The trajectory of one run under `config`. */
export function planEuler(config: EulerConfig, request: PlanRequest): Trajectory {
  const schedule = eulerSchedule(config, request);
  return {
    timesteps: schedule.timesteps,
    order: 1,
    initialNoiseScale: schedule.initialNoiseScale,
    addNoise: (clean, noise, step) => noisedAtSigma(schedule.sigmas[step]!, clean, noise),
    sample: (denoise, x, options) => sampleEuler(denoise, x, schedule, options),
  };
}

/** Latents with the extra noise of `options.churn`, and the σ they have then. */
export function churned(
  run: SamplerRun,
  x: Float32Array,
  sigma: number,
  { step, levels }: { readonly step: number; readonly levels: number },
): { readonly hat: number; readonly sample: Float32Array } {
  const { amount, least, largest, noiseScale } = checkedChurn(run.options.churn);
  const isInside = least <= sigma && sigma <= largest;
  const gamma = isInside ? Math.min(amount / (levels - 1), Math.SQRT2 - 1) : 0;
  if (gamma === 0) return { hat: sigma, sample: x };
  const hat = f(sigma * f(gamma + 1));
  const scaled = combine([noiseScale, run.noise(step, x.length)]);
  const spread = f(Math.sqrt(f(f(hat * hat) - f(sigma * sigma))));
  return { hat, sample: combine([1, x], [spread, scaled]) };
}

/** Churn with its defaults; USAGE when a value is no number or negative. */
export function checkedChurn(churn: Churn = {}): Required<Churn> {
  const { amount = 0, least = 0, largest = Number.POSITIVE_INFINITY, noiseScale = 1 } = churn;
  const values = { amount, least, largest, noiseScale };
  const wrong = Object.entries(values).find(([, value]) => !(value >= 0));
  if (wrong === undefined) return values;
  throw complain('USAGE', {
    where: `churn.${wrong[0]}`,
    expected: 'a number of 0 or more',
    got: `${wrong[1]}`,
  });
}

function hasLogLinear(config: EulerConfig, request: PlanRequest): boolean {
  const isRespaced = config.useKarrasSigmas || config.useExponentialSigmas || config.useBetaSigmas;
  const isUniform = request.schedule === undefined ? !isRespaced : request.schedule === 'uniform';
  return isUniform && config.interpolationType === 'log_linear' && request.sigmas === undefined;
}

/** As diffusers: one level more than timesteps, so that a run ends at the least training σ. */
function logLinear(training: Float32Array, steps: number): Float32Array {
  const [low, high] = [numpyLog(training[0]!), numpyLog(training[training.length - 1]!)];
  return linspaceF32(high, low, steps + 1).map(Math.exp);
}

function noContinuousTimesteps() {
  return complain('USAGE', {
    where: 'Euler',
    expected: 'no timesteps, as timestep_type is continuous',
    got: 'timesteps',
    next: 'Give sigmas instead.',
  });
}
