/** @file Plain f64 interpreter of graphs: the oracle that gradients and ONNX Runtime are checked against. */
import { complain } from '../core/errors.js';
import { elementCount } from '../core/tensor-data.js';
import { elementwiseKernels } from './interpret-elementwise.js';
import type { Kernels } from './interpret-kernel.js';
import { layoutKernels } from './interpret-layout.js';
import { linearKernels } from './interpret-linear.js';
import { pictureKernels } from './interpret-picture.js';
import { reduceKernels } from './interpret-reduce.js';
import { type Graph, type Tensor, topologicalOrder } from './tensor.js';

/** How every operation is computed; total, so a new operation does not compile without a kernel. */
export const kernels: Kernels = {
  ...elementwiseKernels,
  ...reduceKernels,
  ...linearKernels,
  ...layoutKernels,
  ...pictureKernels,
};

/** Values of Inputs and Parameters by name, row-major. */
export type Feeds = ReadonlyMap<string, ArrayLike<number> | ArrayLike<bigint>>;

/**
 * Values of the outputs in order, row-major, as f64 whatever their dtype: f32 and f16 keep full
 * precision, i64 and i32 are numbers, bool is 0 or 1. Arrays may be shared between outputs and
 * feeds: treat them as read-only. Throws GRAPH when a feed is missing or has the wrong length.
 */
export function interpret(outputs: Graph | readonly Tensor[], feeds: Feeds): Float64Array[] {
  const roots = [...('size' in outputs ? outputs.values() : outputs)];
  const values = new Map<Tensor, Float64Array>();
  for (const tensor of topologicalOrder(roots)) {
    const inputs = tensor.inputs.map((input) => values.get(input)!);
    values.set(tensor, computeNode(tensor, inputs, feeds));
  }
  return roots.map((root) => values.get(root)!);
}

function computeNode(tensor: Tensor, inputs: readonly Float64Array[], feeds: Feeds): Float64Array {
  if (tensor.op === 'Input' || tensor.op === 'Parameter') return fed(tensor, feeds);
  const kernel = kernels[tensor.op] as (
    inputs: readonly Float64Array[],
    node: Tensor,
  ) => Float64Array;
  return kernel(inputs, tensor);
}

function fed(leaf: Extract<Tensor, { op: 'Input' | 'Parameter' }>, feeds: Feeds): Float64Array {
  const value = feeds.get(leaf.attributes.name);
  const count = elementCount(leaf.shape);
  if (value?.length !== count) {
    throw complain('GRAPH', {
      where: `interpret: ${leaf.op} "${leaf.attributes.name}"`,
      expected: `${count} values for ${leaf.dtype}[${leaf.shape.join(',')}]`,
      got: value ? `${value.length}` : 'none',
      next: 'Feed every Input and Parameter by its name.',
    });
  }
  return value instanceof Float64Array ? value : Float64Array.from(value, Number);
}
