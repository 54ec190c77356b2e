/** @file Random graphs for tests of rewrites: small, well-formed, rich in what the passes look for. */
import fc from 'fast-check';
import {
  abs,
  add,
  cast,
  concat,
  expand,
  filled,
  indices,
  logSoftmax,
  matmul,
  max,
  maximum,
  mean,
  mul,
  neg,
  pad,
  pow,
  relu,
  reshape,
  sigmoid,
  slice,
  sub,
  sum,
  transpose,
  where,
} from '../../src/graph/build.js';
import { broadcastShapes } from '../../src/graph/shape.js';
import { type Graph, input, node, parameter, type Tensor } from '../../src/graph/tensor.js';
import { values } from './case.js';

/** One step of a random program: which recipe, on which earlier tensors, with which choice. */
interface Step {
  readonly recipe: number;
  readonly a: number;
  readonly b: number;
  readonly choice: number;
}

const rank = (x: Tensor): number => x.shape.length;
const axisOf = (x: Tensor, choice: number): number => choice % rank(x);
const fits = (a: Tensor, b: Tensor): boolean => broadcastShapes(a.shape, b.shape) !== undefined;
const literal = (choice: number): number => [0, 1, -1, 2, 0.5][choice % 5]!;

type Recipe = (a: Tensor, b: Tensor, choice: number) => Tensor;

const perAxis = (x: Tensor, axis: number, value: number, rest: number): number[] =>
  x.shape.map((_, i) => (i === axis ? value : rest));

function rotated(x: Tensor, choice: number): Tensor {
  const axes = x.shape.map((_, i) => (i + choice) % Math.max(rank(x), 1));
  return transpose(x, axes);
}

function sliced(x: Tensor, choice: number): Tensor {
  if (rank(x) === 0) return x;
  const axis = axisOf(x, choice);
  const size = x.shape[axis]!;
  const step = [1, -1, 2][choice % 3]!;
  const count = step === 2 ? Math.ceil(size / 2) : Math.max(1, size - (choice % 2));
  const start = step === -1 ? size - 1 : 0;
  return slice(
    x,
    perAxis(x, axis, start, 0),
    x.shape.map((n, i) => (i === axis ? count : n)),
    perAxis(x, axis, step, 1),
  );
}

function padded(x: Tensor, choice: number): Tensor {
  if (rank(x) === 0) return x;
  const axis = axisOf(x, choice);
  return pad(x, perAxis(x, axis, choice % 2, 0), perAxis(x, axis, 1, 0), 'constant', choice % 3);
}

function reduced(x: Tensor, choice: number): Tensor {
  const axes = rank(x) === 0 ? [] : [axisOf(x, choice)];
  const reduce = [sum, mean, max][choice % 3]!;
  return reduce(x, axes, choice % 2 === 0);
}

const recipes: readonly Recipe[] = [
  (a, b) => (fits(a, b) ? add(a, b) : a),
  (a, b) => (fits(a, b) ? sub(a, b) : b),
  (a, b) => (fits(a, b) ? mul(a, b) : a),
  (a, b) => (fits(a, b) ? maximum(a, b) : b),
  (a, _, choice) => add(a, literal(choice)),
  (a, _, choice) => sub(literal(choice), a),
  (a, _, choice) => mul(a, literal(choice)),
  (a, _, choice) => pow(a, choice % 3),
  (a) => neg(a),
  (a) => abs(a),
  (a) => relu(a),
  (a) => sigmoid(a),
  (a) => cast(cast(a, 'f64'), a.dtype),
  (a, _, choice) => rotated(a, choice),
  (a) => reshape(a, [...a.shape].reverse()),
  (a) => reshape(a, [1, ...a.shape, 1]),
  (a) => reshape(a, [-1]),
  (a) => expand(a, [2, ...a.shape]),
  (a, _, choice) =>
    expand(
      a,
      a.shape.map((n) => (n === 1 ? 1 + (choice % 3) : n)),
    ),
  (a, _, choice) => sliced(a, choice),
  (a, _, choice) => padded(a, choice),
  (a, _, choice) => reduced(a, choice),
  (a, _, choice) => (rank(a) === 0 ? a : concat([a, a, neg(a)], axisOf(a, choice))),
  (a, _, choice) => node('Expand', [a], { shape: choice % 2 ? a.shape : [1, ...a.shape] }),
  (a) => (rank(a) === 0 ? a : logSoftmax(a)),
  (a, b) => (rank(a) === 2 && rank(b) === 2 && a.shape[1] === b.shape[0] ? matmul(a, b) : a),
  (a, _, choice) => where(filled(choice % 2, [], 'bool'), a, neg(a)),
  (a, _, choice) => {
    const column = cast(indices([choice % 4, 1], [2, 1]), a.dtype);
    return fits(a, column) ? mul(a, column) : a;
  },
];

/** Larger tensors are dropped to keep runs short. */
const mostElements = 500;

function build(steps: readonly Step[], dtype: 'f32' | 'f64'): Graph {
  const tensors: Tensor[] = [
    input('x', [2, 3], dtype),
    parameter('w', [3, 1], dtype),
    input('s', [], dtype),
  ];
  for (const { recipe, a, b, choice } of steps) {
    // Three times in four one of the last two tensors, so that steps build on each other.
    const pick = (at: number): Tensor => tensors.at(-1 - (at % 4 ? at % 2 : at % tensors.length))!;
    const next = recipes[recipe]!(pick(a), pick(b), choice);
    const size = next.shape.reduce((count, n) => count * n, 1);
    if (size <= mostElements && rank(next) <= 6) tensors.push(next);
  }
  return new Map(tensors.slice(-3).map((tensor, i) => [`y${i}`, tensor]));
}

/** Values of the leaves of every random graph. */
export const randomFeeds: ReadonlyMap<string, Float64Array> = new Map([
  ['x', values([2, 3], 'any', 1)],
  ['w', values([3, 1], 'any', 2)],
  ['s', values([], 'any', 3)],
]);

/** Graphs of up to 40 nodes with three outputs. */
export function randomGraph(dtype: 'f32' | 'f64'): fc.Arbitrary<Graph> {
  const step = fc.record({
    recipe: fc.nat(recipes.length - 1),
    a: fc.nat(1000),
    b: fc.nat(1000),
    choice: fc.nat(11),
  });
  return fc
    .array(step, { minLength: 3, maxLength: 40, size: 'max' })
    .map((steps) => build(steps, dtype));
}
