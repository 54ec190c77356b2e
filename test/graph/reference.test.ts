/** @file The interpreter and the gradient rules against torch: values from tools/reference/op_fixtures.py. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { elementCount } from '../../src/core/tensor-data.js';
import {
  abs,
  add,
  attention,
  averagePool,
  batchNorm,
  clip,
  constant,
  conv2d,
  convTranspose2d,
  cumSum,
  elu,
  erf,
  gather,
  gatherElements,
  gelu,
  groupNorm,
  indices,
  layerNorm,
  leakyRelu,
  logSoftmax,
  matmul,
  max,
  maximum,
  maxPool,
  min,
  minimum,
  mod,
  mul,
  pad,
  pow,
  relu,
  resize,
  rmsNorm,
  round,
  scatterAdd,
  scatterElementsAdd,
  silu,
  softmax,
  softplus,
  stopGradient,
  sum,
} from '../../src/graph/build.js';
import { grad } from '../../src/graph/grad.js';
import { interpret } from '../../src/graph/interpret.js';
import { input, type Tensor } from '../../src/graph/tensor.js';
import { relativeError } from './losses.js';

interface ReferenceCase {
  readonly name: string;
  readonly formula: 'plain' | 'ties';
  readonly shapes: readonly (readonly number[])[];
  readonly shape: readonly number[];
  readonly output: string;
  readonly gradients: readonly string[];
}

const fixture = new URL('../fixtures/graph/operations.json', import.meta.url);
const { cases } = JSON.parse(readFileSync(fixture, 'utf8')) as { cases: ReferenceCase[] };

const rows = [2, 0, 2, 1, 3];
const places = indices([2, 0, 2, 1, 1, 3], [2, 3]);
const at = (mode: 'nearest' | 'bilinear' | 'bicubic', height: number, width: number) => ({
  mode,
  size: [height, width] as const,
});
const corners = { alignCorners: true };
const antialias = { antialias: true };

type Build = (...inputs: readonly Tensor[]) => Tensor;

/** The graph of every row, under the name the fixture gives it. */
const builders: Readonly<Record<string, Build>> = {
  abs: (x) => abs(x!),
  relu: (x) => relu(x!),
  'leaky relu': (x) => leakyRelu(x!, 0.2),
  elu: (x) => elu(x!, 0.5),
  gelu: (x) => gelu(x!),
  'gelu tanh': (x) => gelu(x!, 'tanh'),
  silu: (x) => silu(x!),
  softplus: (x) => softplus(x!),
  erf: (x) => erf(x!),
  'erf of large values': (x) => erf(mul(x!, 3)),
  round: (x) => round(mul(x!, 12.5)),
  clamp: (x) => clip(x!, -1, 1),
  remainder: (a, b) => mod(mul(a!, 3), add(b!, 2.5)),
  power: (a, b) => pow(add(a!, 3), b!),
  maximum: (a, b) => maximum(a!, b!),
  minimum: (a, b) => minimum(a!, b!),
  amax: (x) => max(x!, [1]),
  'amin of all': (x) => min(x!),
  cumsum: (x) => cumSum(x!, 1),
  softmax: (x) => softmax(x!, 1),
  'log softmax': (x) => logSoftmax(x!, -1),
  matmul: (a, b) => matmul(a!, b!),
  conv: (x, w, b) => conv2d(x!, w!, b, { padding: 1 }),
  'conv stride 2': (x, w) => conv2d(x!, w!, undefined, { stride: 2 }),
  'conv dilation': (x, w) => conv2d(x!, w!, undefined, { dilation: 2, padding: [2, 1, 2, 1] }),
  'conv groups': (x, w) => conv2d(x!, w!, undefined, { groups: 2 }),
  'conv transpose': (x, w, b) => convTranspose2d(x!, w!, b, { padding: 1 }),
  'conv transpose stride 2': (x, w) =>
    convTranspose2d(x!, w!, undefined, { stride: 2, padding: 1, outputPadding: 1 }),
  'conv transpose groups': (x, w) => convTranspose2d(x!, w!, undefined, { groups: 2, dilation: 2 }),
  attention: (q, k, v) => attention(q!, k!, v!, { heads: 2 }),
  'attention causal': (q, k, v) => attention(q!, k!, v!, { heads: 2, causal: true }),
  'attention causal, more keys': (q, k, v) => attention(q!, k!, v!, { heads: 2, causal: true }),
  'attention bias': (q, k, v, bias) => attention(q!, k!, v!, { heads: 2, bias }),
  'layer norm': (x, w, b) => layerNorm(x!, 1e-5, w, b),
  'rms norm': (x, w) => rmsNorm(x!, 1e-6, w),
  'group norm': (x, w, b) => groupNorm(x!, w!, b!, 2),
  'batch norm': (x, w, b, mean, variance) =>
    batchNorm(x!, {
      scale: w!,
      bias: b!,
      mean: stopGradient(mean!),
      variance: stopGradient(add(variance!, 3)),
    }),
  'reflect pad': (x) => pad(x!, [0, 0, 1, 2], [0, 0, 2, 1], 'reflect'),
  'edge pad': (x) => pad(x!, [0, 0, 1, 2], [0, 0, 2, 1], 'edge'),
  'constant pad': (x) => pad(x!, [0, 1], [2, 0], 'constant', 0.5),
  'gather rows': (x) => gather(x!, indices(rows)),
  'scatter rows': (x) => scatterAdd(x!, indices(rows), 0, 4),
  'gather elements': (x) => gatherElements(x!, places, 1),
  'scatter elements': (x) => scatterElementsAdd(x!, places, 1, 4),
  'nearest up': (x) => resize(x!, at('nearest', 5, 7)),
  'nearest down': (x) => resize(x!, at('nearest', 3, 2)),
  'nearest 3 to 41': (x) => resize(x!, at('nearest', 1, 41)),
  'nearest 13 to 47': (x) => resize(x!, at('nearest', 1, 47)),
  'bilinear up': (x) => resize(x!, at('bilinear', 5, 4)),
  'bilinear down': (x) => resize(x!, at('bilinear', 3, 2)),
  'bilinear corners': (x) => resize(x!, { ...at('bilinear', 5, 3), ...corners }),
  'bilinear corners to one pixel': (x) => resize(x!, { ...at('bilinear', 1, 1), ...corners }),
  'bilinear antialias': (x) => resize(x!, { ...at('bilinear', 3, 2), ...antialias }),
  'bilinear antialias up': (x) => resize(x!, { ...at('bilinear', 5, 4), ...antialias }),
  'bicubic up': (x) => resize(x!, at('bicubic', 5, 4)),
  'bicubic down': (x) => resize(x!, at('bicubic', 3, 2)),
  'bicubic corners': (x) => resize(x!, { ...at('bicubic', 5, 3), ...corners }),
  'bicubic antialias': (x) => resize(x!, { ...at('bicubic', 3, 2), ...antialias }),
  'bicubic antialias up': (x) => resize(x!, { ...at('bicubic', 5, 6), ...antialias }),
  'average pool': (x) => averagePool(x!, { kernel: 3, stride: 2, padding: 1 }),
  'average pool, padding not counted': (x) =>
    averagePool(x!, { kernel: 3, stride: 2, padding: 1, countIncludePad: false }),
  'max pool': (x) => maxPool(x!, { kernel: 3, stride: 2, padding: 1 }),
  'max pool of equals': (x) => maxPool(x!, { kernel: 3, stride: 1 }),
};

