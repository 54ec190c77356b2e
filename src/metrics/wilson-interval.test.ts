import { describe, expect, it } from 'vitest';
import { rateOf } from './wilson-interval.js';

describe('rateOf', () => {
  // scipy 1.17.1: binomtest(successes, trials).proportion_ci(method='wilson')
  it.each([
    [60, 100, 0.502003, 0.690599],
    [0, 100, 0, 0.036993],
    [100, 100, 0.963007, 1],
    [1, 3, 0.061492, 0.79234],
  ])('%i of %i', (successes, trials, low, high) => {
    const found = rateOf(successes, trials);
    expect(found.rate).toBe(successes / trials);
    expect(found.low).toBeCloseTo(low, 5);
    expect(found.high).toBeCloseTo(high, 5);
  });

  it.each([
    [1, 0],
    [-1, 5],
    [6, 5],
    [0.5, 5],
  ])('refuses %d of %d', (successes, trials) => {
    expect(() => rateOf(successes, trials)).toThrow(/^rateOf: expected whole numbers/);
  });
});
