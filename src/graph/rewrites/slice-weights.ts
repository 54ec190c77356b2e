/** @file Takes slices of a linear layer's features from its weights instead, which are smaller than what it computes. */
import { add, matmul, slice, transpose } from '../build.js';
import { rewriteToFixpoint } from '../rewrite.js';
import type { Graph, Tensor, TensorOf } from '../tensor.js';

/** A slice of nothing but the last axis. */
function isOfFeatures({ inputs, attributes }: TensorOf<'Slice'>): boolean {
  const { shape } = inputs[0]!;
  const { sizes } = attributes;
  const last = shape.length - 1;
  return sizes[last] !== shape[last] && sizes.every((size, i) => i === last || size === shape[i]);
}

/** The same features of a tensor whose last axis is the sliced one. */
function featuresOf(x: Tensor, { attributes }: TensorOf<'Slice'>): Tensor {
  const last = x.shape.length - 1;
  const only = (value: number): number[] => [...x.shape.map(() => 0).slice(1), value];
  const [start, size, step] = [attributes.starts, attributes.sizes, attributes.steps].map(
    (list) => list.at(-1)!,
  ) as [number, number, number];
  if (x.op === 'Transpose' && x.attributes.permutation.join() === '1,0') {
    const stored = x.inputs[0]!; // [features, in]: rows are stretches of memory
    const rows = slice(stored, [start, 0], [size, stored.shape[1]!], [step, 1]);
    return transpose(rows, [1, 0]);
  }
  return slice(
    x,
    only(start),
    x.shape.with(last, size),
    x.shape.map((_, i) => (i === last ? step : 1)),
  );
}

function sliceBelow(node: Tensor): Tensor | undefined {
  if (node.op !== 'Slice' || !isOfFeatures(node)) return undefined;
  const source = node.inputs[0]!;
  if (source.op === 'Add') {
    const [product, bias] = source.inputs as [Tensor, Tensor];
    if (product.op !== 'MatMul' || bias.shape.length !== 1 || bias.shape[0] === 1) return undefined;
    return add(featuresOf(product, node), featuresOf(bias, node));
  }
  const weight = source.inputs[1];
  if (source.op !== 'MatMul' || weight?.shape.length !== 2) return undefined;
  return matmul(source.inputs[0]!, featuresOf(weight, node));
}

/**
 * Turns slices of the features of `x·W + b` into products with slices of W and b. In training,
 * before gradients are taken, their parts then need neither padding nor adding up; at inference
 * parts of stored weights are ranges of bytes.
 */
export function sliceWeights(graph: Graph): Graph {
  return rewriteToFixpoint(graph, sliceBelow);
}
