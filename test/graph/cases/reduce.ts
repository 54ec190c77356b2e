/** @file Rows of the operation table: reductions and operations along an axis. */
import {
  argMax,
  cumSum,
  logSoftmax,
  max,
  mean,
  min,
  softmax,
  sum,
} from '../../../src/graph/build.js';
import type { Op } from '../../../src/graph/ops.js';
import { node, type Tensor } from '../../../src/graph/tensor.js';
import { float, integers, type OpCase } from '../case.js';

type Reduce = (x: Tensor, axes?: readonly number[], keepDims?: boolean) => Tensor;

const axesOf: [string, number[], number[] | undefined][] = [
  ['all axes', [2, 3, 2], undefined],
  ['last axis', [2, 3, 4], [-1]],
  ['first and last', [3, 2, 2], [0, 2]],
  ['middle of rank 4', [2, 3, 2, 2], [1, 2]],
  ['an axis of size 1', [3, 1, 2], [1]],
  ['no axes', [2, 3], []],
  ['of a scalar', [], undefined],
];

function reductions(
  op: 'ReduceSum' | 'ReduceMean' | 'ReduceMax' | 'ReduceMin',
  reduce: Reduce,
): OpCase[] {
  const rows = axesOf.flatMap(([name, shape, axes]) =>
    [false, true].map(
      (keepDims): OpCase => ({
        op,
        name: `${name}${keepDims ? ', kept' : ''}`,
        inputs: [float(shape)],
        build: (x) => reduce(x!, axes, keepDims),
      }),
    ),
  );
  return [
    ...rows,
    {
      op,
      name: 'i32',
      inputs: [integers([3, 4], -9, 9, 'i32')],
      build: (x) => reduce(x!, [1]),
    },
  ];
}

const along = (op: Op, build: (x: Tensor, axis: number) => Tensor): OpCase[] => [
  ...[0, 1, 2].map(
    (axis): OpCase => ({
      op,
      name: `axis ${axis}`,
      inputs: [float([2, 3, 4])],
      build: (x) => build(x!, axis),
    }),
  ),
  { op, name: 'size 1', inputs: [float([3, 1])], build: (x) => build(x!, 1) },
  { op, name: 'vector', inputs: [float([5])], build: (x) => build(x!, 0) },
];

const largeLogits = (op: Op, build: (x: Tensor) => Tensor): OpCase => ({
  op,
  name: 'logits up to ±30',
  inputs: [float([2, 6], 'wide')],
  build: (x) => build(x!),
});

export const reduceCases: readonly OpCase[] = [
  ...reductions('ReduceSum', sum),
  { op: 'ReduceSum', name: 'i64', inputs: [integers([3, 4], -9, 9)], build: (x) => sum(x!, [0]) },
  ...reductions('ReduceMean', mean),
  ...reductions('ReduceMax', max),
  { op: 'ReduceMax', name: 'i64', inputs: [integers([3, 4], -9, 9)], build: (x) => max(x!, [0]) },
  ...reductions('ReduceMin', min),
  { op: 'ReduceMin', name: 'i64', inputs: [integers([3, 4], -9, 9)], build: (x) => min(x!, [0]) },
  ...along('ArgMax', (x, axis) => argMax(x, axis)),
  ...along('ArgMax', (x, axis) => argMax(x, axis, true)).map((row) => ({
    ...row,
    name: `${row.name}, kept`,
  })),
  {
    op: 'ArgMax',
    name: 'first of equals',
    inputs: [integers([4, 8], 0, 2, 'float')],
    build: (x) => argMax(x!),
  },
  ...along('CumSum', cumSum),
  ...along('Softmax', softmax),
  largeLogits('Softmax', softmax),
  ...along('LogSoftmax', logSoftmax),
  largeLogits('LogSoftmax', logSoftmax),
  {
    op: 'ReduceSum',
    name: 'axes out of order',
    inputs: [float([2, 3, 2])],
    build: (x) => node('ReduceSum', [x!], { axes: [2, 0], keepDims: false }),
  },
];
