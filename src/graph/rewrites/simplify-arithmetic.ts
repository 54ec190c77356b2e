/** @file Algebraic identities of elementwise operations and reductions. */
import { abs, add, cast, expand, filled, mul, neg, reshape, sub } from '../build.js';
import type { GraphDtype, Op } from '../ops.js';
import { broadcastShapes, isFloat } from '../shape.js';
import { node as makeNode, type Tensor, type TensorOf } from '../tensor.js';
import { uniformValue } from './uniform.js';

/** Rules by operation; undefined leaves the node as it is. */
export type SimplifyRules = { readonly [K in Op]?: (node: TensorOf<K>) => Tensor | undefined };

/** The tensor broadcast to the shape of the node it replaces. */
const fit = (x: Tensor, like: { readonly shape: readonly number[] }): Tensor =>
  expand(x, like.shape);

/**
 * A broadcasting operation reads through an Expand when the result keeps its shape without it, so
 * the enlarged tensor need not exist.
 */
function withoutExpand(node: Tensor): Tensor | undefined {
  for (const [i, source] of node.inputs.entries()) {
    if (source.op !== 'Expand') continue;
    const inputs = node.inputs.with(i, source.inputs[0]!);
    let shape: readonly number[] | undefined = [];
    for (const input of inputs) shape = shape && broadcastShapes(shape, input.shape);
    if (shape?.join() === node.shape.join()) return makeNode(node.op, inputs, node.attributes);
  }
  return undefined;
}

const throughExpand =
  <K extends Op>(rule?: (node: TensorOf<K>, a: Tensor, b: Tensor) => Tensor | undefined) =>
  (node: TensorOf<K>): Tensor | undefined =>
    rule?.(node, node.inputs[0]!, node.inputs[1]!) ?? withoutExpand(node as unknown as Tensor);

function simplifyAdd(node: TensorOf<'Add'>, a: Tensor, b: Tensor): Tensor | undefined {
  if (uniformValue(b) === 0) return fit(a, node);
  if (uniformValue(a) === 0) return fit(b, node);
  if (b.op === 'Neg') return sub(a, b.inputs[0]!);
  if (a.op === 'Neg') return sub(b, a.inputs[0]!);
  return undefined;
}

function simplifySub(node: TensorOf<'Sub'>, a: Tensor, b: Tensor): Tensor | undefined {
  if (uniformValue(b) === 0) return fit(a, node);
  if (uniformValue(a) === 0) return fit(neg(b), node);
  if (b.op === 'Neg') return add(a, b.inputs[0]!);
  return undefined;
}

/** Zero times a tensor is zero: infinities and NaN in a tensor multiplied by a literal 0 are lost. */
function simplifyMul(node: TensorOf<'Mul'>, a: Tensor, b: Tensor): Tensor | undefined {
  const factor = uniformValue(b);
  if (factor === undefined) {
    return uniformValue(a) === undefined ? undefined : simplifyMul(node, b, a);
  }
  if (factor === 1) return fit(a, node);
  if (factor === 0) return fit(filled(0, [], node.dtype), node);
  if (factor === -1) return fit(neg(a), node);
  return isFloat(node.dtype) ? scaledAgain(node, a, factor) : undefined;
}

/** (x · c) · factor as x · (c · factor), and (−x) · factor as x · (−factor). */
function scaledAgain(node: TensorOf<'Mul'>, a: Tensor, factor: number): Tensor | undefined {
  if (a.op === 'Neg') return fit(mul(a.inputs[0]!, -factor), node);
  if (a.op !== 'Mul') return undefined;
  const [x, y] = a.inputs as [Tensor, Tensor];
  const [inner, rest] = uniformValue(y) === undefined ? [uniformValue(x), y] : [uniformValue(y), x];
  if (inner === undefined || !isOrdinary(inner * factor, node.dtype)) return undefined;
  return fit(mul(rest, inner * factor), node);
}

/** Neither overflows nor loses digits in the dtype. */
function isOrdinary(value: number, dtype: GraphDtype): boolean {
  const [least, most] = dtype === 'f16' ? [2 ** -14, 65504] : [2 ** -126, 3e38];
  return Math.abs(value) >= least && Math.abs(value) <= most;
}

function simplifyPow(node: TensorOf<'Pow'>, a: Tensor, b: Tensor): Tensor | undefined {
  const exponent = uniformValue(b);
  if (exponent === 0) return fit(filled(1, [], node.dtype), node);
  if (exponent === 1) return fit(a, node);
  if (exponent === 2) return fit(mul(a, a), node);
  return undefined;
}

