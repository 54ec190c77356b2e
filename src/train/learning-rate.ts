/** @file Learning rate over a run: linear warm-up, constant, linear decay to zero. */

export interface LearningRateSchedule {
  readonly peak: number;
  readonly warmupSteps: number;
  readonly totalSteps: number;
  /** Share of the run, at its end, over which the rate falls to zero. */
  readonly decayShare: number;
}

/** The rate at a step counted from 1. */
export function learningRateAt(step: number, schedule: LearningRateSchedule): number {
  const { peak, warmupSteps, totalSteps, decayShare } = schedule;
  const warm = warmupSteps > 0 ? Math.min(1, step / warmupSteps) : 1;
  const decaySteps = totalSteps * decayShare;
  const left = decaySteps > 0 ? Math.min(1, (totalSteps - step + 1) / decaySteps) : 1;
  return peak * warm * Math.max(0, left);
}
