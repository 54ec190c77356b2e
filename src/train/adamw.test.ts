/** @file The optimiser against torch.optim.AdamW, clip_grad_norm_ and an average with warm-up. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  adamWStep,
  addAndSquare,
  addInto,
  averageDecayAt,
  createOptimizerState,
  squaresOf,
} from './adamw.js';

interface Case {
  readonly betas: [number, number];
  readonly eps: number;
  readonly weightDecay: number;
  readonly clipNorm: number;
  readonly averageDecay: number;
  readonly decayedLength: number;
  readonly start: string;
  readonly gradients: string[];
  readonly rates: number[];
  readonly steps: { norm: number; parameters: string; average: string }[];
  readonly firstMoment: string;
  readonly secondMoment: string;
}

const file = new URL('../../test/fixtures/train/adamw.json', import.meta.url);
const { cases } = JSON.parse(readFileSync(file, 'utf8')) as { cases: Case[] };
const floats = (text: string): Float32Array =>
  new Float32Array(Uint8Array.from(Buffer.from(text, 'base64')).buffer);

/** Largest difference relative to max(1, |reference|). */
function gap(actual: Float32Array, reference: string): number {
  const expected = floats(reference);
  expect(actual).toHaveLength(expected.length);
  return Math.max(...expected.map((v, i) => Math.abs(actual[i]! - v) / Math.max(1, Math.abs(v))));
}

describe.each(cases)('betas $betas, decay $weightDecay, clipped at $clipNorm', (row) => {
  it('gives the numbers of torch at every step', () => {
    const state = createOptimizerState(floats(row.start));
    row.steps.forEach((expected, i) => {
      const gradient = floats(row.gradients[i]!);
      const norm = Math.sqrt(squaresOf(gradient, { from: 0, to: gradient.length }));
      expect(norm / expected.norm).toBeCloseTo(1, 6);
      adamWStep(state, gradient, {
        ...row,
        learningRate: row.rates[i]!,
        step: i + 1,
        gradientScale: Math.min(1, row.clipNorm / norm),
        averageDecay: averageDecayAt(i + 1, row.averageDecay),
      });
      expect(gap(state.parameters, expected.parameters)).toBeLessThan(2e-6);
      expect(gap(state.average, expected.average)).toBeLessThan(2e-6);
    });
    expect(gap(state.firstMoment, row.firstMoment)).toBeLessThan(2e-6);
    expect(gap(state.secondMoment, row.secondMoment)).toBeLessThan(2e-6);
  });
});

it('takes a gradient summed over micro-batches by its share', () => {
  const [whole, summed] = [1, 4].map((parts) => {
    const state = createOptimizerState(Float32Array.of(1, -2, 3));
    adamWStep(state, Float32Array.of(0.5 * parts, -parts, 2 * parts), {
      betas: [0.9, 0.99],
      eps: 1e-8,
      weightDecay: 0.1,
      learningRate: 0.1,
      step: 1,
      gradientScale: 1 / parts,
      decayedLength: 1,
      averageDecay: 0.5,
    });
    return state;
  });
  expect(summed).toEqual(whole);
});

it('adds a range and squares it in one pass as in two', () => {
  const vectors = (): Float32Array[] =>
    [1, 2].map((seed) => Float32Array.from({ length: 23 }, (_, i) => Math.sin(seed * (i + 1))));
  for (const range of [
    { from: 0, to: 23 },
    { from: 3, to: 10 },
    { from: 5, to: 5 },
  ]) {
    const [once, part] = vectors() as [Float32Array, Float32Array];
    const [twice] = vectors() as [Float32Array];
    addInto(twice, part, range);
    expect(addAndSquare(once, part, range)).toBeCloseTo(squaresOf(twice, range), 6);
    expect(once).toEqual(twice);
  }
});
