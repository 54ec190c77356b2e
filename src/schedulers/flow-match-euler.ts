/** @file Euler sampler for flow matching, Lipman et al. 2023 and Esser et al. 2024 (shift), with the configuration of diffusers' FlowMatchEulerDiscreteScheduler. */
import { complain, internal } from '../core/errors.js';
import {
  booleanField,
  type ConfigOf,
  choiceField,
  integerField,
  nullable,
  numberField,
} from './config.js';
import { dynamicShift } from './dynamic-shift.js';
import { SamplerRun } from './run.js';
import type { Denoise, PlanRequest, SampleOptions, Trajectory } from './sampler.js';
import { isListedSchedule } from './schedule-names.js';
import { checkedSteps, linspace } from './schedules.js';
import {
  chosenSchedule,
  fallingTimesteps,
  respacingFields,
  spacedSigmas,
} from './sigma-schedule.js';

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
  ...respacingFields,
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
  const inner = Float32Array.from(respaced(config, request, shiftedSigmas(config, request)));
  const sigmas = config.invertSigmas ? inner.map((sigma) => 1 - sigma) : inner;
  const end = config.invertSigmas ? 1 : 0;
  const own = Array.from(sigmas, (sigma) => f(sigma * config.numTrainTimesteps));
  const isGiven = request.timesteps !== undefined && !config.invertSigmas;
  return {
    timesteps: isGiven ? request.timesteps!.map(f) : own,
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
  const end = sigmas[timesteps.length]!;
  const run = new SamplerRun('flow-match Euler', schedule, denoise, options);
  for (let step = run.start; step < run.end; step++) {
    const output = await run.output(x, step);
    const denoised = moved(x, f(end - sigmas[step]!), output);
    const next = isStochastic
      ? mixed(moved(x, -sigmas[step]!, output), run.noise(step, x.length), sigmas[step + 1]!)
      : moved(x, f(sigmas[step + 1]! - sigmas[step]!), output);
    x = run.finish(step, next, denoised);
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

/**
 * σ of a run before its own shift, f64. diffusers shifts the ends of the range once when it is made and
 * again for every run.
 */
export function plainFlowSigmas(train: number, shift: number, steps: number): Float64Array {
  checkedSteps(steps, Number.MAX_SAFE_INTEGER);
  const endOf = (t: number) => {
    const sigma = f(t / train);
    return f(f(f(shift) * sigma) / f(1 + f(f(shift - 1) * sigma)));
  };
  return linspace(endOf(train) * train, endOf(1) * train, steps).map((t) => t / train);
}

/** What the run names, else the plain range. */
function givenSigmas(config: FlowMatchEulerConfig, request: PlanRequest): Float64Array {
  const { numTrainTimesteps: train, shift, useDynamicShifting } = config;
  const where = 'flow-match Euler';
  if (request.sigmas) {
    if (request.sigmas.every((s, i, all) => s > 0 && s <= 1 && (i === 0 || s < all[i - 1]!))) {
      return Float64Array.from(request.sigmas, f);
    }
    throw complain('USAGE', {
      where,
      expected: 'falling sigmas above 0 and up to 1',
      got: request.sigmas.slice(0, 8).join(', '),
    });
  }
  if (request.timesteps) {
    return Float64Array.from(fallingTimesteps(where, request.timesteps), (t) => f(f(t) / train));
  }
  return plainFlowSigmas(train, useDynamicShifting ? 1 : shift, request.steps);
}

/** σ of the run after shifting and stretching, f64. */
function shiftedSigmas(config: FlowMatchEulerConfig, request: PlanRequest): Float64Array {
  const { shift, useDynamicShifting, shiftTerminal } = config;
  const plain = givenSigmas(config, request);
  const steps = plain.length;
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

function respaced(
  config: FlowMatchEulerConfig,
  request: PlanRequest,
  sigmas: Float64Array,
): Float64Array {
  const schedule = chosenSchedule('flow-match Euler', config, request);
  if (schedule === 'uniform') return sigmas;
  if (isListedSchedule(schedule)) throw internal('flow-match Euler', `schedule ${schedule}`);
  return spacedSigmas(schedule, {
    largest: config.sigmaMax ?? sigmas[0]!,
    least: config.sigmaMin ?? sigmas[sigmas.length - 1]!,
    count: sigmas.length,
  });
}

/** x + distance·velocity, rounded as torch rounds. */
function moved(x: Float32Array, distance: number, velocity: Float32Array): Float32Array {
  return x.map((v, i) => v + f(distance * velocity[i]!));
}

/** (1 − σ)·clean + σ·noise. */
export function mixed(clean: Float32Array, noise: Float32Array, sigma: number): Float32Array {
  const share = f(1 - sigma);
  return clean.map((v, i) => f(sigma * noise[i]!) + f(share * v));
}

function tooFewForTerminal(steps: number) {
  return complain('USAGE', {
    where: 'flow-match Euler',
    expected: 'at least 2 steps, as shift_terminal is set',
    got: `${steps}`,
    next: 'Choose another number of steps.',
  });
}
