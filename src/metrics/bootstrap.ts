/** @file How far a figure moves when the pictures are drawn again from themselves: the bootstrap (Efron 1979). */
import { TorchGenerator } from '../core/random.js';

/**
 * value ± 1.96 standard deviations over the resamples. Percentiles would not do: resamples hold
 * pictures twice, which pulls FID and MMD upwards, so their middle is not the value.
 */
export interface Interval {
  readonly low: number;
  readonly high: number;
  /** Always 0.95. */
  readonly level: number;
  readonly resamples: number;
}

/** A figure of a set of pictures. */
export interface MeasuredValue {
  readonly value: number;
  /** Undefined when no resamples were asked for. */
  readonly interval: Interval | undefined;
}

export interface ResampleOptions {
  /** Resamples; 0 gives no interval. Default 100. */
  readonly bootstrap?: number | undefined;
  /** Default 0. */
  readonly seed?: number | undefined;
}

/** Standard deviations that hold 95 % of a normal distribution. */
const z = 1.959963984540054;

/** Undefined for fewer than two resamples. `low` and `high` are kept within `range`. */
export function intervalAround(
  value: number,
  resampled: readonly number[],
  [least, most]: readonly [number, number] = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY],
): Interval | undefined {
  const resamples = resampled.length;
  if (resamples < 2) return undefined;
  const deviation = Math.sqrt(variance(resampled) * (resamples / (resamples - 1)));
  const low = Math.max(least, value - z * deviation);
  const high = Math.min(most, value + z * deviation);
  return { low, high, level: 0.95, resamples };
}

/** Mean square distance from the mean. */
export function variance(values: readonly number[]): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
}

/** A seed for draws that must not follow those of `seed`; torch's generator takes 32 bits. */
export function otherSeed(seed: number): number {
  return (seed + 1) % 2 ** 32;
}

/** How often each of `count` items is in each of the resamples: a list of [count]. */
export function resampleCounts(count: number, resamples: number, seed: number): Float64Array[] {
  const random = new TorchGenerator(seed);
  return Array.from({ length: resamples }, () => {
    const counts = new Float64Array(count);
    for (let draw = 0; draw < count; draw++) counts[random.random32() % count]! += 1;
    return counts;
  });
}

/** The mean of `values` with its interval. */
export function meanWithInterval(
  values: Float64Array,
  { bootstrap = 100, seed = 0 }: ResampleOptions,
  range?: readonly [number, number],
): MeasuredValue {
  const meanOf = (weights?: Float64Array): number =>
    values.reduce((sum, value, i) => sum + value * (weights?.[i] ?? 1), 0) / values.length;
  const value = meanOf();
  const means = resampleCounts(values.length, bootstrap, seed).map(meanOf);
  return { value, interval: intervalAround(value, means, range) };
}
