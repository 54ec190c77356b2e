/** @file Convolutions over blocks of channels, as ONNX Runtime computes them where it may reorder the weights itself. */
import { elementCount } from '../../core/tensor-data.js';
import { blockedConv2d } from '../build.js';
import { blockChannels, blockTurnedChannels } from '../channel-blocks.js';
import { rewrite } from '../rewrite.js';
import type { Graph, Tensor, TensorOf } from '../tensor.js';
import { turnedPadding } from '../turned-convolution.js';
import { fixedTensors, type IsStored } from './fixed.js';

export interface BlockedOptions {
  readonly isStored: IsStored;
  /** Channels the processor takes at once. */
  readonly block: number;
  /** Whether a weight is large enough to be kept in that order; ONNX Runtime reorders the others itself. */
  readonly isWorth: (weight: Tensor) => boolean;
}

/**
 * Convolutions with stored weights, which then lie in that order already. Results differ by rounding from
 * ONNX Runtime's own rewriting, which also joins convolutions with sums.
 */
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

/** With fewer pixels over the batch, reordering a weight for one use costs what it gains. */
const worthwhilePixels = 512;

/**
 * The convolutions of a training step and those of its gradient by the input. Their weights change
 * at every step and are reordered in it.
 */
export function blockedTraining(graph: Graph, block: number): Graph {
  return rewrite(graph, (node) => {
    if (node.op !== 'Conv' && node.op !== 'ConvTranspose') return undefined;
    const [n, , ...size] = node.shape as [number, number, number, number];
    const [, , ...kernel] = node.inputs[1]!.shape;
    const isWorth = n * elementCount(size) >= worthwhilePixels && elementCount(kernel) > 1;
    if (!isWorth || !hasForm(node, block)) return undefined;
    const [x, weight, bias] = node.inputs as [Tensor, Tensor, Tensor | undefined];
    if (node.op === 'Conv') {
      return blockedConv2d(x, blockChannels(weight, block), bias, { ...node.attributes, block });
    }
    const padding = turnedPadding(node);
    if (!padding) return undefined;
    return blockedConv2d(x, blockTurnedChannels(weight, block), bias, { padding, block });
  });
}

function hasForm(
  { inputs, attributes, dtype }: TensorOf<'Conv' | 'ConvTranspose'>,
  block: number,
): boolean {
  const { dilation, groups } = attributes;
  const [out, channels] = inputs[1]!.shape as [number, number];
  const isWhole = out % block === 0 && channels % block === 0;
  return isWhole && groups === 1 && dilation.every((n) => n === 1) && dtype === 'f32';
}
