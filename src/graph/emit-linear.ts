/** @file ONNX forms of convolutions, their gradients, attention, pooling and resizing. */
import type { OnnxAttribute } from '../formats/onnx.js';
import type { Emitter } from './emitter.js';
import type { ConvAttributes, Pair, PoolAttributes } from './ops.js';
import { resizeMatrix } from './resize-matrix.js';
import type { Tensor, TensorOf } from './tensor.js';
import { turnedPadding } from './turned-convolution.js';

type Attributes = Record<string, OnnxAttribute>;

function convAttributes(kernel: Pair, attributes: ConvAttributes): Attributes {
  const { stride, padding, dilation, groups } = attributes;
  return {
    kernel_shape: { ints: kernel },
    strides: { ints: stride },
    pads: { ints: padding },
    dilations: { ints: dilation },
    group: { int: groups },
  };
}

const pixelsOf = (tensor: Tensor): Pair => [tensor.shape[2]!, tensor.shape[3]!];
const isPointwise = (kernel: Pair, { stride, padding }: ConvAttributes): boolean =>
  kernel.every((n) => n === 1) && stride.every((n) => n === 1) && padding.every((n) => n === 0);

export function emitConv(node: TensorOf<'Conv'>, inputs: readonly string[], to: Emitter): string {
  return to.node('Conv', inputs, convAttributes(pixelsOf(node.inputs[1]!), node.attributes));
}

/** Operators over blocks of channels. */
export const blockDomain = 'com.microsoft.nchwc';

/** ONNX Runtime's own convolution over blocks of channels, with what brings pictures in and out of them. */
export function emitBlockedConv(
  node: TensorOf<'BlockedConv'>,
  [x, ...rest]: readonly string[],
  to: Emitter,
): string {
  const inside = { channels_last: { int: 0 } };
  const blocks = to.node('ReorderInput', [x!], inside, blockDomain);
  const attributes = convAttributes(pixelsOf(node.inputs[1]!), node.attributes);
  const product = to.node('Conv', [blocks, ...rest], attributes, blockDomain);
  const outside = { ...inside, channels: { int: node.shape[1]! } };
  return to.node('ReorderOutput', [product], outside, blockDomain);
}

/** With stride 1 a transposed convolution is a convolution with the kernel flipped: faster here. */
export function emitConvTranspose(
  node: TensorOf<'ConvTranspose'>,
  inputs: readonly string[],
  to: Emitter,
): string {
  const { stride, dilation, groups, outputPadding } = node.attributes;
  const kernel = pixelsOf(node.inputs[1]!);
  const padding = turnedPadding(node);
  const [x, weight, ...bias] = inputs as [string, string, ...string[]];
  if (!padding) {
    return to.node('ConvTranspose', inputs, {
      ...convAttributes(kernel, node.attributes),
      output_padding: { ints: outputPadding },
    });
  }
  const swapped = to.transpose(weight, [1, 0, 2, 3]); // [in, out, kh, kw] -> [out, in, kh, kw]
  const end = -(2 ** 40);
  const flipped = kernel.every((n) => n === 1)
    ? swapped
    : to.slice(swapped, [2, 3], [-1, -1], [end, end], [-1, -1]);
  const attributes = convAttributes(kernel, { stride, padding, dilation, groups });
  return to.node('Conv', [x, flipped, ...bias], attributes);
}

/** Windows side by side, as in patch embeddings. */
const isPatchwise = (kernel: Pair, conv: ConvAttributes): boolean =>
  kernel.join() === conv.stride.join() &&
  kernel.some((n) => n > 1) &&
  conv.padding.every((n) => n === 0) &&
  conv.dilation.every((n) => n === 1) &&
  conv.groups === 1;

/** dW of windows side by side: one product of the gradient with the windows as rows. */
function emitPatchWeightGrad(
  node: TensorOf<'ConvWeightGrad'>,
  inputs: readonly string[],
  to: Emitter,
): string {
  const [x, gradient] = node.inputs as [Tensor, Tensor];
  const [kh, kw] = node.attributes.kernel;
  const channels = x.shape[1]!;
  const [n, out, h, w] = gradient.shape as [number, number, number, number];
  const isWhole = x.shape[2] === h * kh && x.shape[3] === w * kw;
  const covered = isWhole
    ? inputs[0]!
    : to.slice(inputs[0]!, [2, 3], [0, 0], [h * kh, w * kw], [1, 1]);
  const windows = to.transpose(
    to.reshape(covered, [n, channels, h, kh, w, kw]),
    [0, 2, 4, 1, 3, 5],
  );
  const rows = to.reshape(windows, [n * h * w, channels * kh * kw]);
  const g = to.reshape(to.transpose(inputs[1]!, [1, 0, 2, 3]), [out, n * h * w]);
  return to.reshape(to.node('MatMul', [g, rows]), [out, channels, kh, kw]);
}

