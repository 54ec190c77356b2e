/** @file Gradient rules against central differences in the interpreter, first and second order. */
import { describe, expect, test } from 'vitest';
import { sum } from '../../src/graph/build.js';
import { grad, gradientRules } from '../../src/graph/grad.js';
import { interpret } from '../../src/graph/interpret.js';
import { arity, type Op } from '../../src/graph/ops.js';
import { isFloat } from '../../src/graph/shape.js';
import { type Tensor, topologicalOrder } from '../../src/graph/tensor.js';
import { verifyGraph } from '../../src/graph/verify.js';
import { type BuiltCase, buildCase } from './case.js';
import {
  floatLeaves,
  hasGradient,
  isDifferentiable,
  penalty,
  relativeError,
  weighted,
} from './losses.js';
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
  'Int8MatMul',
  'BlockedConv',
];

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

test('every operation with a gradient rule has rows that check it', () => {
  const checked = new Set(opCases.filter(hasGradient).map((row) => row.op));
  const unchecked = (Object.keys(gradientRules) as Op[])
    .filter(isDifferentiable)
    .filter((op) => !checked.has(op));
  expect(unchecked).toEqual(['Constant']);
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

describe('second derivatives', () => {
  for (const row of opCases.filter(hasGradient)) {
    test(`${row.op}: ${row.name}`, () => {
      const built = buildCase(row, 'f64');
      expectGradient(penalty(built), floatLeaves(built), built);
    });
  }
});
