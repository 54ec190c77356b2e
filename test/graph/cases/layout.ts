/** @file Rows of the operation table: layout, padding, gathering and scattering. */
import {
  concat,
  expand,
  gather,
  gatherElements,
  pad,
  reshape,
  scatterAdd,
  scatterElementsAdd,
  slice,
  transpose,
} from '../../../src/graph/build.js';
import { node } from '../../../src/graph/tensor.js';
import { bool, float, index, integers, type OpCase } from '../case.js';

const reshapes: OpCase[] = (
  [
    ['flatten', [2, 3, 2], [12]],
    ['to a scalar', [1, 1], []],
    ['from a scalar', [], [1, 1, 1]],
    ['split an axis', [6, 2], [2, 3, 2]],
    ['unit axes', [2, 3], [1, 2, 1, 3]],
  ] as [string, number[], number[]][]
).map(([name, from, to]) => ({
  op: 'Reshape',
  name,
  inputs: [float(from)],
  build: (x) => reshape(x!, to),
}));

const transposes: OpCase[] = (
  [
    ['matrix', [2, 3], [1, 0]],
    ['rotated', [2, 3, 4], [2, 0, 1]],
    ['heads', [2, 3, 2, 2], [0, 2, 1, 3]],
    ['unit axes', [1, 3, 1], [2, 1, 0]],
  ] as [string, number[], number[]][]
).map(([name, shape, permutation]) => ({
  op: 'Transpose',
  name,
  inputs: [float(shape)],
  build: (x) => transpose(x!, permutation),
}));

const expands: OpCase[] = (
  [
    ['a scalar', [], [2, 3]],
    ['a column', [3, 1], [3, 4]],
    ['new axes', [3, 1], [2, 3, 2]],
    ['two axes', [1, 2, 1], [3, 2, 2]],
    ['to size 1', [1], [1, 1]],
  ] as [string, number[], number[]][]
).map(([name, from, to]) => ({
  op: 'Expand',
  name,
  inputs: [float(from)],
  build: (x) => expand(x!, to),
}));

const concats: OpCase[] = [
  {
    op: 'Concat',
    name: 'first axis',
    inputs: [float([1, 3]), float([2, 3])],
    build: (a, b) => concat([a!, b!], 0),
  },
  {
    op: 'Concat',
    name: 'three on the middle axis',
    inputs: [float([2, 1, 2]), float([2, 3, 2]), float([2, 2, 2])],
    build: (a, b, c) => concat([a!, b!, c!], 1),
  },
  {
    op: 'Concat',
    name: 'one twice',
    inputs: [float([2, 2])],
    build: (a) => concat([a!, a!], -1),
  },
  {
    op: 'Concat',
    name: 'a single tensor',
    inputs: [float([2, 2])],
    build: (a) => node('Concat', [a!], { axis: 1 }),
  },
  {
    op: 'Concat',
    name: 'i64',
    inputs: [integers([2], -5, 5), integers([3], -5, 5)],
    build: (a, b) => concat([a!, b!], 0),
  },
  {
    op: 'Concat',
    name: 'bool',
    inputs: [bool([2, 2]), bool([2, 1])],
    build: (a, b) => concat([a!, b!], 1),
  },
];

/** name, shape, starts, sizes, steps */
const slices: OpCase[] = (
  [
    ['inside', [4, 5], [1, 2], [2, 3], [1, 1]],
    ['one value', [3, 3], [2, 1], [1, 1], [1, 1]],
    ['step 2', [5, 4], [0, 1], [3, 2], [2, 2]],
    ['step 3, rest left over', [8], [1], [2], [3]],
    ['backwards', [4], [3], [4], [-1]],
    ['backwards in part', [2, 5], [0, 3], [2, 2], [1, -1]],
    ['backwards by 2', [6], [5], [3], [-2]],
    ['backwards by 2 to the start', [5, 2], [4, 1], [3, 1], [-2, 1]],
    ['mixed steps', [4, 3, 5], [3, 0, 0], [2, 3, 3], [-2, 1, 2]],
    ['whole', [2, 2], [0, 0], [2, 2], [1, 1]],
  ] as [string, number[], number[], number[], number[]][]
).map(([name, shape, starts, sizes, steps]) => ({
  op: 'Slice',
  name,
  inputs: [float(shape)],
  build: (x) => node('Slice', [x!], { starts, sizes, steps }),
}));

/** name, shape, before, after */
const padRows: [string, number[], number[], number[]][] = [
  ['vector', [4], [2], [1]],
  ['before only', [3, 3], [1, 0], [0, 0]],
  ['after only', [3, 3], [0, 0], [0, 2]],
  ['picture', [1, 2, 3, 4], [0, 0, 1, 2], [0, 0, 2, 1]],
  ['as far as reflection goes', [3, 2], [2, 1], [2, 1]],
];
const pads: OpCase[] = padRows.flatMap(([name, shape, before, after]) =>
  (['constant', 'reflect', 'edge'] as const).map(
    (mode): OpCase => ({
      op: 'Pad',
      name: `${mode}, ${name}`,
      inputs: [float(shape)],
      build: (x) => pad(x!, before, after, mode),
    }),
  ),
);
const otherPads: OpCase[] = [
  {
    op: 'Pad',
    name: 'value',
    inputs: [float([2, 2])],
    build: (x) => pad(x!, [1, 0], [0, 1], 'constant', -1.5),
  },
  {
    op: 'Pad',
    name: 'edge of one value',
    inputs: [float([1, 2])],
    build: (x) => pad(x!, [3, 0], [1, 0], 'edge'),
  },
  {
    op: 'Pad',
    name: 'edge, all axes',
    inputs: [float([2, 2])],
    build: (x) => pad(x!, [1, 1], [1, 1], 'edge'),
  },
  {
    op: 'Pad',
    name: 'i64',
    inputs: [integers([3], -5, 5)],
    build: (x) => pad(x!, [1], [2], 'constant', 7),
  },
];

