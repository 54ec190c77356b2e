/**
 * @file The plan of samplers over σ (x = clean + σ·noise): timesteps and noise levels as the Euler family
 * of diffusers computes them; Karras et al. 2022.
 */
import { complain } from '../core/errors.js';
import {
  betasField,
  booleanField,
  choiceField,
  integerField,
  nullable,
  numberField,
} from './config.js';
import { type AlignYourStepsTable, listedSigmas } from './listed-sigmas.js';
import type { PlanRequest, PredictionType } from './sampler.js';
import { isListedSchedule, type OwnSchedule, type ScheduleName } from './schedule-names.js';
import {
  alphasCumprod,
  type BetaSchedule,
  linspace,
  type NoiseSchedule,
  roundHalfEven,
  spacedTimesteps,
  type TimestepSpacing,
  timestepSpacings,
} from './schedules.js';
import { betaSigmas, exponentialSigmas, karrasSigmas, type SigmaRange } from './sigmas.js';
import { timestepOf, trainingSigmas, valueAt, withLeastSignal } from './training-sigmas.js';

const f = Math.fround;

/** Noise levels of training that most classes know. */
export const trainingFields = {
  numTrainTimesteps: integerField(1000, 1),
  betaStart: numberField(0.0001, 0),
  betaEnd: numberField(0.02, 0),
  betaSchedule: choiceField<BetaSchedule>('linear', [
    'linear',
    'scaled_linear',
    'squaredcos_cap_v2',
  ]),
  trainedBetas: betasField(),
};

/** Which training timesteps a run takes. */
export const spacingFields = {
  timestepSpacing: choiceField('linspace', timestepSpacings),
  stepsOffset: integerField(0),
};

/** The respacings of diffusers; two of the keys are read by every class that respaces. */
export const respacingFields = {
  useKarrasSigmas: booleanField(false),
  useExponentialSigmas: booleanField(false),
  useBetaSigmas: booleanField(false),
  sigmaMin: nullable(numberField(0, 0)),
  sigmaMax: nullable(numberField(0, 0)),
};

/** What the flags of a configuration say about respacing. */
export interface RespacingFlags {
  readonly useKarrasSigmas: boolean;
  readonly useExponentialSigmas: boolean;
  readonly useBetaSigmas: boolean;
  readonly sigmaMin: number | null;
  readonly sigmaMax: number | null;
}

/** The spacing of a run: what it asks for, else what the flags say. */
export function chosenSchedule(
  where: string,
  flags: RespacingFlags,
  request: PlanRequest,
): ScheduleName {
  if (request.schedule !== undefined) return request.schedule;
  const named: [boolean, OwnSchedule][] = [
    [flags.useKarrasSigmas, 'karras'],
    [flags.useExponentialSigmas, 'exponential'],
    [flags.useBetaSigmas, 'beta'],
  ];
  const chosen = named.filter(([isOn]) => isOn).map(([, name]) => name);
  if (chosen.length <= 1) return chosen[0] ?? 'uniform';
  throw complain('CONFIG', {
    where,
    expected: 'at most one of use_karras_sigmas, use_exponential_sigmas, use_beta_sigmas',
    got: `${chosen.length}`,
  });
}

/** σ between two ends by one of the rules that need nothing else. */
export function spacedSigmas(
  rule: Exclude<OwnSchedule, 'uniform'>,
  range: SigmaRange,
): Float64Array {
  switch (rule) {
    case 'karras':
      return karrasSigmas(range);
    case 'exponential':
      return exponentialSigmas(range);
    case 'beta':
      return betaSigmas(range);
  }
}

/** Configuration of a sampler over σ. */
export interface SigmaConfig extends Omit<NoiseSchedule, 'rescaleBetasZeroSnr'>, RespacingFlags {
  readonly rescaleBetasZeroSnr?: boolean;
  readonly timestepSpacing: TimestepSpacing;
  readonly stepsOffset: number;
  readonly predictionType: PredictionType;
}

