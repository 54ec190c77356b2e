/** @file Gradient rules against central differences in the interpreter, first and second order. */
import { describe, expect, test } from 'vitest';
import { add, constant, mul, square, sum } from '../../src/graph/build.js';
import { grad, gradientRules, notDifferentiable } from '../../src/graph/grad.js';
import { interpret } from '../../src/graph/interpret.js';
import { arity, type Op } from '../../src/graph/ops.js';
import { isFloat } from '../../src/graph/shape.js';
import { type Tensor, topologicalOrder } from '../../src/graph/tensor.js';
import { verifyGraph } from '../../src/graph/verify.js';
import { type BuiltCase, buildCase, type OpCase, toTensorData, values } from './case.js';
import { opCases } from './op-cases.js';

const notDifferentiableOps: readonly Op[] = [
  'Sign',
  'Floor',
  'Ceil',
  'Round',
  'Not',
  'StopGradient',
  'Equal',
  'Less',
  'LessOrEqual',
  'Greater',
  'GreaterOrEqual',
  'And',
  'Or',
  'ArgMax',
];

const isDifferentiable = (op: Op): boolean => gradientRules[op] !== notDifferentiable;
const hasGradient = (row: OpCase): boolean =>
  isDifferentiable(row.op) &&
  row.inputs.some((source) => source.dtype === 'float') &&
  isFloat(buildCase(row, 'f64').output.dtype);

/** Σ y·w with fixed weights, so that every element counts differently. */
function weighted(y: Tensor, seed: number): Tensor {
  const weights = values(y.shape, 'any', seed);
  return sum(mul(y, constant(toTensorData(weights, y.shape, 'f64'))));
}

function floatLeaves({ leaves }: BuiltCase): Tensor[] {
  return leaves.filter((leaf) => isFloat(leaf.dtype));
}

/** Derivatives of a scalar by one leaf, each from two evaluations. */
function centralDifferences(
  loss: Tensor,
  leaf: Tensor,
  feeds: ReadonlyMap<string, Float64Array>,
): Float64Array {
  const { name } = leaf.attributes as { name: string };
  const at = feeds.get(name)!;
  const step = 1e-5;
  const lossAt = (i: number, shift: number): number => {
    const moved = at.slice();
    moved[i]! += shift;
    return interpret([loss], new Map(feeds).set(name, moved))[0]![0]!;
  };
  return at.map((_, i) => (lossAt(i, step) - lossAt(i, -step)) / (2 * step));
}

/** Largest difference relative to max(1, largest reference). */
function relativeError(actual: Float64Array, reference: Float64Array): number {
  let [difference, size] = [0, 1];
  for (const [i, value] of reference.entries()) {
    const gap = Math.abs(actual[i]! - value);
    difference = Math.max(difference, Number.isNaN(gap) ? Number.POSITIVE_INFINITY : gap);
    size = Math.max(size, Math.abs(value));
  }
  return difference / size;
}

function expectGradient(loss: Tensor, leaves: Tensor[], built: BuiltCase): void {
  const gradients = grad(loss, leaves);
  verifyGraph(gradients);
  const actual = interpret(gradients, built.feeds);
  for (const [i, leaf] of leaves.entries()) {
    expect(gradients[i]).toMatchObject({ shape: leaf.shape, dtype: leaf.dtype });
    const reference = centralDifferences(loss, leaf, built.feeds);
    expect(relativeError(actual[i]!, reference), `input ${i}`).toBeLessThanOrEqual(1e-6);
  }
}

test('the table has a row for every operation, and each row holds its operation', () => {
  const covered = new Set(opCases.map((row) => row.op));
  expect(Object.keys(arity).filter((op) => !covered.has(op as Op))).toEqual([]);
  for (const row of opCases) {
    const ops = topologicalOrder([buildCase(row, 'f32').output]).map((tensor) => tensor.op);
    expect(ops, `${row.op}: ${row.name}`).toContain(row.op);
  }
});

test('rows have distinct names', () => {
  const names = opCases.map((row) => `${row.op}: ${row.name}`);
  expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([]);
});

test('exactly the listed operations have no gradient', () => {
  const listed = (Object.keys(gradientRules) as Op[]).filter((op) => !isDifferentiable(op));
  expect(listed.sort()).toEqual([...notDifferentiableOps].sort());
});

test('no gradient flows through the operations without one', () => {
  for (const row of opCases.filter(({ op }) => !isDifferentiable(op))) {
    const built = buildCase(row, 'f64');
    if (!isFloat(built.output.dtype)) continue;
    const gradients = grad(sum(built.output), floatLeaves(built));
    for (const values of interpret(gradients, built.feeds)) {
      expect(values.every((value) => value === 0)).toBe(true);
    }
  }
});

describe('first derivatives', () => {
  for (const row of opCases.filter(hasGradient)) {
    test(`${row.op}: ${row.name}`, () => {
      const built = buildCase(row, 'f64');
      verifyGraph([built.output]);
      expectGradient(weighted(built.output, 7), floatLeaves(built), built);
    });
  }
});

/** A gradient penalty as GANs use it: Σ (∂loss/∂x)² over all inputs, weighted. */
function penalty(built: BuiltCase): Tensor {
  const gradients = grad(weighted(square(built.output), 7), floatLeaves(built));
  return gradients
    .map((gradient, i) => weighted(square(gradient), 20 + i))
    .reduce((total, term) => add(total, term));
}

describe('second derivatives', () => {
  for (const row of opCases.filter(hasGradient)) {
    test(`${row.op}: ${row.name}`, () => {
      const built = buildCase(row, 'f64');
      expectGradient(penalty(built), floatLeaves(built), built);
    });
  }
});
