/** @file What no metric over features takes, and how it says so. */
import { describe, expect, it } from 'vitest';
import { clipScore } from '../../src/metrics/clip-score.js';
import { MomentCollector } from '../../src/metrics/feature-moments.js';
import type { FeatureRows } from '../../src/metrics/feature-rows.js';
import { fid } from '../../src/metrics/frechet-distance.js';
import { inceptionScore } from '../../src/metrics/inception-score.js';
import { cmmd, kid } from '../../src/metrics/maximum-mean-discrepancy.js';
import { precisionRecall } from '../../src/metrics/precision-recall.js';

const rows = (count: number, size: number): FeatureRows => ({
  count,
  size,
  data: Float32Array.from({ length: count * size }, (_, i) => Math.sin(i)),
});
const broken = { ...rows(6, 4), data: rows(6, 4).data.with(5, Number.NaN) };

const metrics = {
  fid: async (a: FeatureRows, b: FeatureRows) => fid(a, b),
  kid,
  cmmd,
  precisionRecall,
  clipScore: async (a: FeatureRows, b: FeatureRows) => clipScore(a, b),
};

describe.each(Object.entries(metrics))('%s', (_name, metric) => {
  it.each([
    ['sets of other sizes', rows(6, 4), rows(6, 5), '4 features a picture in every set, got 5'],
    ['values that are no numbers', rows(6, 4), broken, 'finite features, got NaN or infinity'],
    ['no pictures', rows(6, 4), rows(0, 4), /at least \d pictures in every set, got 0/],
    ['a count that does not fit', rows(6, 4), { ...rows(6, 4), count: 7 }, '7 rows of 4 values'],
  ])('refuses %s', async (_what, a, b, message) => {
    const part =
      typeof message === 'string'
        ? expect.stringContaining(message)
        : expect.stringMatching(message);
    await expect(metric(a, b)).rejects.toMatchObject({ code: 'DATA', message: part });
  });
});

it('counts that callers choose are checked', async () => {
  const set = rows(6, 4);
  const usage = { code: 'USAGE' };
  await expect(kid(set, set, { subsetSize: 7 })).rejects.toMatchObject(usage);
  await expect(kid(set, set, { degree: 0 })).rejects.toMatchObject(usage);
  await expect(precisionRecall(set, set, { neighbour: 0 })).rejects.toMatchObject(usage);
  expect(() => inceptionScore(set, { splits: 0 })).toThrow(expect.objectContaining(usage));
});

it('sums refuse what is not finite when it comes', () => {
  const collector = new MomentCollector(4);
  collector.add(rows(2, 4));
  expect(() => collector.add(broken)).toThrow(/finite features, got NaN or infinity/);
});
