/** @file Sigma spacings: ends, order, and quantiles computed with scipy 1.17 (scipy.stats.beta.ppf). */
import { describe, expect, it } from 'vitest';
import { betaQuantile, betaSigmas, exponentialSigmas, karrasSigmas } from './sigmas.js';

const range = { largest: 14.6, least: 0.03, count: 9 };

describe.each([
  ['karras', karrasSigmas],
  ['exponential', exponentialSigmas],
  ['beta', betaSigmas],
] as const)('%s', (_, rule) => {
  it('falls from the largest to the least', () => {
    const sigmas = rule(range);
    expect(sigmas).toHaveLength(9);
    expect(sigmas[0]).toBeCloseTo(14.6, 10);
    expect(sigmas[8]).toBeCloseTo(0.03, 10);
    for (let i = 1; i < 9; i++) expect(sigmas[i]!).toBeLessThan(sigmas[i - 1]!);
  });
});

it('has constant ratios in the exponential rule', () => {
  const sigmas = exponentialSigmas(range);
  expect(sigmas[3]! / sigmas[4]!).toBeCloseTo(sigmas[6]! / sigmas[7]!, 10);
});

it.each([
  [0, 0.6, 0.0],
  [0.0001, 0.6, 3.998377158137721e-7],
  [0.1, 0.6, 0.03958440558878085],
  [0.25, 0.6, 0.17568037865269498],
  [0.5, 0.6, 0.5000000000000001],
  [0.7, 0.6, 0.7659829961247643],
  [0.999, 0.6, 0.9999814412614826],
  [1, 0.6, 1.0],
  [0.2, 1.0, 0.2],
  [0.3, 2.5, 0.3786479422654176],
])('beta quantile of %f with a = %f is %f', (p, a, expected) => {
  expect(betaQuantile(p, a)).toBeCloseTo(expected, 12);
});