const formulas = {
  plain: (i: number, k: number): number => ((37 * i + 11 * k) % 101) / 25 - 2,
  ties: (i: number, k: number): number => ((37 * i + 11 * k) % 5) - 2,
};

function filledBy(name: 'plain' | 'ties', shape: readonly number[], k: number): Float64Array {
  return Float64Array.from({ length: elementCount(shape) }, (_, i) => formulas[name](i, k));
}

function decode(base64: string): Float64Array {
  return new Float64Array(new Uint8Array(Buffer.from(base64, 'base64')).buffer);
}

test('every row of the fixture has a graph', () => {
  expect(Object.keys(builders).sort()).toEqual(cases.map(({ name }) => name).sort());
});

for (const { name, formula, shapes, shape, output, gradients } of cases) {
  test(name, () => {
    const leaves = shapes.map((size, k) => input(`x${k}`, size, 'f64'));
    const feeds = new Map(shapes.map((size, k) => [`x${k}`, filledBy(formula, size, k)]));
    const y = builders[name]!(...leaves);
    expect(y.shape).toEqual(shape);
    const weights = constant({ dtype: 'f64', shape, data: filledBy('plain', shape, 9) });
    const [value, ...slopes] = interpret([y, ...grad(sum(mul(y, weights)), leaves)], feeds);
    expect(relativeError(value!, decode(output))).toBeLessThanOrEqual(1e-12);
    for (const [k, gradient] of gradients.entries()) {
      const error = relativeError(slopes[k]!, decode(gradient));
      expect(error, `gradient ${k}`).toBeLessThanOrEqual(1e-12);
    }
  });
}
