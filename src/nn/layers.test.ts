/** @file Layers that no model case covers, against torch and diffusers (tools/reference/make_layers.py). */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { interpret } from '../graph/interpret.js';
import { input } from '../graph/tensor.js';
import { mish } from './activation.js';
import { batchNorm, batchNormTraining } from './batch-norm.js';
import { dropout } from './layers.js';
import { declareOnce, Scope } from './scope.js';
import { sinusoidalEmbedding } from './timestep.js';

interface BatchNormCase {
  shape: number[];
  momentum: number;
  eps: number;
  before: Record<string, string>;
  x: string;
  inference: string;
  training: string;
  running_mean: string;
  running_var: string;
}
interface SinusoidCase {
  size: number;
  flip: boolean;
  shift: number;
  max_period: number;
  timesteps: string;
  values: string;
}
const file = new URL('../../test/fixtures/nn/layers.json', import.meta.url);
const cases = JSON.parse(readFileSync(file, 'utf8')) as {
  batch_norm: BatchNormCase[];
  sinusoids: SinusoidCase[];
  mish: { x: string; y: string };
};

function decode(base64: string): Float32Array {
  return new Float32Array(new Uint8Array(Buffer.from(base64, 'base64')).buffer);
}

function expectClose(actual: ArrayLike<number>, base64: string, tolerance: number): void {
  const expected = decode(base64);
  expect(actual).toHaveLength(expected.length);
  expected.forEach((value, i) => {
    expect(Math.abs(actual[i]! - value)).toBeLessThanOrEqual(
      tolerance * Math.max(1, Math.abs(value)),
    );
  });
}

describe.each(cases.batch_norm)('batch norm over $shape', (row) => {
  const { shape, momentum, eps } = row;
  const feeds = new Map<string, Float32Array>([['x', decode(row.x)]]);
  for (const [name, value] of Object.entries(row.before)) feeds.set(`bn.${name}`, decode(value));
  const x = input('x', shape);

  it('uses the running statistics at inference', () => {
    const y = batchNorm(new Scope('bn'), x, { eps });
    expectClose(interpret([y], feeds)[0]!, row.inference, 1e-5);
  });

  it('uses and moves towards the statistics of the batch in training', () => {
    const out = batchNormTraining(new Scope('bn'), x, { eps, momentum });
    const [y, average, variance] = interpret([out.output, out.runningMean, out.runningVar], feeds);
    expectClose(y!, row.training, 1e-5);
    expectClose(average!, row.running_mean, 1e-6);
    expectClose(variance!, row.running_var, 1e-6);
  });
});

it('keeps running statistics apart from weights', () => {
  const weights = new Map();
  const buffers = new Map();
  batchNorm(new Scope('bn', declareOnce(weights, buffers)), input('x', [1, 2, 3, 3]));
  expect([...weights.keys()]).toEqual(['bn.weight', 'bn.bias']);
  expect([...buffers.keys()]).toEqual(['bn.running_mean', 'bn.running_var']);
});

it.each(cases.sinusoids)('embeds timesteps in $size values', (row) => {
  const t = input('t', [4]);
  const y = sinusoidalEmbedding(t, {
    size: row.size,
    flipSinToCos: row.flip,
    downscaleFreqShift: row.shift,
    maxPeriod: row.max_period,
  });
  expect(y.shape).toEqual([4, row.size]);
  expectClose(interpret([y], new Map([['t', decode(row.timesteps)]]))[0]!, row.values, 1e-4);
});

it('refuses timesteps that are no vector', () => {
  expect(() =>
    sinusoidalEmbedding(input('t', [4, 1]), { size: 8 }),
  ).toThrowErrorMatchingInlineSnapshot(
    `[MaliangError: sinusoidalEmbedding: expected timesteps f32[n], got f32[4,1]. Compare the shapes in the message with the operation’s contract.]`,
  );
});

it('computes mish', () => {
  const x = decode(cases.mish.x);
  const y = mish(input('x', [x.length]));
  expectClose(interpret([y], new Map([['x', x]]))[0]!, cases.mish.y, 1e-6);
});

it('drops nothing without a mask and multiplies by one', () => {
  const x = input('x', [2]);
  expect(dropout(x, undefined)).toBe(x);
  const dropped = dropout(x, input('mask', [2]));
  const feeds = new Map([
    ['x', [3, 5]],
    ['mask', [0, 2]],
  ]);
  expect([...interpret([dropped], feeds)[0]!]).toEqual([0, 10]);
});
