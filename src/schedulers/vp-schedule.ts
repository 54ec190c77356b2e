/**
 * @file The plan of solvers over log-SNR (x = α·clean + σ·noise): DPM-Solver, DEIS and UniPC of diffusers; Lu
 * et al. 2022. Their timesteps are one of n + 1 points left out, and integers.
 */
import { complain } from '../core/errors.js';
import { divided } from './combine.js';
import { booleanField, choiceField, integerField, numberField } from './config.js';
import { trainedTimesteps } from './ddpm.js';
import { keptInRange } from './denoisers.js';
import { dynamicShift } from './dynamic-shift.js';
import { listedSigmas } from './listed-sigmas.js';
import type { PlanRequest, PredictionType } from './sampler.js';
import { isListedSchedule, type ScheduleName } from './schedule-names.js';
import {
  type BetaSchedule,
  checkedSteps,
  linspace,
  roundHalfEven,
  type TimestepSpacing,
} from './schedules.js';
import {
  chosenSchedule,
  fallingSigmas,
  fullRange,
  noTimesteps,
  type RespacingFlags,
  spacedSigmas,
  trainingSigmasOf,
} from './sigma-schedule.js';
import { timestepOf, valueAt } from './training-sigmas.js';

const f = Math.fround;

/** Keys of all classes of the family. */
export const vpFields = {
  predictionType: choiceField('epsilon', ['epsilon', 'sample', 'v_prediction', 'flow_prediction']),
  thresholding: booleanField(false),
  dynamicThresholdingRatio: numberField(0.995, 0),
  sampleMaxValue: numberField(1, 0),
  useFlowSigmas: booleanField(false),
  flowShift: numberField(1, 0),
  useDynamicShifting: booleanField(false),
  timeShiftType: choiceField('exponential', ['exponential', 'linear']),
  baseShift: numberField(0.5),
  maxShift: numberField(1.16),
  baseImageSeqLen: integerField(256, 1),
  maxImageSeqLen: integerField(4096, 1),
};

/** The part of a configuration the plan looks at. */
export interface VpConfig extends RespacingFlags {
  readonly numTrainTimesteps: number;
  readonly betaStart: number;
  readonly betaEnd: number;
  readonly betaSchedule: BetaSchedule;
  readonly trainedBetas: readonly number[] | null;
  readonly rescaleBetasZeroSnr?: boolean;
  readonly timestepSpacing?: TimestepSpacing;
  readonly stepsOffset?: number;
  readonly lambdaMinClipped?: number | string;
  readonly predictionType: PredictionType;
  readonly thresholding: boolean;
  readonly dynamicThresholdingRatio: number;
  readonly sampleMaxValue: number;
  readonly useFlowSigmas: boolean;
  readonly flowShift: number;
  readonly useDynamicShifting: boolean;
  readonly timeShiftType: 'exponential' | 'linear';
  readonly baseShift: number;
  readonly maxShift: number;
  readonly baseImageSeqLen: number;
  readonly maxImageSeqLen: number;
}

/** What differs between classes of the family. */
export interface VpRules {
  readonly where: string;
  /** The level after the last: zero, the least of training, or the last one again. */
  readonly final: 'zero' | 'training' | 'repeat';
  /** What `final` is when σ is respaced. */
  readonly respacedFinal?: 'zero' | 'training' | 'repeat';
  /** Karras timesteps are rounded, other respaced ones cut. */
  readonly roundsKarras: boolean;
  /** diffusers lets a run name its timesteps. */
  readonly takesTimesteps?: boolean;
  /** Flow levels of a run, the final one left out; f64. */
  readonly flowSigmas: (steps: number, request: PlanRequest) => Float64Array;
  /** `flowSigmas` looks at `PlanRequest.sigmas`. */
  readonly takesFlowSigmas?: boolean;
  /** Karras levels of a flow are σ/(σ + 1). */
  readonly hasKarrasFlow?: boolean;
  /** Levels in place of the spacings, and whether their timesteps are rounded. */
  readonly own?: (training: Float32Array, steps: number) => Float64Array;
}

