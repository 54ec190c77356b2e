/** @file Noise levels and timesteps as diffusers computes them, rounded to f32 where torch rounds; zero-SNR: Lin et al. 2023. */
import { complain } from '../core/errors.js';

const f = Math.fround;

export const betaSchedules = [
  'linear',
  'scaled_linear',
  'squaredcos_cap_v2',
  'sigmoid',
  'laplace',
  'exp',
] as const;
export type BetaSchedule = (typeof betaSchedules)[number];

export const timestepSpacings = ['leading', 'linspace', 'trailing'] as const;
export type TimestepSpacing = (typeof timestepSpacings)[number];

/** The part of a sampler's configuration that fixes the noise levels of training. */
export interface NoiseSchedule {
  readonly numTrainTimesteps: number;
  readonly betaStart: number;
  readonly betaEnd: number;
  readonly betaSchedule: BetaSchedule;
  /** Given betas replace the schedule. */
  readonly trainedBetas: readonly number[] | null;
  readonly rescaleBetasZeroSnr: boolean;
}

/** ᾱ of every training timestep, f32, falling from almost 1. */
export function alphasCumprod(schedule: NoiseSchedule): Float32Array {
  const betas = betasOf(schedule);
  const { numTrainTimesteps } = schedule;
  if (betas.length !== numTrainTimesteps) {
    throw complain('CONFIG', {
      where: 'noise schedule',
      expected: `${numTrainTimesteps} trained_betas, as num_train_timesteps says`,
      got: `${betas.length}`,
    });
  }
  return cumulativeAlphas(schedule.rescaleBetasZeroSnr ? zeroSnrBetas(betas) : betas);
}

/** The betas before any zero-SNR rescale, f32. */
export function betasOf(schedule: NoiseSchedule): Float32Array {
  if (schedule.trainedBetas !== null) return Float32Array.from(schedule.trainedBetas);
  const { betaStart, betaEnd, numTrainTimesteps: count } = schedule;
  switch (schedule.betaSchedule) {
    case 'linear':
      return linspaceF32(betaStart, betaEnd, count);
    case 'scaled_linear':
      return linspaceF32(Math.sqrt(betaStart), Math.sqrt(betaEnd), count).map(
        (root) => root * root,
      );
    case 'squaredcos_cap_v2':
      return betasForAlphaBar(count, (t) => Math.cos((((t + 0.008) / 1.008) * Math.PI) / 2) ** 2);
    case 'laplace':
      return betasForAlphaBar(count, laplaceAlphaBar);
    case 'exp':
      return betasForAlphaBar(count, (t) => Math.exp(t * -12));
    case 'sigmoid': {
      const range = f(betaEnd - betaStart);
      return linspaceF32(-6, 6, count).map(
        (t) => f(f(1 / (1 + Math.exp(-t))) * range) + f(betaStart),
      );
    }
  }
}

/** `torch.linspace(start, end, count)` in f32, which counts from both ends. */
export function linspaceF32(start: number, end: number, count: number): Float32Array {
  const first = f(start);
  const last = f(end);
  const step = count > 1 ? f(f(last - first) / (count - 1)) : 0;
  const half = Math.floor(count / 2);
  return Float32Array.from({ length: count }, (_, i) =>
    i < half || count === 1 ? first + step * i : last - step * (count - 1 - i),
  );
}

/** `numpy.linspace(start, end, count)` in f64. */
export function linspace(start: number, end: number, count: number): Float64Array {
  const step = count > 1 ? (end - start) / (count - 1) : 0;
  const values = Float64Array.from({ length: count }, (_, i) => i * step + start);
  if (count > 1) values[count - 1] = end;
  return values;
}

/** Betas whose cumulative product follows `alphaBar`, each at most 0.999. */
function betasForAlphaBar(count: number, alphaBar: (t: number) => number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) =>
    Math.min(1 - alphaBar((i + 1) / count) / alphaBar(i / count), 0.999),
  );
}

