/** @file Losses over rows of the operation table and how results are compared. */
import { add, constant, mul, square, sum } from '../../src/graph/build.js';
import { grad, gradientRules, notDifferentiable } from '../../src/graph/grad.js';
import type { Op } from '../../src/graph/ops.js';
import { isFloat } from '../../src/graph/shape.js';
import type { Tensor } from '../../src/graph/tensor.js';
import { type BuiltCase, buildCase, type OpCase, toTensorData, values } from './case.js';

export const isDifferentiable = (op: Op): boolean => gradientRules[op] !== notDifferentiable;
export const hasGradient = (row: OpCase): boolean =>
  isDifferentiable(row.op) &&
  row.inputs.some((source) => source.dtype === 'float') &&
  isFloat(buildCase(row, 'f64').output.dtype);

/** Σ y·w with fixed weights, so that every element counts differently. */
export function weighted(y: Tensor, seed: number): Tensor {
  const weights = values(y.shape, 'any', seed).map(Math.fround);
  const dtype = y.dtype === 'f64' ? 'f64' : 'f32';
  return sum(mul(y, constant(toTensorData(weights, y.shape, dtype))));
}

export function floatLeaves({ leaves }: BuiltCase): Tensor[] {
  return leaves.filter((leaf) => isFloat(leaf.dtype));
}

/** A gradient penalty as GANs use it: Σ (∂loss/∂x)² over all inputs, weighted. */
export function penalty(built: BuiltCase): Tensor {
  const gradients = grad(weighted(square(built.output), 7), floatLeaves(built));
  return gradients
    .map((gradient, i) => weighted(square(gradient), 20 + i))
    .reduce((total, term) => add(total, term));
}

/** Largest difference relative to max(1, largest reference). */
export function relativeError(actual: Float64Array, reference: Float64Array): number {
  let [difference, size] = [0, 1];
  for (const [i, value] of reference.entries()) {
    const gap = Math.abs(actual[i]! - value);
    difference = Math.max(difference, Number.isNaN(gap) ? Number.POSITIVE_INFINITY : gap);
    size = Math.max(size, Math.abs(value));
  }
  return difference / size;
}