/** α, σ and λ = log α − log σ of one noise level; f32. */
export interface VpLevel {
  readonly raw: number;
  readonly alpha: number;
  readonly sigma: number;
  readonly lambda: number;
}

/** Levels of a run: step i goes from `levels[i]` to `levels[i + 1]`. */
export interface VpSchedule {
  readonly timesteps: readonly number[];
  readonly levels: readonly VpLevel[];
  readonly predictionType: PredictionType;
  /** Estimates of the picture, kept in range. */
  readonly keep: (denoised: Float32Array, batch: number) => Float32Array;
}

/** The schedule of a run. */
export function vpSchedule(config: VpConfig, request: PlanRequest, rules: VpRules): VpSchedule {
  checkedFlow(rules, config, request);
  const training = trainingSigmasOf(config);
  const { sigmas, timesteps, isRespaced } = levelsOf(config, request, rules, training);
  const kind = isRespaced ? (rules.respacedFinal ?? rules.final) : rules.final;
  const last = { zero: 0, training: training[0]!, repeat: sigmas[sigmas.length - 1]! }[kind];
  const all = Float32Array.from(
    request.sigmas && !config.useFlowSigmas ? sigmas : [...sigmas, last],
  );
  return {
    timesteps: timesteps.map(Math.trunc),
    levels: Array.from(all, (sigma) => levelOf(sigma, config.useFlowSigmas)),
    predictionType: config.predictionType,
    keep: (denoised, batch) =>
      keptInRange({ ...config, clipSample: false, clipSampleRange: 1 }, denoised, batch),
  };
}

/** α and σ of a raw noise level: σ over clean pictures of variance one, or the share of noise in a flow. */
export function levelOf(raw: number, isFlow: boolean): VpLevel {
  const alpha = isFlow ? f(1 - raw) : f(1 / f(Math.sqrt(f(f(raw * raw) + 1))));
  const sigma = isFlow ? raw : f(raw * alpha);
  return { raw, alpha, sigma, lambda: f(f(Math.log(alpha)) - f(Math.log(sigma))) };
}

/** The picture a raw output stands for. */
export function vpDenoised(
  type: PredictionType,
  { raw, alpha, sigma }: VpLevel,
  x: Float32Array,
  output: Float32Array,
): Float32Array {
  switch (type) {
    case 'epsilon':
      return x.map((v, i) => f(v - f(sigma * output[i]!)) / alpha);
    case 'sample':
      return output;
    case 'v_prediction':
      return x.map((v, i) => f(alpha * v) - f(sigma * output[i]!));
    case 'flow_prediction':
      return x.map((v, i) => v - f(raw * output[i]!));
  }
}

/** The noise a raw output stands for; flows tell none. */
export function vpEpsilon(
  type: Exclude<PredictionType, 'flow_prediction'>,
  level: VpLevel,
  x: Float32Array,
  output: Float32Array,
): Float32Array {
  const { alpha, sigma } = level;
  switch (type) {
    case 'epsilon':
      return output;
    case 'sample':
      return epsilonOf(level, x, output);
    case 'v_prediction':
      return x.map((v, i) => f(alpha * output[i]!) + f(sigma * v));
  }
}

/** The noise in `x` when `denoised` is the picture. */
export function epsilonOf(
  { alpha, sigma }: VpLevel,
  x: Float32Array,
  denoised: Float32Array,
): Float32Array {
  return divided(
    x.map((v, i) => v - f(alpha * denoised[i]!)),
    sigma,
  );
}

/** α·clean + σ·noise. */
export function noisedAtLevel(
  { alpha, sigma }: VpLevel,
  clean: Float32Array,
  noise: Float32Array,
): Float32Array {
  return clean.map((v, i) => f(alpha * v) + f(sigma * noise[i]!));
}

