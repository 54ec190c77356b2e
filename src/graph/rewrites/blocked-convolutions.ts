/** @file Convolutions over blocks of channels, as ONNX Runtime computes them, with weights that lie in that order already. */
import { blockChannels, blockedConv2d } from '../build.js';
import { rewrite } from '../rewrite.js';
import type { Graph, Tensor, TensorOf } from '../tensor.js';
import { fixedTensors, type IsStored } from './fixed.js';

export interface BlockedOptions {
  readonly isStored: IsStored;
  /** Channels the processor takes at once. */
  readonly block: number;
  /** Whether a weight is large enough to be kept in that order; ONNX Runtime reorders the others itself. */
  readonly isWorth: (weight: Tensor) => boolean;
}

/** Results differ by rounding from ONNX Runtime's own rewriting, which also joins convolutions with sums. */
export function blockedConvolutions(graph: Graph, options: BlockedOptions): Graph {
  const { isStored, block, isWorth } = options;
  const fixed = fixedTensors(graph, isStored);
  return rewrite(graph, (node, original) => {
    if (node.op !== 'Conv' || !fixed.has(original.inputs[1]!)) return undefined;
    const [x, weight, bias] = node.inputs as [Tensor, Tensor, Tensor | undefined];
    if (!hasForm(node, block) || !isWorth(weight)) return undefined;
    return blockedConv2d(x, blockChannels(weight, block), bias, { ...node.attributes, block });
  });
}

function hasForm({ inputs, attributes, dtype }: TensorOf<'Conv'>, block: number): boolean {
  const { dilation, groups } = attributes;
  const [out, channels] = inputs[1]!.shape as [number, number];
  const isWhole = out % block === 0 && channels % block === 0;
  return isWhole && groups === 1 && dilation.every((n) => n === 1) && dtype === 'f32';
}
