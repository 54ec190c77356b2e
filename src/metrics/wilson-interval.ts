/** @file The range a success rate may lie in, score interval of Wilson 1927. */
import { complain } from '../core/errors.js';

/** Standard deviations that hold 95 % of a normal distribution. */
const z = 1.959963984540054;

/** A rate with its 95 % interval, all 0 to 1. */
export interface Rate {
  readonly successes: number;
  readonly trials: number;
  readonly rate: number;
  readonly low: number;
  readonly high: number;
}

/** The rate of successes. Throws USAGE unless 0 ≤ successes ≤ trials and trials ≥ 1. */
export function rateOf(successes: number, trials: number): Rate {
  const isCount = Number.isInteger(successes) && Number.isInteger(trials);
  if (!isCount || trials < 1 || successes < 0 || successes > trials) {
    throw complain('USAGE', {
      where: 'rateOf',
      expected: 'whole numbers with 0 <= successes <= trials, trials at least 1',
      got: `${successes} of ${trials}`,
      next: 'Count at least one trial.',
    });
  }
  const rate = successes / trials;
  const share = z ** 2 / trials;
  const centre = (rate + share / 2) / (1 + share);
  const reach = (z / (1 + share)) * Math.sqrt((rate * (1 - rate)) / trials + share / (4 * trials));
  return {
    successes,
    trials,
    rate,
    low: Math.max(0, centre - reach),
    high: Math.min(1, centre + reach),
  };
}
