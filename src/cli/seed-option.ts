/** @file `--seed` where it must be a number: only `again` shifts the seed of a file. */
import type { Say } from './messages.js';
import { type OptionValues, SeedShift } from './option-table.js';
import { usageError } from './usage.js';

/** The seed given, if any. Throws USAGE for a shift such as +1. */
export function absoluteSeed({ seed }: OptionValues, say: Say): number | undefined {
  if (!(seed instanceof SeedShift)) return seed;
  const expected = say('usage.wholeNumber', { min: 0, max: Number.MAX_SAFE_INTEGER });
  throw usageError(say, { where: '--seed', expected, got: signed(seed) });
}

/** As it was written. */
export function signed({ by }: SeedShift): string {
  return by < 0 ? `${by}` : `+${by}`;
}