/** What differs between classes of the family. */
export interface SigmaRules {
  readonly where: string;
  /** Karras timesteps are rounded. */
  readonly roundsKarras?: boolean;
  /** Karras spacing does not look at sigma_min and sigma_max. */
  readonly ignoresKarrasEnds?: boolean;
  /** Uniform timesteps stay in f64. */
  readonly keepsF64?: boolean;
  /** diffusers lets a run name its timesteps. */
  readonly takesTimesteps?: boolean;
}

/** Noise levels of a run: step i begins at `sigmas[i]`; the last value is the final level; f32. */
export interface SigmaSchedule {
  readonly timesteps: readonly number[];
  readonly sigmas: readonly number[];
  readonly predictionType: PredictionType;
  readonly initialNoiseScale: number;
  /** Training σ, rising. */
  readonly training: Float32Array;
}

/** The schedule of a run ending at σ = `final` (0 unless told). */
export function sigmaSchedule(
  config: SigmaConfig,
  request: PlanRequest,
  rules: SigmaRules,
  final = 0,
): SigmaSchedule {
  const training = trainingSigmasOf(config);
  const { sigmas, timesteps } = levelsOf(config, request, rules, training);
  const all = [...Float32Array.from([...sigmas, ...(request.sigmas ? [] : [final])])];
  return {
    timesteps,
    sigmas: all,
    predictionType: config.predictionType,
    initialNoiseScale: initialScale(config.timestepSpacing, all),
    training,
  };
}

/** σ of training under a configuration; total noise keeps a trace of signal. */
export function trainingSigmasOf(
  config: Omit<NoiseSchedule, 'rescaleBetasZeroSnr'> & { readonly rescaleBetasZeroSnr?: boolean },
): Float32Array {
  const rescaleBetasZeroSnr = config.rescaleBetasZeroSnr ?? false;
  const alphas = alphasCumprod({ ...config, rescaleBetasZeroSnr });
  return trainingSigmas(rescaleBetasZeroSnr ? withLeastSignal(alphas) : alphas);
}

/** σmax, or √(σmax² + 1) where timesteps lead. */
export function initialScale(spacing: TimestepSpacing, sigmas: readonly number[]): number {
  const most = Math.max(...sigmas);
  return spacing === 'leading' ? f(Math.sqrt(f(f(most * most) + 1))) : most;
}

interface Levels {
  readonly sigmas: ArrayLike<number> & Iterable<number>;
  readonly timesteps: readonly number[];
}

function levelsOf(
  config: SigmaConfig,
  request: PlanRequest,
  rules: SigmaRules,
  training: Float32Array,
): Levels {
  const schedule = chosenSchedule(rules.where, config, request);
  if (request.sigmas && request.timesteps) throw twoLists(rules.where);
  const toTimestep = timestepOf(training);
  if (request.sigmas !== undefined) {
    const sigmas = Float32Array.from(fallingSigmas(rules.where, request.sigmas));
    return { sigmas, timesteps: Array.from(sigmas.slice(0, -1), (s) => f(toTimestep(s))) };
  }
  const uniform = uniformTimesteps(config, request, rules, schedule);
  if (schedule === 'uniform') {
    return { sigmas: uniform.map((t) => valueAt(training, t)), timesteps: uniform };
  }
  const sigmas = isListedSchedule(schedule)
    ? listedSigmas(schedule, request.steps, fullRange(training, request.alignYourSteps))
    : spacedSigmas(
        schedule,
        rangeOf(
          config,
          schedule,
          rules,
          uniform.map((t) => valueAt(training, t)),
        ),
      );
  const isRounded = schedule === 'karras' && rules.roundsKarras === true;
  const cast = rules.keepsF64 || rules.roundsKarras ? (t: number) => t : f;
  const timesteps = Array.from(sigmas, (sigma) => {
    const t = toTimestep(sigma);
    return cast(isRounded ? roundHalfEven(t) : t);
  });
  return { sigmas, timesteps };
}

