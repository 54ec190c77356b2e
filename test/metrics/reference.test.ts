/** @file Every figure equals torchmetrics, clean-fid and prdc on the same features. */
import { describe, expect, it } from 'vitest';
import { TorchGenerator } from '../../src/core/random.js';
import { randomPermutation } from '../../src/core/random-permutation.js';
import { clipScore } from '../../src/metrics/clip-score.js';
import { MomentCollector, momentsOf } from '../../src/metrics/feature-moments.js';
import type { FeatureRows } from '../../src/metrics/feature-rows.js';
import { fid, frechetDistance } from '../../src/metrics/frechet-distance.js';
import { inceptionScore } from '../../src/metrics/inception-score.js';
import { cmmd, kid } from '../../src/metrics/maximum-mean-discrepancy.js';
import { precisionRecall } from '../../src/metrics/precision-recall.js';
import { figureCases, readFigureCase, readFixture } from './figures.js';

/** Largest relative error against any reference; the issue asks for 1e-3. */
const tolerance = 1e-6;
const none = { bootstrap: 0 };

function expectNear(actual: number, expected: number, what: string): void {
  const error = Math.abs(actual - expected) / Math.max(Math.abs(expected), 1e-9);
  expect(error, `${what}: ${actual} for ${expected}`).toBeLessThanOrEqual(tolerance);
}

const slice = ({ size, data }: FeatureRows, from: number, to: number): FeatureRows => ({
  count: to - from,
  size,
  data: data.subarray(from * size, to * size),
});

describe.each(figureCases)('%s', (name) => {
  const { real, fake, figures } = readFigureCase(name);

  it('FID, of all rows at once and in batches and groups', () => {
    expectNear(fid(real, fake), figures.fid, 'torchmetrics');
    expectNear(fid(real, fake), figures.fidByRoot, 'square root of a matrix');
    const inBatches = (rows: FeatureRows) => {
      const collector = new MomentCollector(rows.size, 3);
      for (let at = 0; at < rows.count; at += 7) {
        collector.add(slice(rows, at, Math.min(at + 7, rows.count)));
      }
      return momentsOf(collector.sums());
    };
    expectNear(frechetDistance(inBatches(real), inBatches(fake)), figures.fid, 'batches');
  });

  it('KID, of whole sets and of the same subsets', async () => {
    const { seed } = figures;
    for (const { value, deviation, ...options } of figures.kid) {
      const ours = await kid(real, fake, { ...options, ...none, seed });
      const scale = Math.max(Math.abs(value), deviation);
      expect(Math.abs(ours.value - value)).toBeLessThanOrEqual(tolerance * scale);
      // Subsets of all pictures only differ in the order of their sums.
      const isWhole = options.subsetSize === real.count && real.count === fake.count;
      const expected = isWhole ? 0 : deviation;
      expect(Math.abs(ours.deviation - expected)).toBeLessThanOrEqual(tolerance * scale);
    }
  });

  it('CMMD', async () => {
    expectNear((await cmmd(real, fake, none)).value, figures.cmmd, 'cmmd');
  });

  it('precision, recall, density and coverage', async () => {
    for (const { k, ...expected } of figures.prdc) {
      const ours = await precisionRecall(real, fake, { neighbour: k, ...none });
      for (const [key, value] of Object.entries(expected)) {
        expectNear(ours[key as keyof typeof ours].value, value, `${key}, k = ${k}`);
      }
    }
  });

  it('inception score', () => {
    for (const { splits, value, deviation } of figures.inceptionScore) {
      const ours = inceptionScore(real, { splits, seed: figures.seed, ...none });
      expectNear(ours.value, value, `${splits} splits`);
      expect(Math.abs(ours.deviation - deviation)).toBeLessThanOrEqual(tolerance * value);
    }
  });

  it('CLIP score, never below 0', () => {
    const count = Math.min(real.count, fake.count);
    const [a, b] = [slice(real, 0, count), slice(fake, 0, count)];
    const negated = { ...b, data: b.data.map((value) => -value) };
    expectNear(clipScore(a, b, none).value, figures.clipScore, 'clip score');
    expectNear(clipScore(a, negated, none).value, figures.clipScoreNegated, 'negated');
  });
});

it('permutations are those of torch', () => {
  const { rows } = readFixture<{
    rows: { seed: number; count: number; first: number[]; second: number[] }[];
  }>('permutation');
  for (const { seed, count, first, second } of rows) {
    const random = new TorchGenerator(seed);
    expect([...randomPermutation(random, count)]).toEqual(first);
    expect([...randomPermutation(random, count)].slice(0, 9)).toEqual(second);
  }
});
