/** @file FID in its thread: the value of the sums, an interval, and an end when asked. */
import { expect, it } from 'vitest';
import { MomentCollector } from '../../src/metrics/feature-moments.js';
import type { FeatureRows } from '../../src/metrics/feature-rows.js';
import { fid } from '../../src/metrics/frechet-distance.js';
import { frechetWithInterval } from '../../src/metrics/frechet-thread.js';
import { requireFreshBuild } from '../package/fresh-build.js';
import { readFigureCase } from './figures.js';

requireFreshBuild();

const { real, fake } = readFigureCase('many-pictures');
const sumsOf = (rows: FeatureRows, groups: number) => {
  const collector = new MomentCollector(rows.size, groups);
  collector.add(rows);
  return collector.sums();
};

it('gives the same value as all rows at once, and the same interval for the same seed', async () => {
  const sets = [sumsOf(real, 16), sumsOf(fake, 16)] as const;
  const shares: number[] = [];
  const options = { bootstrap: 30, seed: 1 };
  const onProgress = (share: number): number => shares.push(share);
  const first = await frechetWithInterval(...sets, { ...options, onProgress });
  expect(first.value).toBeCloseTo(fid(real, fake), 8);
  const { low, high, resamples } = first.interval!;
  expect(resamples).toBe(30);
  expect(low).toBeLessThan(first.value);
  expect(high).toBeGreaterThan(first.value);
  expect(await frechetWithInterval(...sets, options)).toEqual(first);
  expect(shares).toHaveLength(31);
  expect(await frechetWithInterval(...sets, { ...options, threads: 4 })).toEqual(first);
});

it('gives no interval for no resamples', async () => {
  const found = await frechetWithInterval(sumsOf(real, 1), sumsOf(fake, 1), { bootstrap: 0 });
  expect(found.interval).toBeUndefined();
});

it('ends at once when asked', async () => {
  const controller = new AbortController();
  const long = { bootstrap: 5000, signal: controller.signal };
  const onProgress = (): void => controller.abort();
  const work = frechetWithInterval(sumsOf(real, 16), sumsOf(fake, 16), { ...long, onProgress });
  await expect(work).rejects.toMatchObject({ code: 'CANCELLED' });
});

it('needs two pictures of each set', async () => {
  const lone = { ...real, count: 1, data: real.data.subarray(0, real.size) };
  const work = frechetWithInterval(sumsOf(lone, 1), sumsOf(fake, 1));
  await expect(work).rejects.toMatchObject({ code: 'DATA' });
});