/** Flow levels of DPM-Solver and DEIS: even, shifted. */
export function evenFlowSigmas(
  config: VpConfig,
  steps: number,
  request: PlanRequest,
): Float64Array {
  const { numTrainTimesteps: train } = config;
  const shift = flowShift(config, request);
  const plain = linspace(1, 1 / train, steps + 1).map((alpha) => 1 - alpha);
  return plain
    .map((s) => (shift * s) / (1 + (shift - 1) * s))
    .reverse()
    .slice(0, -1);
}

/** The shift of a flow: of the configuration, or of the picture's size. */
export function flowShift(config: VpConfig, request: PlanRequest): number {
  if (!config.useDynamicShifting) return config.flowShift;
  if (request.imageTokens !== undefined) return Math.exp(dynamicShift(config, request.imageTokens));
  throw complain('CONFIG', {
    where: 'flow shift',
    expected: 'imageTokens, as use_dynamic_shifting is true',
    got: 'none',
    next: 'Give the number of tokens of one picture.',
  });
}

/** Throws CONFIG when a solver that looks back would divide by a step of no length. */
export function checkedDistinct(where: string, { levels }: VpSchedule, order: number): void {
  const inner = levels.slice(0, -1);
  const twin = inner.findIndex((level, i) => i > 0 && level.raw >= inner[i - 1]!.raw);
  if (order === 1 || twin < 0) return;
  throw complain('CONFIG', {
    where,
    expected: 'noise levels that fall in every step',
    got: `σ ${inner[twin]!.raw} again in step ${twin + 1} of ${inner.length}`,
    next: 'Take fewer steps, or solver_order 1.',
  });
}

interface Levels {
  readonly sigmas: Float64Array;
  readonly timesteps: number[];
  readonly isRespaced: boolean;
}

function levelsOf(
  config: VpConfig,
  request: PlanRequest,
  rules: VpRules,
  training: Float32Array,
): Levels {
  const schedule = chosenSchedule(rules.where, config, request);
  const train = config.numTrainTimesteps;
  const isRespaced = schedule !== 'uniform';
  if (config.useFlowSigmas && !(isRespaced && rules.hasKarrasFlow)) {
    const sigmas = rules.flowSigmas(request.steps, request);
    return { sigmas, timesteps: [...sigmas.map((s) => s * train)], isRespaced: true };
  }
  if (request.sigmas) return namedLevels(rules, request.sigmas, training);
  if (rules.own && request.schedule === undefined) {
    return respaced(rules.own(training, request.steps), rules, training, 'karras');
  }
  if (!isRespaced) {
    const timesteps = integerTimesteps(config, request, rules, training);
    const sigmas = Float64Array.from(timesteps, (t) => valueAt(training, t));
    return { sigmas, timesteps, isRespaced };
  }
  checkedSteps(request.steps, train);
  const range = {
    largest: config.sigmaMax ?? training[train - 1]!,
    least: config.sigmaMin ?? training[0]!,
    count: request.steps,
  };
  const sigmas = isListedSchedule(schedule)
    ? listedSigmas(schedule, request.steps, fullRange(training, request.alignYourSteps))
    : spacedSigmas(schedule, range);
  if (!config.useFlowSigmas) return respaced(sigmas, rules, training, schedule);
  const shares = sigmas.map((s) => s / (s + 1));
  return { sigmas: shares, timesteps: [...shares.map((s) => s * train)], isRespaced };
}

function respaced(
  sigmas: Float64Array,
  rules: VpRules,
  training: Float32Array,
  schedule: ScheduleName,
): Levels {
  const isRounded = (schedule === 'karras' && rules.roundsKarras) || isListedSchedule(schedule);
  const timesteps = Array.from(sigmas, timestepOf(training)).map((t) =>
    isRounded ? roundHalfEven(t) : t,
  );
  return { sigmas, timesteps, isRespaced: true };
}