function simplifyWhere(node: TensorOf<'Where'>): Tensor | undefined {
  const [condition, a, b] = node.inputs as [Tensor, Tensor, Tensor];
  const choice = uniformValue(condition);
  if (choice !== undefined) return fit(choice ? a : b, node);
  return a === b ? fit(a, node) : withoutExpand(node as unknown as Tensor);
}

/** Every value of the first dtype is a value of the second. */
const holds: Readonly<Record<GraphDtype, readonly GraphDtype[]>> = {
  bool: ['f16', 'f32', 'f64', 'i32', 'i64'],
  f16: ['f32', 'f64'],
  f32: ['f64'],
  f64: [],
  i32: ['i64', 'f64'],
  i64: [],
};

function simplifyCast(node: TensorOf<'Cast'>): Tensor | undefined {
  const x = node.inputs[0]!;
  if (x.dtype === node.dtype) return x;
  if (x.op !== 'Cast') return undefined;
  const source = x.inputs[0]!;
  return holds[source.dtype].includes(x.dtype) ? cast(source, node.dtype) : undefined;
}

type Reduction = 'ReduceSum' | 'ReduceMean' | 'ReduceMax' | 'ReduceMin';

/** Axes of size 1 need no reduction, only a reshape. */
function dropUnitAxes(node: TensorOf<Reduction>): Tensor | undefined {
  const x = node.inputs[0]!;
  const axes = node.attributes.axes.filter((axis) => x.shape[axis] !== 1);
  if (axes.length === 0) return reshape(x, node.shape);
  if (axes.length === node.attributes.axes.length) return undefined;
  return reshape(makeNode(node.op, [x], { axes, keepDims: true }), node.shape);
}

/** A reduction of the same kind of reduction, as one over the axes of both. */
function mergeReductions(node: TensorOf<Reduction>): Tensor | undefined {
  const inner = node.inputs[0]!;
  if (inner.op !== node.op) return undefined;
  const { axes: first, keepDims } = (inner as TensorOf<Reduction>).attributes;
  const x = inner.inputs[0]!;
  const left = x.shape.map((_, axis) => axis).filter((axis) => !first.includes(axis));
  const second = node.attributes.axes.map((axis) => (keepDims ? axis : left[axis]!));
  const axes = [...new Set([...first, ...second])].sort((p, q) => p - q);
  return reshape(makeNode(node.op, [x], { axes, keepDims: true }), node.shape);
}

const simplifyReduction = (node: TensorOf<Reduction>): Tensor | undefined =>
  dropUnitAxes(node) ?? mergeReductions(node);

const twice = (node: TensorOf<Op>): Tensor | undefined =>
  node.inputs[0]!.op === node.op ? node.inputs[0] : undefined;
const undone = (node: TensorOf<Op>): Tensor | undefined =>
  node.inputs[0]!.op === node.op ? node.inputs[0]!.inputs[0] : undefined;

export const arithmeticRules: SimplifyRules = {
  Neg: (node) => {
    const x = node.inputs[0]!;
    if (x.op === 'Sub') return sub(x.inputs[1]!, x.inputs[0]!);
    return undone(node);
  },
  Not: undone,
  Abs: (node) => {
    const x = node.inputs[0]!;
    return x.op === 'Neg' ? abs(x.inputs[0]!) : twice(node);
  },
  Relu: twice,
  Cast: simplifyCast,
  Add: throughExpand(simplifyAdd),
  Sub: throughExpand(simplifySub),
  Mul: throughExpand(simplifyMul),
  Div: throughExpand((node, a, b) => (uniformValue(b) === 1 ? fit(a, node) : undefined)),
  Pow: throughExpand(simplifyPow),
  Max: throughExpand((node, a, b) => (a === b ? fit(a, node) : undefined)),
  Min: throughExpand((node, a, b) => (a === b ? fit(a, node) : undefined)),
  Mod: throughExpand(),
  Equal: throughExpand(),
  Less: throughExpand(),
  LessOrEqual: throughExpand(),
  Greater: throughExpand(),
  GreaterOrEqual: throughExpand(),
  And: throughExpand(),
  Or: throughExpand(),
  Where: simplifyWhere,
  ReduceSum: simplifyReduction,
  ReduceMean: simplifyReduction,
  ReduceMax: simplifyReduction,
  ReduceMin: simplifyReduction,
};