function laplaceAlphaBar(t: number): number {
  const side = t > 0.5 ? -1 : 1;
  const snr = Math.exp(-0.5 * side * Math.log(1 - 2 * Math.abs(0.5 - t) + 1e-6));
  return Math.sqrt(snr / (1 + snr));
}

/** Running product of 1 − β: accumulated in f64, each value rounded to f32, as torch does. */
function cumulativeAlphas(betas: Float32Array): Float32Array {
  let product = 1;
  return betas.map((beta) => {
    product *= f(1 - beta);
    return product;
  });
}

/** Betas rescaled so that the last ᾱ is zero (Lin et al. 2023, algorithm 1). */
export function zeroSnrBetas(betas: Float32Array): Float32Array {
  const roots = cumulativeAlphas(betas).map(Math.sqrt);
  const first = roots[0]!;
  const last = roots[roots.length - 1]!;
  const scale = f(first / f(first - last));
  const alphaBars = roots.map((root) => f(f(root - last) * scale) ** 2);
  return alphaBars.map((alphaBar, i) => 1 - (i === 0 ? alphaBar : f(alphaBar / alphaBars[i - 1]!)));
}

/** How training timesteps are spread over the steps of a run. */
export interface SpacingRequest {
  readonly steps: number;
  readonly numTrainTimesteps: number;
  readonly timestepSpacing: TimestepSpacing;
  /** Added to `leading` timesteps only. */
  readonly stepsOffset: number;
}

/** Integer timesteps of a run, falling. Throws CONFIG when they would leave the training range. */
export function spacedTimesteps(request: SpacingRequest): number[] {
  const { steps, numTrainTimesteps } = request;
  checkedSteps(steps, numTrainTimesteps);
  const timesteps = rawTimesteps(request);
  const outside = timesteps.find((t) => t < 0 || t >= numTrainTimesteps);
  if (outside === undefined) return timesteps;
  throw complain('CONFIG', {
    where: 'timesteps',
    expected: `all below ${numTrainTimesteps}`,
    got: `${outside} for ${steps} steps with steps_offset ${request.stepsOffset}`,
    next: 'Take fewer steps.',
  });
}

function rawTimesteps({ steps, numTrainTimesteps, ...rule }: SpacingRequest): number[] {
  switch (rule.timestepSpacing) {
    case 'linspace':
      return Array.from(linspace(0, numTrainTimesteps - 1, steps), roundHalfEven).reverse();
    case 'leading': {
      const ratio = Math.floor(numTrainTimesteps / steps);
      return Array.from({ length: steps }, (_, i) => (steps - 1 - i) * ratio + rule.stepsOffset);
    }
    case 'trailing': {
      // numpy.arange(T, 0, -T/n): the step is the difference of its first two values.
      const step = numTrainTimesteps - (numTrainTimesteps - numTrainTimesteps / steps);
      return Array.from(
        { length: steps },
        (_, i) => roundHalfEven(numTrainTimesteps - i * step) - 1,
      );
    }
  }
}

/** Throws USAGE unless `steps` is an integer from 1 to `most`. */
export function checkedSteps(steps: number, most: number): number {
  if (Number.isInteger(steps) && steps >= 1 && steps <= most) return steps;
  throw complain('USAGE', {
    where: 'steps',
    expected:
      most === Number.MAX_SAFE_INTEGER ? 'an integer of 1 or more' : `an integer from 1 to ${most}`,
    got: `${steps}`,
    next: 'Choose another number of steps.',
  });
}

/** Rounds to the nearest integer, halves to even, as numpy does. */
export function roundHalfEven(value: number): number {
  const rounded = Math.round(value);
  const isTie = Math.abs(value - Math.trunc(value)) === 0.5;
  return isTie && rounded % 2 !== 0 ? rounded - 1 : rounded;
}