/** A run's own σ; the last one is the final level and has no timestep. */
function namedLevels(rules: VpRules, given: readonly number[], training: Float32Array): Levels {
  const sigmas = Float64Array.from(fallingSigmas(rules.where, given));
  const timesteps = Array.from(sigmas.slice(0, -1), timestepOf(training)).map(roundHalfEven);
  return { sigmas, timesteps, isRespaced: true };
}

function integerTimesteps(
  config: VpConfig,
  request: PlanRequest,
  rules: VpRules,
  training: Float32Array,
): number[] {
  const { numTrainTimesteps: train, timestepSpacing = 'linspace', stepsOffset = 0 } = config;
  if (request.timesteps) {
    if (rules.takesTimesteps !== true) throw noTimesteps(rules.where);
    return trainedTimesteps(rules.where, request.timesteps, train);
  }
  const steps = checkedSteps(request.steps, train);
  const end = train - clippedCount(config, training);
  const timesteps = pointsOf(timestepSpacing, { steps, end, train, stepsOffset });
  const outside = timesteps.find((t) => t < 0 || t >= train);
  if (outside === undefined) return timesteps;
  throw complain('CONFIG', {
    where: 'timesteps',
    expected: `all from 0 to ${train - 1}`,
    got: `${outside} for ${steps} steps with steps_offset ${stepsOffset}`,
    next: 'Take fewer steps.',
  });
}

function pointsOf(
  spacing: TimestepSpacing,
  { steps, end, train, stepsOffset }: Record<'steps' | 'end' | 'train' | 'stepsOffset', number>,
): number[] {
  switch (spacing) {
    case 'linspace':
      return Array.from(linspace(0, end - 1, steps + 1), roundHalfEven)
        .reverse()
        .slice(0, -1);
    case 'leading': {
      const ratio = Math.floor(end / (steps + 1));
      return Array.from({ length: steps }, (_, i) => (steps - i) * ratio + stepsOffset);
    }
    case 'trailing': {
      const stride = end - (end - train / steps);
      const count = Math.min(Math.ceil(end / (train / steps)), steps);
      return Array.from({ length: count }, (_, i) => roundHalfEven(end - i * stride) - 1);
    }
  }
}

/** Training timesteps whose λ lies below lambda_min_clipped. */
function clippedCount(config: VpConfig, training: Float32Array): number {
  const least = Number(config.lambdaMinClipped ?? Number.NEGATIVE_INFINITY);
  if (least === Number.NEGATIVE_INFINITY) return 0;
  return training.filter((sigma) => levelOf(sigma, false).lambda < least).length;
}

/** Throws CONFIG for flow keys that contradict each other or the run. */
function checkedFlow(rules: VpRules, config: VpConfig, request: PlanRequest): void {
  const { where } = rules;
  const isFlow = config.useFlowSigmas;
  if (config.predictionType === 'flow_prediction' && !isFlow) {
    const expected = 'use_flow_sigmas true, as prediction_type is flow_prediction';
    throw complain('CONFIG', { where, expected, got: 'false' });
  }
  const schedule = chosenSchedule(where, config, request);
  const isUniform = schedule === 'uniform' && rules.own === undefined;
  if (!isUniform && (request.timesteps || request.sigmas)) throw twoSpacings(where, schedule);
  const fits = isUniform || (schedule === 'karras' && rules.hasKarrasFlow === true);
  if (!isFlow || (fits && !request.timesteps && (rules.takesFlowSigmas || !request.sigmas))) return;
  throw complain('CONFIG', {
    where,
    expected: 'the noise levels of the flow, as use_flow_sigmas is true',
    got: fits ? 'timesteps or sigmas' : `the ${rules.own ? 'Lu' : schedule} schedule`,
    next: 'Leave the schedule out.',
  });
}

function twoSpacings(where: string, schedule: ScheduleName) {
  return complain('USAGE', {
    where,
    expected: 'a schedule, or timesteps or sigmas',
    got: `the ${schedule} schedule and a list`,
    next: 'Leave one of them out.',
  });
}
