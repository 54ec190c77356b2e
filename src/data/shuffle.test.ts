/** @file Data order: the generator against its reference, saved state, fair draws, epochs. */
import { describe, expect, it } from 'vitest';
import { DataRandom, epochOrder, hashText } from './shuffle.js';

const take = (random: DataRandom, count: number): number[] =>
  Array.from({ length: count }, () => random.nextWord());

describe('DataRandom', () => {
  it('gives the words of the reference implementation', () => {
    // Blackman and Vigna, xoshiro128starstar.c 1.1 from state {1, 2, 3, 4}, as in rand_xoshiro's tests.
    expect(take(DataRandom.restore([1, 2, 3, 4]), 10)).toEqual([
      11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597,
      4258142804,
    ]);
  });

  it('continues exactly from a state that went through JSON', () => {
    const random = DataRandom.from(7, 3);
    take(random, 1000);
    const state = JSON.parse(JSON.stringify(random.state())) as [number, number, number, number];
    expect(take(DataRandom.restore(state), 50)).toEqual(take(random, 50));
  });

  it('depends on every seed, also beyond 32 bits and below zero', () => {
    const seeds = [[], [0], [1], [0, 0], [0, 1], [1, 0], [2 ** 32], [2 ** 32 + 1], [-1]];
    const firsts = seeds.map((seed) => DataRandom.from(...seed).nextWord());
    expect(new Set(firsts).size).toBe(seeds.length);
    expect(take(DataRandom.from(5, 6), 4)).toEqual(take(DataRandom.from(5, 6), 4));
  });

  it('draws evenly', () => {
    const random = DataRandom.from(11);
    const counts = new Array<number>(10).fill(0);
    for (let i = 0; i < 50_000; i++) counts[random.below(10)]!++;
    for (const count of counts) expect(Math.abs(count - 5000)).toBeLessThan(300);
    const mean = Array.from({ length: 20_000 }, () => random.between(-1, 3)).reduce(
      (a, b) => a + b,
    );
    expect(mean / 20_000).toBeCloseTo(1, 1);
    const hits = Array.from({ length: 20_000 }, () => random.chance(0.25)).filter(Boolean).length;
    expect(hits / 20_000).toBeCloseTo(0.25, 1);
  });

  it('shuffles without losing anything', () => {
    const list = Array.from({ length: 40 }, (_, i) => i);
    const shuffled = DataRandom.from(3).shuffled(list);
    expect(shuffled).not.toEqual(list);
    expect([...shuffled].sort((a, b) => a - b)).toEqual(list);
  });

  it('refuses states and seeds that are not whole numbers', () => {
    expect(() => DataRandom.restore([0, 0, 0, 0])).toThrow(
      'DataRandom.restore: expected four 32-bit words, not all zero, got [0,0,0,0]. Restore the state from a whole checkpoint.',
    );
    expect(() => DataRandom.restore([1, 2, 3, 2 ** 32])).toThrow('four 32-bit words');
    expect(() => DataRandom.from(0.5)).toThrow(
      'DataRandom.from: expected safe integers as seeds, got 0.5.',
    );
  });
});

describe('epochOrder', () => {
  it('is a permutation that changes with seed and epoch and nothing else', () => {
    const order = epochOrder(500, 1, 0);
    expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: 500 }, (_, i) => i));
    expect(epochOrder(500, 1, 0)).toEqual(order);
    expect(epochOrder(500, 1, 1)).not.toEqual(order);
    expect(epochOrder(500, 2, 0)).not.toEqual(order);
  });
});

describe('hashText', () => {
  it('spreads near names over 32 bits and never moves', () => {
    expect([hashText(''), hashText('apple'), hashText('苹果')]).toMatchInlineSnapshot(`
      [
        3770332432,
        1995623815,
        1121975591,
      ]
    `);
    const hashes = Array.from({ length: 4000 }, (_, i) => hashText(`name ${i}`));
    const low = hashes.filter((hash) => hash < 2 ** 32 * 0.03).length;
    expect(low).toBeGreaterThan(80);
    expect(low).toBeLessThan(165);
  });
});
