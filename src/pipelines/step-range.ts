/** @file Which steps of a plan a picture takes: strength, and SDXL's hand-over from base to refiner (diffusers' get_timesteps). */
import { complain } from '../core/errors.js';
import type { Trajectory } from '../schedulers/sampler.js';
import type { Family } from './families.js';

export interface RangeRequest {
  readonly steps: number;
  /** 1 for all steps; below, the last share of them. */
  readonly strength: number;
  readonly rounding: Family['strengthRounding'];
  /** Share of the noise schedule that is already behind, 0 to 1. */
  readonly denoisingStart: number | undefined;
  /** Share of the noise schedule at which to stop. */
  readonly denoisingEnd: number | undefined;
  readonly trainTimesteps: number;
}

/** Indices into the plan's timesteps; `end` lies outside. */
export interface StepRange {
  readonly start: number;
  readonly end: number;
}

/** Throws USAGE when the start does not come before the end. */
export function stepRange(trajectory: Trajectory, request: RangeRequest): StepRange {
  const { timesteps, order } = trajectory;
  const { steps, strength, rounding, denoisingStart, denoisingEnd, trainTimesteps } = request;
  if (denoisingStart !== undefined && denoisingEnd !== undefined) {
    if (denoisingStart >= denoisingEnd) throw wrongOrder(denoisingStart, denoisingEnd);
  }
  const cutoff = (share: number): number => roundHalfEven(trainTimesteps - share * trainTimesteps);
  const asked = Math.min(steps * strength, steps);
  const taken = rounding === 'fewer-steps' ? Math.trunc(asked) : steps - Math.trunc(steps - asked);
  let start = Math.min((steps - taken) * order, timesteps.length);
  if (denoisingStart !== undefined) {
    let left = timesteps.filter((timestep) => timestep < cutoff(denoisingStart)).length;
    // A step of second order is not cut in its middle.
    if (order === 2 && left % 2 === 0) left++;
    start = Math.max(timesteps.length - left, 0);
  }
  if (denoisingEnd === undefined) return { start, end: timesteps.length };
  const least = cutoff(denoisingEnd);
  const kept = timesteps.slice(start).filter((timestep) => timestep >= least).length;
  return { start, end: start + kept };
}

/** As Python's round. */
function roundHalfEven(value: number): number {
  const whole = Math.floor(value);
  const rest = value - whole;
  if (rest === 0.5) return whole % 2 === 0 ? whole : whole + 1;
  return Math.round(value);
}

function wrongOrder(start: number, end: number): Error {
  return complain('USAGE', {
    where: 'denoisingStart',
    expected: `a share below denoisingEnd ${end}`,
    got: `${start}`,
  });
}