/** The whole training range, as other systems lay their schedules over it. */
export function fullRange(training: Float32Array, table: AlignYourStepsTable = 'sd1') {
  return { training, least: training[0]!, largest: training[training.length - 1]!, table };
}

function rangeOf(
  config: RespacingFlags,
  schedule: OwnSchedule,
  rules: SigmaRules,
  inner: readonly number[],
): SigmaRange {
  const ends = schedule === 'karras' && rules.ignoresKarrasEnds ? undefined : config;
  return {
    largest: ends?.sigmaMax ?? inner[0]!,
    least: ends?.sigmaMin ?? inner[inner.length - 1]!,
    count: inner.length,
  };
}

/** Timesteps before any respacing: fractions where they are spread over the range, else integers. */
function uniformTimesteps(
  config: SigmaConfig,
  request: PlanRequest,
  rules: SigmaRules,
  schedule: ScheduleName,
): number[] {
  if (request.timesteps !== undefined) return givenTimesteps(request, rules, schedule);
  const { numTrainTimesteps, timestepSpacing } = config;
  const integers = spacedTimesteps({ ...config, steps: request.steps });
  if (timestepSpacing !== 'linspace') return integers;
  const even = [...linspace(0, numTrainTimesteps - 1, request.steps)].reverse();
  return rules.keepsF64 ? even : even.map(f);
}

function givenTimesteps(request: PlanRequest, rules: SigmaRules, schedule: ScheduleName): number[] {
  if (rules.takesTimesteps !== true) throw noTimesteps(rules.where);
  if (schedule === 'uniform') return fallingTimesteps(rules.where, request.timesteps!).map(f);
  throw complain('USAGE', {
    where: rules.where,
    expected: 'timesteps or a schedule',
    got: `timesteps and the ${schedule} schedule`,
    next: 'Leave one of them out.',
  });
}

function twoLists(where: string) {
  return complain('USAGE', {
    where,
    expected: 'timesteps or sigmas',
    got: 'both',
    next: 'Leave one of them out.',
  });
}

/** Throws USAGE: this sampler's class cannot be told its timesteps. */
export function noTimesteps(where: string) {
  return complain('USAGE', {
    where,
    expected: 'a number of steps or a schedule',
    got: 'timesteps',
    next: 'This sampler chooses its timesteps itself.',
  });
}

/** Given timesteps, checked to be finite, not negative and falling. */
export function fallingTimesteps(where: string, timesteps: readonly number[]): number[] {
  const falls = timesteps.every(
    (t, i) => Number.isFinite(t) && t >= 0 && (i === 0 || t < timesteps[i - 1]!),
  );
  if (falls && timesteps.length > 0) return [...timesteps];
  throw complain('USAGE', {
    where,
    expected: 'falling timesteps of 0 or more',
    got: shown(timesteps),
  });
}

/** Given σ, checked to be falling from above zero, at least two of them. */
export function fallingSigmas(where: string, sigmas: readonly number[]): readonly number[] {
  const falls = sigmas.every(
    (s, i) => Number.isFinite(s) && s >= 0 && (i === 0 || s < sigmas[i - 1]!),
  );
  if (falls && sigmas.length > 1) return sigmas;
  throw complain('USAGE', {
    where,
    expected: 'at least two falling sigmas, the last one final',
    got: shown(sigmas),
  });
}

function shown(values: readonly number[]): string {
  const text = values.join(', ');
  return text.length > 80 ? `${text.slice(0, 80)}…` : text || 'none';
}

/** Flags of a class that has none. */
export const noRespacing: RespacingFlags = {
  useKarrasSigmas: false,
  useExponentialSigmas: false,
  useBetaSigmas: false,
  sigmaMin: null,
  sigmaMax: null,
};

/** Both calls of a step of second order: `[a, b, c]` becomes `[a, b, b, c, c]`. */
export function twice(values: readonly number[]): number[] {
  return values.flatMap((value, i) => (i === 0 ? [value] : [value, value]));
}