const gathers: OpCase[] = [
  {
    op: 'Gather',
    name: 'rows',
    inputs: [float([4, 3]), index([5], 4)],
    build: (x, i) => gather(x!, i!),
  },
  {
    op: 'Gather',
    name: 'columns',
    inputs: [float([2, 4]), index([3], 4)],
    build: (x, i) => gather(x!, i!, 1),
  },
  {
    op: 'Gather',
    name: 'matrix of indices',
    inputs: [float([5, 2]), index([2, 3], 5)],
    build: (x, i) => gather(x!, i!),
  },
  {
    op: 'Gather',
    name: 'matrix on the middle axis',
    inputs: [float([2, 3, 2]), index([2, 2], 3)],
    build: (x, i) => gather(x!, i!, 1),
  },
  {
    op: 'Gather',
    name: 'one index',
    inputs: [float([3, 4]), index([], 4)],
    build: (x, i) => gather(x!, i!, -1),
  },
  {
    op: 'Gather',
    name: 'i32 indices',
    inputs: [float([3, 2]), index([4], 3, 'i32')],
    build: (x, i) => gather(x!, i!),
  },
  {
    op: 'Gather',
    name: 'of i64',
    inputs: [integers([6], -9, 9), index([4], 6)],
    build: (x, i) => gather(x!, i!),
  },
  {
    op: 'ScatterAdd',
    name: 'rows',
    inputs: [float([5, 3]), index([5], 4)],
    build: (x, i) => scatterAdd(x!, i!, 0, 4),
  },
  {
    op: 'ScatterAdd',
    name: 'columns',
    inputs: [float([2, 5]), index([5], 3)],
    build: (x, i) => scatterAdd(x!, i!, 1, 3),
  },
  {
    op: 'ScatterAdd',
    name: 'matrix of indices',
    inputs: [float([2, 3, 2]), index([2, 3], 5)],
    build: (x, i) => scatterAdd(x!, i!, 0, 5),
  },
  {
    op: 'ScatterAdd',
    name: 'matrix on the middle axis',
    inputs: [float([2, 2, 3, 2]), index([2, 3], 2)],
    build: (x, i) => scatterAdd(x!, i!, 1, 2),
  },
  {
    op: 'ScatterAdd',
    name: 'one index',
    inputs: [float([3]), index([], 4)],
    build: (x, i) => scatterAdd(x!, i!, 1, 4),
  },
  {
    op: 'ScatterAdd',
    name: 'i32 indices',
    inputs: [float([4]), index([4], 2, 'i32')],
    build: (x, i) => scatterAdd(x!, i!, 0, 2),
  },
  {
    op: 'GatherElements',
    name: 'last axis',
    inputs: [float([2, 4]), index([2, 3], 4)],
    build: (x, i) => gatherElements(x!, i!, -1),
  },
  {
    op: 'GatherElements',
    name: 'first axis',
    inputs: [float([4, 2]), index([3, 2], 4)],
    build: (x, i) => gatherElements(x!, i!, 0),
  },
  {
    op: 'GatherElements',
    name: 'middle axis, i32',
    inputs: [float([2, 3, 2]), index([2, 1, 2], 3, 'i32')],
    build: (x, i) => gatherElements(x!, i!, 1),
  },
  {
    op: 'ScatterElementsAdd',
    name: 'last axis',
    inputs: [float([2, 5]), index([2, 5], 3)],
    build: (x, i) => scatterElementsAdd(x!, i!, -1, 3),
  },
  {
    op: 'ScatterElementsAdd',
    name: 'first axis',
    inputs: [float([3, 2]), index([3, 2], 4)],
    build: (x, i) => scatterElementsAdd(x!, i!, 0, 4),
  },
  {
    op: 'ScatterElementsAdd',
    name: 'middle axis, i32',
    inputs: [float([2, 1, 2]), index([2, 1, 2], 3, 'i32')],
    build: (x, i) => scatterElementsAdd(x!, i!, 1, 3),
  },
];

const integerLayout: OpCase[] = [
  { op: 'Reshape', name: 'i64', inputs: [integers([4], -5, 5)], build: (x) => reshape(x!, [2, 2]) },
  { op: 'Transpose', name: 'bool', inputs: [bool([2, 3])], build: (x) => transpose(x!, [1, 0]) },
  {
    op: 'Expand',
    name: 'i64',
    inputs: [integers([2, 1], -5, 5)],
    build: (x) => expand(x!, [2, 3]),
  },
  {
    op: 'Slice',
    name: 'i64',
    inputs: [integers([5], -5, 5)],
    build: (x) => slice(x!, [3], [2], [-1]),
  },
];

export const layoutCases: readonly OpCase[] = [
  ...reshapes,
  ...transposes,
  ...expands,
  ...concats,
  ...slices,
  ...pads,
  ...otherPads,
  ...gathers,
  ...integerLayout,
];
