/** @file Sets above one tile, in this thread and in the engine, against sums over all pairs. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TorchGenerator } from '../../src/core/random.js';
import { EngineProducts } from '../../src/metrics/engine-products.js';
import { type FeatureRows, unitFeatures } from '../../src/metrics/feature-rows.js';
import { cmmd, kid } from '../../src/metrics/maximum-mean-discrepancy.js';
import { precisionRecall } from '../../src/metrics/precision-recall.js';
import { productsHere, type RowProducts, tileRows } from '../../src/metrics/row-products.js';
import { Engine } from '../../src/runtime/engine.js';

const size = 3;
const setOf = (count: number, seed: number, scale: number): FeatureRows => {
  const data = new TorchGenerator(seed).randn(count * size).map((value) => value * scale);
  return { count, size, data };
};
const real = setOf(tileRows + 20, 1, 1);
const fake = setOf(tileRows + 75, 2, 1.2);
const row = ({ data }: FeatureRows, i: number): number[] => [
  ...data.subarray(i * size, (i + 1) * size),
];
const dot = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((sum, value, i) => sum + value * b[i]!, 0);

/** Mean of k over the pairs, of different rows alone when `isApart`. */
function pairMean(a: FeatureRows, b: FeatureRows, k: (dot: number) => number, isApart: boolean) {
  const [left, right] = [a, b].map((set) =>
    Array.from({ length: set.count }, (_, i) => row(set, i)),
  );
  let sum = 0;
  left!.forEach((x, i) => {
    right!.forEach((y, j) => {
      if (!isApart || i !== j) sum += k(dot(x, y));
    });
  });
  return sum / (isApart ? a.count * (a.count - 1) : a.count * b.count);
}

let engine: Engine;
let multiplier: EngineProducts;
beforeAll(async () => {
  engine = Engine.start({ threads: 1 });
  multiplier = await EngineProducts.load(engine, { count: fake.count, size });
});
afterAll(() => engine.dispose());

describe.each(['this thread', 'the engine'])('in %s', (place) => {
  const products: RowProducts = (a, b) =>
    place === 'this thread' ? productsHere(a, b) : multiplier.products(a, b);
  const options = { products, bootstrap: 0 };

  it('KID of sets of one size is the unbiased estimate over all pairs', async () => {
    const part = { ...fake, count: real.count, data: fake.data.subarray(0, real.count * size) };
    const k = (value: number): number => (value / size + 1) ** 3;
    const apart = pairMean(real, real, k, true) + pairMean(part, part, k, true);
    const expected = apart - 2 * pairMean(real, part, k, false);
    const { value, subsets } = await kid(real, part, { ...options, subsetSize: real.count });
    expect(Math.abs(value / expected - 1)).toBeLessThan(1e-9);
    expect(subsets).toBe(1);
  });

  it('CMMD', async () => {
    const [x, y] = [unitFeatures(real), unitFeatures(fake)];
    const k = (value: number): number => Math.exp(-(2 - 2 * value) / 200);
    const same = pairMean(x, x, k, false) + pairMean(y, y, k, false);
    const expected = 1000 * (same - 2 * pairMean(x, y, k, false));
    const { value } = await cmmd(real, fake, options);
    // A difference of means near 1, times 1000.
    expect(Math.abs(value - expected)).toBeLessThan(1e-9);
  });

  it('precision, recall, density and coverage', async () => {
    const square = (a: readonly number[], b: readonly number[]): number =>
      a.reduce((sum, value, i) => sum + (value - b[i]!) ** 2, 0);
    const rows = [real, fake].map((set) =>
      Array.from({ length: set.count }, (_, i) => row(set, i)),
    );
    const [radiiReal, radiiFake] = rows.map((set) =>
      set.map((a) => set.map((b) => square(a, b)).sort((p, q) => p - q)[3]!),
    ) as [number[], number[]];
    const inReal = rows[1]!.map(
      (y) => rows[0]!.filter((x, i) => square(x, y) < radiiReal[i]!).length,
    );
    const inFake = rows[0]!.map((x) => rows[1]!.some((y, j) => square(x, y) < radiiFake[j]!));
    const covered = rows[0]!.map((x, i) => rows[1]!.some((y) => square(x, y) < radiiReal[i]!));
    const mean = (values: readonly number[]): number =>
      values.reduce((sum, value) => sum + value, 0) / values.length;
    const found = await precisionRecall(real, fake, options);
    expect(found.precision.value).toBeCloseTo(mean(inReal.map((n) => Math.min(n, 1))), 12);
    expect(found.density.value).toBeCloseTo(mean(inReal) / 3, 12);
    expect(found.recall.value).toBeCloseTo(mean(inFake.map(Number)), 12);
    expect(found.coverage.value).toBeCloseTo(mean(covered.map(Number)), 12);
  });
});

it('pictures that occur several times lie at no distance, as in prdc', async () => {
  const one = setOf(8, 3, 1);
  const twice = { count: 16, size, data: Float32Array.of(...one.data, ...one.data) };
  const { precision, coverage } = await precisionRecall(twice, one, { bootstrap: 0, neighbour: 1 });
  // Every radius is 0, and a ball does not hold its surface.
  expect([precision.value, coverage.value]).toEqual([0, 0]);
});

it('KID by small subsets is the same in one pass and subset by subset', async () => {
  const options = { subsets: 6, subsetSize: 20, seed: 5 };
  const apart = await kid(real, fake, { ...options, bootstrap: 0 });
  const { interval, ...together } = await kid(real, fake, { ...options, bootstrap: 2 });
  expect(interval).toMatchObject({ resamples: 2 });
  expect(together.value).toBeCloseTo(apart.value, 10);
  expect(together.deviation).toBeCloseTo(apart.deviation, 10);
  expect([apart.subsets, apart.subsetSize]).toEqual([6, 20]);
});

it('sets smaller than a tile multiply in the engine too', async () => {
  const part = { count: 7, size, data: real.data.subarray(0, 7 * size) };
  await using small = await EngineProducts.load(engine, { count: 7, size });
  const [a, b] = [await small.products(part, part), await productsHere(part, part)];
  expect(a).toHaveLength(49);
  a.forEach((value, i) => {
    expect(value).toBeCloseTo(b[i]!, 12);
  });
});

it('stops when asked to', async () => {
  const signal = AbortSignal.abort();
  for (const metric of [kid, cmmd, precisionRecall]) {
    await expect(metric(real, fake, { signal })).rejects.toMatchObject({ code: 'CANCELLED' });
  }
});

it('tells how far it is', async () => {
  const shares: number[] = [];
  await cmmd(real, fake, { bootstrap: 0, onProgress: (share) => shares.push(share) });
  expect(shares).toEqual([...shares].sort((a, b) => a - b));
  expect(shares.at(-1)).toBe(1);
});
