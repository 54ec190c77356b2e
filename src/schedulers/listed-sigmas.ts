/**
 * @file Schedules of stable-diffusion-webui, ComfyUI and k-diffusion as lists of σ; Align Your Steps:
 * Sabour et al. 2024 (2404.14507).
 */

import type { ListedSchedule } from './schedule-names.js';
import { linspace } from './schedules.js';
import { timestepOf, valueAt } from './training-sigmas.js';

/** Published noise levels for ten steps, their last one before zero. */
export const alignYourStepsTables = {
  sd1: [14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0.029],
  sdxl: [14.615, 6.315, 3.771, 2.181, 1.342, 0.862, 0.555, 0.38, 0.234, 0.113, 0.029],
  svd: [700, 54.5, 15.886, 7.977, 4.248, 1.789, 0.981, 0.403, 0.173, 0.034, 0.002],
} as const;
export type AlignYourStepsTable = keyof typeof alignYourStepsTables;

/** Noise levels a schedule is laid over. */
export interface SigmaSource {
  /** σ of every training timestep, rising. */
  readonly training: Float32Array;
  /** Ends of the range. */
  readonly least: number;
  readonly largest: number;
  readonly table: AlignYourStepsTable;
}

type Rule = (steps: number, source: SigmaSource) => ArrayLike<number>;

/** Every schedule as its falling σ, the final zero left out. */
const rules: Record<ListedSchedule, Rule> = {
  normal: (steps, source) => evenTimesteps(source, steps),
  sgm_uniform: (steps, source) => evenTimesteps(source, steps + 1).slice(0, -1),
  simple: (steps, { training }) =>
    Array.from({ length: steps }, (_, i) => {
      const back = 1 + Math.trunc(i * (training.length / steps));
      return training[training.length - back]!;
    }),
  ddim_uniform: (steps, { training }) => {
    const stride = Math.max(Math.floor(training.length / steps), 1);
    return training.filter((_, i) => i >= 1 && (i - 1) % stride === 0).reverse();
  },
  polyexponential: (steps, { least, largest }) => {
    const [low, high] = [Math.log(least), Math.log(largest)];
    return linspace(1, 0, steps).map((ramp) => Math.exp(ramp * (high - low) + low));
  },
  kl_optimal: (steps, { least, largest }) => {
    const [low, high] = [Math.atan(least), Math.atan(largest)];
    return Array.from({ length: steps }, (_, i) =>
      Math.tan((i / steps) * low + (1 - i / steps) * high),
    );
  },
  align_your_steps: (steps, { table }) => {
    const levels = alignYourStepsTables[table];
    return steps + 1 === levels.length
      ? levels.slice(0, -1)
      : logLinear(levels, steps + 1).slice(0, -1);
  },
};

/** σ of a run of `steps` steps, falling, the final zero left out; f64. */
export function listedSigmas(
  schedule: ListedSchedule,
  steps: number,
  source: SigmaSource,
): Float64Array {
  return Float64Array.from(rules[schedule](steps, source));
}

/** `count` timesteps evenly from the largest to the least σ, as σ by log-linear interpolation. */
function evenTimesteps({ training, least, largest }: SigmaSource, count: number): Float64Array {
  const toTimestep = timestepOf(training);
  const logs = training.map(Math.log);
  return linspace(toTimestep(largest), toTimestep(least), count).map((t) =>
    Math.exp(valueAt(logs, t)),
  );
}

/** `count` values on the curve through `levels`, linear in their logarithm. */
function logLinear(levels: readonly number[], count: number): Float64Array {
  const logs = levels.map(Math.log);
  return linspace(0, levels.length - 1, count).map((position) => Math.exp(valueAt(logs, position)));
}