/**
 * dW as one product per kernel place, over all pictures and pixels at once: the gradient as
 * [out, n·h'·w'] is transposed once, each place multiplies it by a shifted view of x, channels last.
 * x [n, in, h, w], gradient [n, out, h', w'] -> [out, in/groups, kh, kw]
 */
export function emitConvWeightGrad(
  node: TensorOf<'ConvWeightGrad'>,
  inputs: readonly string[],
  to: Emitter,
): string {
  const [x, gradient] = node.inputs as [Tensor, Tensor];
  const { kernel, stride, padding, dilation, groups } = node.attributes;
  const channels = x.shape[1]!;
  const [n, out, h, w] = gradient.shape as [number, number, number, number];
  if (isPatchwise(kernel, node.attributes)) return emitPatchWeightGrad(node, inputs, to);
  const [inG, outG] = [channels / groups, out / groups];
  const g = to.reshape(to.transpose(inputs[1]!, [1, 0, 2, 3]), [groups, outG, n * h * w]);
  const [top, left, bottom, right] = padding;
  const last = to.transpose(inputs[0]!, [0, 2, 3, 1]); // [n, h, w, in]
  const padded = padding.some((size) => size > 0)
    ? to.node('Pad', [last, to.ints([0, top, left, 0, 0, bottom, right, 0]), to.zeros([], x)])
    : last;
  const places: string[] = [];
  for (let row = 0; row < kernel[0]; row++) {
    for (let column = 0; column < kernel[1]; column++) {
      const starts = [row * dilation[0], column * dilation[1]];
      const ends = [starts[0]! + (h - 1) * stride[0] + 1, starts[1]! + (w - 1) * stride[1] + 1];
      const view = isPointwise(kernel, node.attributes)
        ? padded
        : to.slice(padded, [1, 2], starts, ends, stride);
      const rows = to.reshape(view, [n * h * w, groups, inG]);
      const pixels =
        groups === 1 ? to.reshape(rows, [1, n * h * w, inG]) : to.transpose(rows, [1, 0, 2]);
      const product = to.node('MatMul', [g, pixels]); // [groups, outG, inG]
      places.push(to.reshape(product, [1, out * inG]));
    }
  }
  if (places.length === 1) return to.reshape(places[0]!, [out, inG, ...kernel]);
  const all = to.node('Concat', places, { axis: { int: 0 } }); // [kh·kw, out·inG]
  return to.reshape(to.transpose(all, [1, 0]), [out, inG, ...kernel]);
}

/** Multi-head attention of ONNX Runtime; takes its flash path when there is neither bias nor mask. */
export function emitAttention(
  node: TensorOf<'Attention'>,
  inputs: readonly string[],
  to: Emitter,
): string {
  const [query, key, , bias] = node.inputs as [Tensor, Tensor, Tensor, Tensor | undefined];
  const { heads, scale, causal } = node.attributes;
  const [s, t] = [query.shape[1]!, key.shape[1]!];
  let biasName = '';
  if (bias) {
    const full = [bias.shape[0]!, bias.shape[1]!, s, t];
    biasName = to.node('Expand', [inputs[3]!, to.ints(full)]);
  }
  if (causal) {
    const mask = new Float64Array(s * t);
    for (let i = 0; i < s; i++) for (let j = i + 1; j < t; j++) mask[i * t + j] = -1e30;
    const maskName = to.floats(mask, [1, 1, s, t], query);
    biasName = biasName ? to.node('Add', [biasName, maskName]) : maskName;
  }
  const attributes = { num_heads: { int: heads }, scale: { float: scale } };
  const names = [inputs[0]!, inputs[1]!, inputs[2]!];
  if (biasName) names.push('', '', biasName);
  return to.node('MultiHeadAttention', names, attributes, 'com.microsoft');
}

