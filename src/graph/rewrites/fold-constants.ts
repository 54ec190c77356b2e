/** @file Computes nodes whose inputs are all small constants, once, with the interpreter. */
import { elementCount, numberToF16, type TensorData } from '../../core/tensor-data.js';
import { constant } from '../build.js';
import { interpret } from '../interpret.js';
import type { GraphDtype } from '../ops.js';
import { rewrite } from '../rewrite.js';
import type { Graph, Tensor } from '../tensor.js';

export interface FoldOptions {
  /** Most elements a folded result, or any constant it is computed from, may have; default 1024. */
  readonly limit?: number;
}

/**
 * Replaces computations on constants by their value, rounded to the node's dtype. Leaves alone
 * what exceeds the limit, StopGradient (which `grad` must still see) and integers out of range.
 */
export function foldConstants(graph: Graph, options: FoldOptions = {}): Graph {
  const { limit = 1024 } = options;
  const isSmall = (tensor: Tensor): boolean => elementCount(tensor.shape) <= limit;
  return rewrite(graph, (node) => {
    const isFoldable =
      node.inputs.length > 0 &&
      node.op !== 'StopGradient' &&
      isSmall(node) &&
      node.inputs.every((source) => source.op === 'Constant' && isSmall(source));
    return isFoldable ? folded(node) : undefined;
  });
}

function folded(node: Tensor): Tensor | undefined {
  const [values] = interpret([node], new Map()) as [Float64Array];
  const data = toDtype(values, node.shape, node.dtype);
  return data && constant(data);
}

function toDtype(
  values: Float64Array,
  shape: readonly number[],
  dtype: GraphDtype,
): TensorData | undefined {
  switch (dtype) {
    case 'f64':
      return { dtype, shape, data: values.slice() };
    case 'f32':
      return { dtype, shape, data: Float32Array.from(values) };
    case 'f16':
      return { dtype, shape, data: Uint16Array.from(values, numberToF16) };
    case 'i64':
      if (!values.every(Number.isSafeInteger)) return undefined;
      return { dtype, shape, data: BigInt64Array.from(Array.from(values, BigInt)) };
    case 'i32':
      if (!values.every((value) => value === (value | 0))) return undefined;
      return { dtype, shape, data: Int32Array.from(values) };
    case 'bool':
      return { dtype, shape, data: Uint8Array.from(values) };
  }
}
