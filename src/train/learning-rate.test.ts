/** @file The learning rate at the corners of a run. */
import { expect, it } from 'vitest';
import { learningRateAt } from './learning-rate.js';

const run = { peak: 8, warmupSteps: 4, totalSteps: 20, decayShare: 0.25 };

it.each([
  [1, 2],
  [2, 4],
  [4, 8],
  [5, 8],
  [15, 8],
  [16, 8],
  [17, 6.4],
  [20, 1.6],
  [21, 0],
  [30, 0],
])('step %i gives %f', (step, rate) => {
  expect(learningRateAt(step, run)).toBeCloseTo(rate, 12);
});

it('takes warm-up and decay together, or neither', () => {
  expect(learningRateAt(1, { ...run, warmupSteps: 0 })).toBe(8);
  expect(learningRateAt(20, { ...run, decayShare: 0 })).toBe(8);
  expect(learningRateAt(10, { ...run, warmupSteps: 20, decayShare: 1 })).toBeCloseTo(
    8 * 0.5 * (11 / 20),
    12,
  );
});