/** Nearest by a whole factor is one ONNX Resize; all else is two products with constant matrices. */
export function emitResize(
  node: TensorOf<'Resize'>,
  inputs: readonly string[],
  to: Emitter,
): string {
  const { mode, size, alignCorners, antialias } = node.attributes;
  const x = node.inputs[0]!;
  const [h, w] = pixelsOf(x);
  if (mode === 'nearest' && size[0] % h === 0 && size[1] % w === 0) {
    return to.node('Resize', [inputs[0]!, '', '', to.ints(node.shape)], {
      mode: { string: 'nearest' },
      coordinate_transformation_mode: { string: 'asymmetric' },
      nearest_mode: { string: 'floor' },
    });
  }
  const rows = resizeMatrix(mode, h, size[0], alignCorners, antialias); // [h', h]
  const columns = resizeMatrix(mode, w, size[1], alignCorners, antialias); // [w', w]
  const wide = to.node('MatMul', [
    inputs[0]!,
    to.floats(transposed(columns, size[1], w), [w, size[1]], x),
  ]);
  return to.node('MatMul', [to.floats(rows, [size[0], h], x), wide]);
}

export function emitResizeAdjoint(
  node: TensorOf<'ResizeAdjoint'>,
  inputs: readonly string[],
  to: Emitter,
): string {
  const { mode, size, inputSize, alignCorners, antialias } = node.attributes;
  const g = node.inputs[0]!;
  const [h, w] = inputSize;
  if (mode === 'nearest' && size[0] % h === 0 && size[1] % w === 0) {
    const kernel = [size[0] / h, size[1] / w];
    const pooled = to.node('AveragePool', [inputs[0]!], {
      kernel_shape: { ints: kernel },
      strides: { ints: kernel },
    });
    return to.node('Mul', [pooled, to.float(kernel[0]! * kernel[1]!, g)]);
  }
  const rows = resizeMatrix(mode, h, size[0], alignCorners, antialias); // [h', h]
  const columns = resizeMatrix(mode, w, size[1], alignCorners, antialias); // [w', w]
  const narrow = to.node('MatMul', [inputs[0]!, to.floats(columns, [size[1], w], g)]);
  return to.node('MatMul', [to.floats(transposed(rows, size[0], h), [h, size[0]], g), narrow]);
}

function transposed(matrix: Float64Array, rows: number, columns: number): Float64Array {
  const result = new Float64Array(matrix.length);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) result[j * rows + i] = matrix[i * columns + j]!;
  }
  return result;
}

export function poolAttributes({ kernel, stride, padding }: PoolAttributes): Attributes {
  return { kernel_shape: { ints: kernel }, strides: { ints: stride }, pads: { ints: padding } };
}

/** 1/(number of values averaged) at each output place, [h', w']. */
function averageWeights(node: TensorOf<'AveragePoolAdjoint'>, h: number, w: number): Float64Array {
  const { kernel, stride, padding, countIncludePad, inputSize } = node.attributes;
  const inside = (index: number, axis: 0 | 1): number => {
    const start = index * stride[axis] - padding[axis];
    const end = Math.min(start + kernel[axis], inputSize[axis]);
    return end - Math.max(start, 0);
  };
  return Float64Array.from({ length: h * w }, (_, i) =>
    countIncludePad
      ? 1 / (kernel[0] * kernel[1])
      : 1 / (inside(Math.floor(i / w), 0) * inside(i % w, 1)),
  );
}

/** Each averaged gradient spread back over its window by a one-channel transposed convolution. */
export function emitAveragePoolAdjoint(
  node: TensorOf<'AveragePoolAdjoint'>,
  inputs: readonly string[],
  to: Emitter,
): string {
  const g = node.inputs[0]!;
  const [n, channels, h, w] = g.shape as [number, number, number, number];
  const { kernel, stride, padding, inputSize } = node.attributes;
  const shares = to.node('Mul', [inputs[0]!, to.floats(averageWeights(node, h, w), [h, w], g)]);
  const missing = (axis: 0 | 1, count: number): number =>
    inputSize[axis] -
    ((count - 1) * stride[axis] - padding[axis] - padding[axis + 2]! + kernel[axis]);
  const planes = to.reshape(shares, [n * channels, 1, h, w]);
  const spread = to.node('ConvTranspose', [planes, to.ones([1, 1, ...kernel], g)], {
    ...poolAttributes(node.attributes),
    output_padding: { ints: [missing(0, h), missing(1, w)] },
  });
  return to.reshape(spread, [n, channels, ...inputSize]);
}
