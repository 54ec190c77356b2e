/** @file Conversions between predictions, by the identity x = √ᾱ·denoised + √(1−ᾱ)·epsilon. */
import { describe, expect, it } from 'vitest';
import { TorchGenerator } from '../core/random.js';
import { estimateAt, keptInRange, noisedAt, velocityAt } from './denoisers.js';

const generator = new TorchGenerator(5);
const clean = generator.randn(64);
const noise = generator.randn(64);
const alpha = Math.fround(0.37);
const x = noisedAt(alpha, clean, noise);
const outputs = {
  epsilon: noise,
  sample: clean,
  v_prediction: velocityAt(alpha, clean, noise),
} as const;

function farthest(a: Float32Array, b: Float32Array): number {
  return Math.max(...a.map((value, i) => Math.abs(value - b[i]!)));
}

describe.each(['epsilon', 'sample', 'v_prediction'] as const)('%s', (type) => {
  it('gives back picture and noise', () => {
    const { denoised, epsilon } = estimateAt(type, alpha, x, outputs[type]);
    expect(farthest(denoised, clean)).toBeLessThan(2e-6);
    expect(farthest(epsilon, noise)).toBeLessThan(2e-6);
  });
});

it('refuses flow predictions, which have no ᾱ', () => {
  expect(() => estimateAt('flow_prediction', alpha, x, noise)).toThrow(/^internal:/);
});

it('thresholds each picture of a batch by its own quantile', () => {
  const rule = {
    clipSample: false,
    clipSampleRange: 1,
    thresholding: true,
    dynamicThresholdingRatio: 1,
    sampleMaxValue: 10,
  };
  const two = Float32Array.of(0.5, -0.25, 4, -2);
  expect(keptInRange(rule, two, 2)).toEqual(Float32Array.of(0.5, -0.25, 1, -0.5));
  expect(keptInRange(rule, two, 1)).toEqual(Float32Array.of(0.125, -0.0625, 1, -0.5));
});
