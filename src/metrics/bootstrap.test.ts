/** @file Intervals: where they lie, how wide they are, and that the seed decides them. */
import { expect, it } from 'vitest';
import {
  intervalAround,
  meanWithInterval,
  otherSeed,
  resampleCounts,
  variance,
} from './bootstrap.js';

const values = Float64Array.from({ length: 400 }, (_, i) => i % 20);

it('the interval of a mean is that of its standard error', () => {
  const { value, interval } = meanWithInterval(values, { bootstrap: 2000 });
  const expected = 1.96 * Math.sqrt(variance([...values]) / values.length);
  expect(value).toBeCloseTo(9.5, 12);
  expect(interval).toMatchObject({ level: 0.95, resamples: 2000 });
  expect((interval!.high - interval!.low) / 2 / expected).toBeCloseTo(1, 1);
  expect((interval!.high + interval!.low) / 2).toBeCloseTo(value, 10);
});

it('is the same for the same seed and another for another', () => {
  const of = (seed: number) => meanWithInterval(values, { bootstrap: 20, seed }).interval;
  expect(of(3)).toEqual(of(3));
  expect(of(3)).not.toEqual(of(4));
});

it('stays in the range, and needs two resamples', () => {
  expect(intervalAround(0.9, [0.2, 1.6], [0, 1])).toMatchObject({ low: 0, high: 1 });
  expect(intervalAround(0.9, [0.9])).toBeUndefined();
  expect(meanWithInterval(values, { bootstrap: 0 }).interval).toBeUndefined();
});

it('resamples draw as many as there are', () => {
  for (const counts of resampleCounts(7, 5, 1)) {
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(7);
  }
  expect(otherSeed(Number.MAX_SAFE_INTEGER)).toBe(0);
});
