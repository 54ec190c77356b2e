/** @file Euler sampler for flow matching, Lipman et al. 2023 and Esser et al. 2024 (shift), with the configuration of diffusers' FlowMatchEulerDiscreteScheduler. */
import { complain, throwIfAborted } from '../core/errors.js';
import {
  booleanField,
  type ConfigOf,
  choiceField,
  integerField,
  nullable,
  numberField,
} from './config.js';
import {
  checkedOutput,
  checkedStart,
  type Denoise,
  finishStep,
  freshNoise,
  type PlanRequest,
  type SampleOptions,
  type Trajectory,
} from './sampler.js';
import { linspace } from './schedules.js';
import { betaSigmas, exponentialSigmas, karrasSigmas, type SigmaRange } from './sigmas.js';

const f = Math.fround;

/** Keys and defaults of diffusers' FlowMatchEulerDiscreteScheduler. */
export const flowMatchEulerFields = {
  numTrainTimesteps: integerField(1000, 1),
  shift: numberField(1, 0),
  useDynamicShifting: booleanField(false),
  baseShift: numberField(0.5),
  maxShift: numberField(1.15),
  baseImageSeqLen: integerField(256, 1),
  maxImageSeqLen: integerField(4096, 1),
  invertSigmas: booleanField(false),
  shiftTerminal: nullable(numberField(0.1)),
  useKarrasSigmas: booleanField(false),
  useExponentialSigmas: booleanField(false),
  useBetaSigmas: booleanField(false),
  timeShiftType: choiceField('exponential', ['exponential', 'linear']),
  stochasticSampling: booleanField(false),
};
export type FlowMatchEulerConfig = ConfigOf<typeof flowMatchEulerFields>;

/** Noise shares of a run: step i goes from `sigmas[i]` to `sigmas[i + 1]`; f32 values. */
export interface FlowMatchEulerSchedule {
  readonly timesteps: readonly number[];
  readonly sigmas: readonly number[];
  readonly isStochastic: boolean;
}

/** The schedule of a run; `imageTokens` is needed for dynamic shifting only. */
export function flowMatchEulerSchedule(
  config: FlowMatchEulerConfig,
  request: PlanRequest,
): FlowMatchEulerSchedule {
  const inner = Float32Array.from(respaced(config, shiftedSigmas(config, request)));
  const sigmas = config.invertSigmas ? inner.map((sigma) => 1 - sigma) : inner;
  const end = config.invertSigmas ? 1 : 0;
  return {
    timesteps: Array.from(sigmas, (sigma) => f(sigma * config.numTrainTimesteps)),
    sigmas: [...sigmas, end],
    isStochastic: config.stochasticSampling,
  };
}

/** Runs Euler steps along the flow; stochastic configurations renoise the estimate instead. */
export async function sampleFlowMatchEuler(
  denoise: Denoise,
  x: Float32Array,
  schedule: FlowMatchEulerSchedule,
  options: SampleOptions = {},
): Promise<Float32Array> {
  const { timesteps, sigmas, isStochastic } = schedule;
  const where = 'flow-match Euler';
  const end = sigmas[timesteps.length]!;
  for (
    let step = checkedStart(where, options.start ?? 0, timesteps.length);
    step < timesteps.length;
    step++
  ) {
    throwIfAborted(where, options.signal);
    const timestep = timesteps[step]!;
    const output = checkedOutput(where, await denoise(x, timestep, step), x.length);
    const denoised = moved(x, f(end - sigmas[step]!), output);
    const next = isStochastic
      ? mixed(
          moved(x, -sigmas[step]!, output),
          freshNoise(where, options, step, x.length),
          sigmas[step + 1]!,
        )
      : moved(x, f(sigmas[step + 1]! - sigmas[step]!), output);
    x = finishStep({ step, timestep, x: next, denoised }, options);
  }
  return x;
}

/** The trajectory of one run under `config`. */
export function planFlowMatchEuler(config: FlowMatchEulerConfig, request: PlanRequest): Trajectory {
  const schedule = flowMatchEulerSchedule(config, request);
  return {
    timesteps: schedule.timesteps,
    order: 1,
    initialNoiseScale: 1,
    addNoise: (clean, noise, step) => mixed(clean, noise, schedule.sigmas[step]!),
    sample: (denoise, x, options) => sampleFlowMatchEuler(denoise, x, schedule, options),
  };
}

