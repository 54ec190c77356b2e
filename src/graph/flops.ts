/** @file Counts the arithmetic of a graph: the products of its matrices, convolutions and attention, one multiplication with its addition as two. */

import type { Graph, Tensor } from './tensor.js';
import { topologicalOrder } from './tensor.js';

/** Kinds that are counted; everything else moves or combines values and counts as nothing. */
export const flopKinds = ['conv', 'linear', 'attention'] as const;
export type FlopKind = (typeof flopKinds)[number];
export type FlopCounts = Readonly<Record<FlopKind, number>>;

/** Floating-point operations of one run, by kind. Shapes are static, so the count is exact. */
export function countFlops(graph: Graph): FlopCounts {
  const counts = { conv: 0, linear: 0, attention: 0 };
  for (const tensor of topologicalOrder(graph.values())) {
    const found = flopsOf(tensor);
    if (found) counts[found.kind] += 2 * found.products;
  }
  return counts;
}

interface Found {
  readonly kind: FlopKind;
  /** Multiplications with their addition. */
  readonly products: number;
}

const size = (shape: readonly number[]): number => shape.reduce((product, n) => product * n, 1);

function flopsOf({ op, inputs, shape }: Tensor): Found | undefined {
  switch (op) {
    case 'MatMul':
      return { kind: 'linear', products: size(shape) * inputs[0]!.shape.at(-1)! };
    case 'Conv':
    case 'BlockedConv': // weight [out, in / groups, kernel…], once per value that comes out
      return { kind: 'conv', products: size(shape) * size(inputs[1]!.shape.slice(1)) };
    case 'ConvTranspose': // weight [in, out / groups, kernel…], once per value that goes in
      return { kind: 'conv', products: size(inputs[0]!.shape) * size(inputs[1]!.shape.slice(1)) };
    case 'ConvWeightGrad': {
      // Output [out, in / groups, kernel…]: every value is a sum over the gradient's pictures.
      const [, gradient] = inputs as [Tensor, Tensor];
      const places = gradient.shape[0]! * size(gradient.shape.slice(2));
      return { kind: 'conv', products: size(shape) * places };
    }
    case 'Attention': {
      const [query, key, value] = inputs as [Tensor, Tensor, Tensor];
      const [n, s, width] = query.shape as [number, number, number];
      const products = n * s * key.shape[1]! * (width + value.shape[2]!);
      return { kind: 'attention', products };
    }
    default:
      return undefined;
  }
}
