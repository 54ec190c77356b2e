/** @file The seed of every picture of a batch: S + k, or with variations one seed and V + k. */
import { randomInt } from 'node:crypto';
import { complain } from '../core/errors.js';
import type { Variation } from './noise.js';

export interface SeedOptions {
  /** 0 to 2⁶⁴ − 1, bigint above 2⁵³ − 1; picture k has seed + k. Default: random below 2³². */
  readonly seed?: number | bigint | undefined;
  /** The noise that pictures are turned towards; picture k has variationSeed + k. Default: random. */
  readonly variationSeed?: number | bigint | undefined;
  /** 0 to 1. Above 0 all pictures share `seed` and differ by their variation. Default 0. */
  readonly variationStrength?: number | undefined;
}

export interface PictureSeed {
  readonly seed: bigint;
  readonly variation: Variation | undefined;
}

const largestSeed = 2n ** 64n - 1n;

/** Throws USAGE, naming the option. */
export function pictureSeeds(options: SeedOptions, num: number): PictureSeed[] {
  const { seed = randomInt(2 ** 32 - num), variationSeed, variationStrength = 0 } = options;
  if (!(variationStrength >= 0 && variationStrength <= 1)) {
    const [where, expected] = ['variationStrength', 'a number from 0 to 1'];
    throw complain('USAGE', { where, expected, got: `${variationStrength}` });
  }
  if (variationStrength === 0) {
    if (variationSeed !== undefined) {
      const expected = 'variationStrength above 0 beside it';
      throw complain('USAGE', { where: 'variationSeed', expected, got: 'none' });
    }
    return seedsFrom('seed', seed, num).map((one) => ({ seed: one, variation: undefined }));
  }
  const [own] = seedsFrom('seed', seed, 1);
  const from = variationSeed ?? randomInt(2 ** 32 - num);
  return seedsFrom('variationSeed', from, num).map((one) => ({
    seed: own!,
    variation: { seed: one, strength: variationStrength },
  }));
}

/** A seed as a number where numbers are exact. */
export function plainSeed(seed: bigint): number | bigint {
  return seed <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(seed) : seed;
}

function seedsFrom(where: string, seed: number | bigint, num: number): bigint[] {
  const isInteger = typeof seed === 'bigint' || Number.isSafeInteger(seed);
  const first = isInteger ? BigInt(seed) : -1n;
  if (first >= 0n && first + BigInt(num - 1) <= largestSeed) {
    return Array.from({ length: num }, (_, k) => first + BigInt(k));
  }
  const expected = `a whole number from 0 to ${largestSeed - BigInt(num - 1)}`;
  const next = 'Give seeds above 9007199254740991 as bigint.';
  throw complain('USAGE', { where, expected, got: `${seed}`, next });
}