/** The exponent of dynamic shifting for a picture of `imageTokens` tokens: linear between the two anchors. */
export function dynamicShift(config: FlowMatchEulerConfig, imageTokens: number): number {
  const { baseShift, maxShift, baseImageSeqLen, maxImageSeqLen } = config;
  const slope = (maxShift - baseShift) / (maxImageSeqLen - baseImageSeqLen);
  return imageTokens * slope + (baseShift - slope * baseImageSeqLen);
}

/** σ of the run after shifting and stretching, f64. */
function shiftedSigmas(config: FlowMatchEulerConfig, request: PlanRequest): Float64Array {
  const { numTrainTimesteps: train, shift, useDynamicShifting, shiftTerminal } = config;
  const steps = checkedSteps(request.steps);
  // diffusers shifts the ends of the range once when it is made and again for every run.
  const endOf = (t: number) => {
    const sigma = f(t / train);
    return useDynamicShifting ? sigma : f(f(f(shift) * sigma) / f(1 + f(f(shift - 1) * sigma)));
  };
  const plain = linspace(endOf(train) * train, endOf(1) * train, steps).map((t) => t / train);
  const shiftOne = useDynamicShifting
    ? dynamicRule(config, request)
    : (sigma: number) => (shift * sigma) / (1 + (shift - 1) * sigma);
  const sigmas = plain.map(shiftOne);
  if (shiftTerminal === null || shiftTerminal === 0) return sigmas;
  if (sigmas[steps - 1] === 1) throw tooFewForTerminal(steps);
  const factor = (1 - sigmas[steps - 1]!) / (1 - shiftTerminal);
  return sigmas.map((sigma) => 1 - (1 - sigma) / factor);
}

function dynamicRule(
  config: FlowMatchEulerConfig,
  { imageTokens }: PlanRequest,
): (sigma: number) => number {
  if (imageTokens === undefined) {
    throw complain('CONFIG', {
      where: 'flow-match Euler',
      expected: 'imageTokens, as use_dynamic_shifting is true',
      got: 'none',
      next: 'Give the number of tokens of one picture.',
    });
  }
  const mu = dynamicShift(config, imageTokens);
  const factor = config.timeShiftType === 'exponential' ? Math.exp(mu) : mu;
  return (sigma) => factor / (factor + (1 / sigma - 1));
}

function respaced(config: FlowMatchEulerConfig, sigmas: Float64Array): Float64Array {
  const range: SigmaRange = {
    largest: sigmas[0]!,
    least: sigmas[sigmas.length - 1]!,
    count: sigmas.length,
  };
  const rules = [
    config.useKarrasSigmas && karrasSigmas,
    config.useExponentialSigmas && exponentialSigmas,
    config.useBetaSigmas && betaSigmas,
  ].filter((rule) => rule !== false);
  if (rules.length > 1) {
    throw complain('CONFIG', {
      where: 'flow-match Euler',
      expected: 'at most one of use_karras_sigmas, use_exponential_sigmas, use_beta_sigmas',
      got: `${rules.length}`,
    });
  }
  return rules[0]?.(range) ?? sigmas;
}

/** x + distance·velocity, rounded as torch rounds. */
function moved(x: Float32Array, distance: number, velocity: Float32Array): Float32Array {
  return x.map((v, i) => v + f(distance * velocity[i]!));
}

/** (1 − σ)·clean + σ·noise. */
function mixed(clean: Float32Array, noise: Float32Array, sigma: number): Float32Array {
  const share = f(1 - sigma);
  return clean.map((v, i) => f(sigma * noise[i]!) + f(share * v));
}

function checkedSteps(steps: number): number {
  if (Number.isInteger(steps) && steps >= 1) return steps;
  throw complain('USAGE', {
    where: 'steps',
    expected: 'an integer of 1 or more',
    got: `${steps}`,
    next: 'Choose another number of steps.',
  });
}

function tooFewForTerminal(steps: number) {
  return complain('USAGE', {
    where: 'flow-match Euler',
    expected: 'at least 2 steps, as shift_terminal is set',
    got: `${steps}`,
    next: 'Choose another number of steps.',
  });
}
