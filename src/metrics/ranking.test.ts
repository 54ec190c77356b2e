/** @file z-scores and combined ranks, against values worked out by hand. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { rankCandidates, zScores } from './ranking.js';

describe('zScores', () => {
  it('are (x − mean) / σ', () => {
    // mean 5, variance (9+1+1+1+0+0+4+16)/8 = 4
    expect(zScores([2, 4, 4, 4, 5, 5, 7, 9])).toEqual([-1.5, -0.5, -0.5, -0.5, 0, 0, 1, 2]);
  });

  it('are 0 for values all alike, rounding included', () => {
    expect(zScores([0.1 + 0.2, 0.3, 0.3])).toEqual([0, 0, 0]);
    expect(zScores([7])).toEqual([0]);
    expect(zScores([])).toEqual([]);
  });

  it('have mean 0 and variance 1', () => {
    const values = fc.array(fc.double({ min: -100, max: 100, noNaN: true }), { minLength: 2 });
    fc.assert(
      fc.property(values, (list) => {
        const z = zScores(list);
        const mean = z.reduce((sum, value) => sum + value, 0) / z.length;
        const square = z.reduce((sum, value) => sum + value * value, 0) / z.length;
        expect(Math.abs(mean)).toBeLessThan(1e-3);
        if (z.some((value) => value !== 0)) expect(square).toBeCloseTo(1, 3);
      }),
    );
  });
});

describe('rankCandidates', () => {
  const clip = [[0.21], [0.31], [0.26]];
  const aesthetic = [[6], [5], [5.8]];

  it('keeps raw values beside z-scores and ranks by their mean', () => {
    const ranked = rankCandidates(
      new Map([
        ['clip', clip],
        ['aesthetic', aesthetic],
      ]),
    );
    expect(ranked.map(({ index, rank }) => [index, rank])).toEqual([
      [2, 1],
      [1, 2], // (1.225 − 1.389) / 2 = −0.082
      [0, 3], // (0.926 − 1.225) / 2 = −0.149
    ]);
    const best = ranked[0]!;
    expect(best.scores.clip!.value).toBe(0.26);
    expect(best.scores.clip!.z).toBeCloseTo(0, 10);
    // mean 5.6, deviations 0.4, −0.6, 0.2: σ = √(0.56/3)
    expect(best.scores.aesthetic!.z).toBeCloseTo(0.2 / Math.sqrt(0.56 / 3), 10);
    expect(best.combined).toBeCloseTo(0.2 / Math.sqrt(0.56 / 3) / 2, 10);
  });

  it('ranks by the margin over the best near miss, and keeps the value', () => {
    const rows = [
      [0.3, 0.1, 0.29],
      [0.2, 0.05, 0.1],
    ];
    const ranked = rankCandidates(new Map([['clip', rows]]));
    expect(ranked.map(({ index }) => index)).toEqual([1, 0]);
    expect(ranked[0]!.scores.clip).toEqual({ value: 0.2, margin: 0.1, z: 1 });
    expect(ranked[1]!.scores.clip!.value).toBe(0.3);
    expect(ranked[1]!.scores.clip!.margin).toBeCloseTo(0.01, 12);
  });

  it('counts judges by their weights', () => {
    const values = new Map([
      ['clip', clip],
      ['aesthetic', aesthetic],
    ]);
    const byClip = rankCandidates(values, new Map([['aesthetic', 0]]));
    expect(byClip.map(({ index }) => index)).toEqual([1, 2, 0]);
  });

  it('keeps the order of candidates that are alike', () => {
    const ranked = rankCandidates(new Map([['clip', [[0.3], [0.3], [0.3]]]]));
    expect(ranked.map(({ index, rank, combined }) => [index, rank, combined])).toEqual([
      [0, 1, 0],
      [1, 2, 0],
      [2, 3, 0],
    ]);
  });

  it('refuses what cannot be ranked', () => {
    const uneven = new Map([
      ['clip', [[1], [2]]],
      ['blip', [[1]]],
    ]);
    expect(() => rankCandidates(uneven)).toThrow(
      'ranking: expected 2 values of each judge, got 1 of blip. Judge every candidate.',
    );
    expect(() => rankCandidates(new Map([['clip', [[1], [Number.NaN]]]]))).toThrow(
      'ranking: clip: expected a number for every candidate, got NaN for candidate 2. Leave the candidate or the judge out.',
    );
    expect(() =>
      rankCandidates(new Map([['clip', [[1]]]]), new Map([['clop', 1]] as never)),
    ).toThrow('ranking: expected weights of clip, got one of clop. Check the spelling.');
    expect(() => rankCandidates(new Map([['clip', [[1]]]]), new Map([['clip', -1]]))).toThrow(
      'ranking: clip: expected a weight of 0 or more, got -1. Leave it out for 1.',
    );
  });
});
