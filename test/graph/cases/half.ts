/** @file Rows of the operation table: operations that compute in f16, above all those with constants of their own. */
import {
  attention,
  averagePool,
  batchNorm,
  cast,
  clip,
  conv2d,
  convTranspose2d,
  elu,
  filled,
  gelu,
  groupNorm,
  layerNorm,
  matmul,
  mean,
  mod,
  mul,
  pad,
  resize,
  rmsNorm,
  scatterAdd,
  scatterElementsAdd,
  silu,
  softmax,
} from '../../../src/graph/build.js';
import type { Op } from '../../../src/graph/ops.js';
import { node, type Tensor } from '../../../src/graph/tensor.js';
import { float, index, type OpCase } from '../case.js';

const row = (
  op: Op,
  name: string,
  shapes: readonly (readonly number[])[],
  build: (...inputs: Tensor[]) => Tensor,
): OpCase => ({
  op,
  name: `in f16: ${name}`,
  inputs: shapes.map((shape) => float(shape, 'exact')),
  build: (...inputs) => cast(build(...inputs.map((input) => cast(input, 'f16'))), inputs[0]!.dtype),
  tolerance: 4e-3,
});

const pool = { kernel: [2, 2], stride: [2, 2], padding: [0, 0, 0, 0] } as const;
const bilinear = { mode: 'bilinear', alignCorners: false, antialias: false } as const;
const conv = { stride: [1, 1], padding: [1, 1, 1, 1], dilation: [1, 1], groups: 1 } as const;

export const halfCases: readonly OpCase[] = [
  row('Mul', 'by a number', [[3, 4]], (x) => mul(x!, 0.3)),
  row('Mul', 'by a filled tensor', [[3, 4]], (x) => mul(x!, filled(0.3, [4], 'f16'))),
  row('Clip', 'both bounds', [[3, 4]], (x) => clip(x!, -0.6, 0.8)),
  row('Elu', 'default', [[3, 4]], (x) => elu(x!)),
  row('Gelu', 'tanh', [[3, 4]], (x) => gelu(x!, 'tanh')),
  row('Silu', 'matrix', [[3, 4]], (x) => silu(x!)),
  row('Mod', 'by a number', [[3, 4]], (x) => mod(x!, 0.75)),
  row('ReduceMean', 'last axis', [[3, 8]], (x) => mean(x!, [1])),
  row('Softmax', 'last axis', [[3, 5]], (x) => softmax(x!)),
  row(
    'MatMul',
    'matrices',
    [
      [3, 4],
      [4, 2],
    ],
    (a, b) => matmul(a!, b!),
  ),
  row(
    'Conv',
    'padded',
    [
      [1, 2, 4, 4],
      [3, 2, 3, 3],
    ],
    (x, w) => conv2d(x!, w!, undefined, { padding: 1 }),
  ),
  row(
    'ConvTranspose',
    'stride 2',
    [
      [1, 2, 3, 3],
      [2, 2, 3, 3],
    ],
    (x, w) => convTranspose2d(x!, w!, undefined, { stride: 2, padding: 1 }),
  ),
  row(
    'ConvWeightGrad',
    'padded',
    [
      [1, 2, 4, 4],
      [1, 3, 4, 4],
    ],
    (x, g) => node('ConvWeightGrad', [x!, g!], { ...conv, kernel: [3, 3] }),
  ),
  row(
    'Attention',
    'causal',
    [
      [1, 4, 4],
      [1, 4, 4],
      [1, 4, 4],
    ],
    (q, k, v) => attention(q!, k!, v!, { heads: 2, causal: true }),
  ),
  row('LayerNorm', 'plain', [[2, 6]], (x) => layerNorm(x!, 1e-3)),
  row('LayerNorm', 'affine', [[2, 6], [6], [6]], (x, s, b) => layerNorm(x!, 1e-3, s!, b!)),
  row('InvStdDev', 'rows', [[2, 6]], (x) => node('InvStdDev', [x!], { eps: 1e-3 })),
  row('RmsNorm', 'plain', [[2, 6]], (x) => rmsNorm(x!, 1e-3)),
  row('GroupNorm', 'two groups', [[1, 4, 2, 2], [4], [4]], (x, s, b) =>
    groupNorm(x!, s!, b!, 2, 1e-3),
  ),
  row('BatchNorm', 'given statistics', [[2, 3, 2], [3], [3], [3]], (x, s, b, m) =>
    batchNorm(x!, { scale: s!, bias: b!, mean: m!, variance: filled(0.5, [3], 'f16') }, 1e-3),
  ),
  row('Pad', 'with a value', [[2, 3]], (x) => pad(x!, [1, 0], [0, 2], 'constant', 0.3)),
  {
    op: 'ScatterAdd',
    name: 'in f16: rows',
    inputs: [float([4, 3], 'exact'), index([4], 5)],
    build: (x, i) => cast(scatterAdd(cast(x!, 'f16'), i!, 0, 5), x!.dtype),
    tolerance: 4e-3,
  },
  {
    op: 'ScatterElementsAdd',
    name: 'in f16: columns',
    inputs: [float([2, 3], 'exact'), index([2, 3], 4)],
    build: (x, i) => cast(scatterElementsAdd(cast(x!, 'f16'), i!, 1, 4), x!.dtype),
    tolerance: 4e-3,
  },
  row('Resize', 'bilinear', [[1, 2, 3, 3]], (x) => resize(x!, { mode: 'bilinear', size: [5, 4] })),
  row('ResizeAdjoint', 'bilinear', [[1, 1, 4, 4]], (g) =>
    node('ResizeAdjoint', [g!], { ...bilinear, size: [4, 4], inputSize: [2, 3] }),
  ),
  row('ResizeAdjoint', 'nearest', [[1, 1, 4, 4]], (g) =>
    node('ResizeAdjoint', [g!], { ...bilinear, mode: 'nearest', size: [4, 4], inputSize: [2, 2] }),
  ),
  row('AveragePool', '2x2', [[1, 2, 4, 4]], (x) => averagePool(x!, { kernel: 2 })),
  row('AveragePoolAdjoint', '2x2', [[1, 2, 2, 2]], (g) =>
    node('AveragePoolAdjoint', [g!], { ...pool, countIncludePad: true, inputSize: [5, 4] }),
  ),
];
