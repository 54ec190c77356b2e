/** @file Rows of the operation table: products, attention and normalisation. */
import {
  attention,
  batchNorm,
  groupNorm,
  int8Matmul,
  invStdDev,
  layerNorm,
  matmul,
  rmsNorm,
} from '../../../src/graph/build.js';
import { type CaseInput, float, type OpCase } from '../case.js';

const products: [string, number[], number[]][] = [
  ['matrices', [2, 3], [3, 4]],
  ['size 1', [1, 1], [1, 1]],
  ['one row', [1, 3], [3, 2]],
  ['same batch', [2, 2, 3], [2, 3, 2]],
  ['shared right matrix', [2, 2, 3], [3, 4]],
  ['shared left matrix', [2, 3], [3, 3, 2]],
  ['batches stretch', [2, 1, 2, 3], [3, 3, 2]],
  ['batch of size 1', [1, 2, 3], [2, 3, 2]],
];

const int8Shapes: [string, number[], number[], boolean][] = [
  ['matrices', [5, 6], [6, 4], false],
  ['size 1', [1, 1], [1, 1], false],
  ['batches and a bias', [2, 3, 8], [8, 5], true],
  ['many features', [3, 200], [200, 7], true],
];

const int8Cases = int8Shapes.map(([name, x, weight, hasBias]): OpCase => {
  const single = (shape: number[], domain?: CaseInput['domain']): CaseInput => ({
    ...float(shape, domain),
    dtype: 'f32',
  });
  const bias = hasBias ? [single([weight[1]!])] : [];
  return {
    op: 'Int8MatMul',
    name,
    inputs: [single(x), { ...single(weight, 'exact'), leaf: 'Parameter' }, ...bias],
    build: (a, b, c) => int8Matmul(a!, b!, c),
  };
});

interface AttentionShape {
  readonly n?: number;
  readonly s?: number;
  readonly t?: number;
  readonly width?: number;
  readonly valueWidth?: number;
}

function attentionCase(
  name: string,
  options: { heads: number; scale?: number; causal?: boolean },
  { n = 2, s = 3, t = 3, width = 4, valueWidth = width }: AttentionShape = {},
  bias?: number[],
): OpCase {
  const inputs = [float([n, s, width]), float([n, t, width]), float([n, t, valueWidth])];
  return {
    op: 'Attention',
    name,
    inputs: bias ? [...inputs, float(bias)] : inputs,
    build: (query, key, value, mask) => attention(query!, key!, value!, { ...options, bias: mask }),
  };
}

const attentions: OpCase[] = [
  attentionCase('one head', { heads: 1 }),
  attentionCase('two heads', { heads: 2 }),
  attentionCase('own scale', { heads: 2, scale: 1 }),
  attentionCase('more keys than queries', { heads: 2 }, { s: 2, t: 5 }),
  attentionCase('fewer keys than queries', { heads: 2 }, { s: 4, t: 2 }),
  attentionCase('wider values', { heads: 2 }, { valueWidth: 6 }),
  attentionCase('one token', { heads: 2 }, { s: 1, t: 1 }),
  attentionCase('head size 1', { heads: 4 }),
  attentionCase('causal', { heads: 2, causal: true }, { s: 4, t: 4 }),
  attentionCase('causal, more keys', { heads: 1, causal: true }, { s: 2, t: 4 }),
  attentionCase('causal, fewer keys', { heads: 1, causal: true }, { s: 4, t: 2 }),
  attentionCase('bias for all', { heads: 2 }, {}, [1, 1, 3, 3]),
  attentionCase('bias per head', { heads: 2 }, {}, [1, 2, 3, 3]),
  attentionCase('bias per sample', { heads: 2 }, {}, [2, 1, 3, 3]),
  attentionCase('full bias', { heads: 2 }, {}, [2, 2, 3, 3]),
  attentionCase('bias per key', { heads: 2 }, {}, [2, 1, 1, 3]),
  attentionCase('causal with bias', { heads: 2, causal: true }, {}, [1, 2, 3, 3]),
];

const rows: [string, number[]][] = [
  ['vector', [6]],
  ['rank 2', [3, 4]],
  ['rank 3', [2, 2, 5]],
  ['one value a row', [3, 1]],
];

const layerNorms: OpCase[] = rows.flatMap(([name, shape]): OpCase[] => {
  const vector = float([shape.at(-1)!]);
  return [
    { op: 'LayerNorm', name, inputs: [float(shape)], build: (x) => layerNorm(x!) },
    {
      op: 'LayerNorm',
      name: `${name}, scale`,
      inputs: [float(shape), vector],
      build: (x, scale) => layerNorm(x!, 1e-6, scale),
    },
    {
      op: 'LayerNorm',
      name: `${name}, scale and bias`,
      inputs: [float(shape), vector, vector],
      build: (x, scale, bias) => layerNorm(x!, 0.1, scale, bias),
    },
    { op: 'InvStdDev', name, inputs: [float(shape)], build: (x) => invStdDev(x!, 1e-3) },
    { op: 'RmsNorm', name, inputs: [float(shape)], build: (x) => rmsNorm(x!) },
    {
      op: 'RmsNorm',
      name: `${name}, scale`,
      inputs: [float(shape), vector],
      build: (x, scale) => rmsNorm(x!, 1e-3, scale),
    },
  ];
});

const groupNorms: OpCase[] = (
  [
    ['one group', [2, 4, 2, 2], 1],
    ['two groups', [2, 4, 2, 3], 2],
    ['a group per channel', [2, 3, 2, 2], 3],
    ['rank 2', [3, 4], 2],
    ['rank 3', [2, 4, 3], 2],
    ['one pixel', [1, 4, 1, 1], 2],
  ] as [string, number[], number][]
).map(([name, shape, groups]) => ({
  op: 'GroupNorm',
  name,
  inputs: [float(shape), float([shape[1]!]), float([shape[1]!])],
  build: (x, scale, bias) => groupNorm(x!, scale!, bias!, groups),
}));

const batchNorms: OpCase[] = (
  [
    ['rank 2', [3, 4]],
    ['rank 3', [2, 3, 4]],
    ['pictures', [2, 3, 2, 2]],
    ['one channel', [2, 1, 2, 2]],
  ] as [string, number[]][]
).map(([name, shape]) => {
  const vector: CaseInput = float([shape[1]!]);
  const variance: CaseInput = float([shape[1]!], 'positive');
  return {
    op: 'BatchNorm',
    name,
    inputs: [float(shape), vector, vector, vector, variance],
    build: (x, scale, bias, mean, spread) =>
      batchNorm(x!, { scale: scale!, bias: bias!, mean: mean!, variance: spread! }),
  };
});

export const linearCases: readonly OpCase[] = [
  ...int8Cases,
  ...products.map(
    ([name, a, b]): OpCase => ({
      op: 'MatMul',
      name,
      inputs: [float(a), float(b)],
      build: (x, y) => matmul(x!, y!),
    }),
  ),
  ...attentions,
  ...layerNorms,
  ...groupNorms,
  ...batchNorms,
];
