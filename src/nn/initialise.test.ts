/** @file Starting values: independence of order, spread, and the rules of the architectures. */
import { describe, expect, it } from 'vitest';
import { type InitialRule, initialise, ones, zeros } from './initialise.js';

const shapes = new Map([
  ['fc.weight', { shape: [300, 100] }],
  ['fc.bias', { shape: [300] }],
  ['conv.weight', { shape: [64, 8, 3, 3] }],
  ['norm.weight', { shape: [32] }],
  ['norm.bias', { shape: [32] }],
  ['norm.running_mean', { shape: [32] }],
  ['norm.running_var', { shape: [32] }],
  ['token_embedding.weight', { shape: [500, 40] }],
  ['class_embedding', { shape: [2000] }],
]);

function spread(values: Float32Array): { most: number; std: number } {
  const most = values.reduce((top, value) => Math.max(top, Math.abs(value)), 0);
  return { most, std: Math.sqrt(values.reduce((sum, v) => sum + v * v, 0) / values.length) };
}

describe('defaults', () => {
  const values = initialise(shapes, { seed: 1 });

  it.each([
    ['fc.weight', 1 / Math.sqrt(100)],
    ['fc.bias', 1 / Math.sqrt(100)],
    ['conv.weight', 1 / Math.sqrt(72)],
  ])('%s is uniform in ± 1/√fanIn', (name, bound) => {
    const { most, std } = spread(values.get(name)!);
    expect(most).toBeLessThanOrEqual(bound);
    expect(most).toBeGreaterThan(0.95 * bound);
    expect(Math.abs(std * Math.sqrt(3) - bound)).toBeLessThan(0.1 * bound);
  });

  it.each(['token_embedding.weight', 'class_embedding'])('%s is normal', (name) => {
    const { std } = spread(values.get(name)!);
    expect(Math.abs(std - 0.02)).toBeLessThan(0.001);
  });

  it.each([
    ['norm.weight', 1],
    ['norm.bias', 0],
    ['norm.running_mean', 0],
    ['norm.running_var', 1],
  ])('%s is %d', (name, value) => {
    expect(new Set(values.get(name))).toEqual(new Set([value]));
  });
});

it('depends on seed and name alone', () => {
  const all = initialise(shapes, { seed: 7 });
  const reversed = initialise(new Map([...shapes].reverse()), { seed: 7 });
  const alone = initialise(new Map([['conv.weight', { shape: [64, 8, 3, 3] }]]), { seed: 7 });
  for (const name of shapes.keys()) expect(reversed.get(name)).toEqual(all.get(name));
  expect(alone.get('conv.weight')).toEqual(all.get('conv.weight'));
  expect(initialise(shapes, { seed: 8 }).get('conv.weight')).not.toEqual(all.get('conv.weight'));
});

it('takes the first rule that matches', () => {
  const rules: InitialRule[] = [
    { pattern: /^fc\./, fill: zeros },
    { pattern: /weight$/, fill: ones },
    {
      pattern: /^class/,
      fill: { kind: 'values', values: (shape) => new Float32Array(shape[0]!).fill(3) },
    },
  ];
  const values = initialise(shapes, { seed: 1, rules });
  expect(values.get('fc.weight')![0]).toBe(0);
  expect(values.get('conv.weight')![0]).toBe(1);
  expect(values.get('class_embedding')![1999]).toBe(3);
});

it('refuses given values of the wrong count', () => {
  const rules: InitialRule[] = [
    { pattern: /^class/, fill: { kind: 'values', values: () => new Float32Array(1) } },
  ];
  expect(() => initialise(shapes, { seed: 1, rules })).toThrowErrorMatchingInlineSnapshot(
    `[MaliangError: initialise "class_embedding": expected 2000 values, got 1. Compare the shapes in the message with the operation’s contract.]`,
  );
});
