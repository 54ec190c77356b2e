/** @file Interpreter kernels on pictures [n, channels, height, width]: convolution, pooling, resizing. */
import { elementCount } from '../core/tensor-data.js';
import type { Kernel, Kernels } from './interpret-kernel.js';
import type { ConvAttributes, Padding, Pair, PoolAttributes, ResizeAttributes } from './ops.js';
import { resizeMatrix } from './resize-matrix.js';
import type { TensorOf } from './tensor.js';

type Shape4 = readonly [number, number, number, number];

/** A run of products of one weight with one row of the input and one row of the output. */
interface Run {
  readonly count: number;
  /** Index of the first input element and its step. */
  readonly input: number;
  readonly step: number;
  readonly output: number;
  readonly weight: number;
}

/** Outputs of one axis that see the input through kernel position `tap`: [first, count, input]. */
function overlap(
  size: number,
  outSize: number,
  offset: number,
  stride: number,
): [first: number, count: number, input: number] {
  const first = Math.max(0, Math.ceil(-offset / stride));
  const last = Math.min(outSize - 1, Math.floor((size - 1 - offset) / stride));
  return [first, last - first + 1, offset + first * stride];
}

/**
 * All products of a convolution from `x` to `out` with a weight [out, in/groups, kh, kw]. The
 * three convolutions differ only in which of the three arrays they add to.
 */
function forEachRun(
  x: Shape4,
  out: Shape4,
  kernel: Pair,
  attributes: ConvAttributes,
  visit: (run: Run) => void,
): void {
  const { stride, padding, dilation, groups } = attributes;
  const [n, channels, height, width] = x;
  const [, outChannels, outHeight, outWidth] = out;
  const [perGroup, outPerGroup] = [channels / groups, outChannels / groups];
  const [kh, kw] = kernel;
  let weight = 0;
  for (let o = 0; o < outChannels; o++) {
    const firstChannel = Math.floor(o / outPerGroup) * perGroup;
    for (let c = firstChannel; c < firstChannel + perGroup; c++) {
      for (let tap = 0; tap < kh * kw; tap++, weight++) {
        const [ty, tx] = [Math.floor(tap / kw), tap % kw];
        const offsetY = ty * dilation[0] - padding[0];
        const [y0, rows, inY] = overlap(height, outHeight, offsetY, stride[0]);
        const offsetX = tx * dilation[1] - padding[1];
        const [x0, count, inX] = overlap(width, outWidth, offsetX, stride[1]);
        if (count < 1) continue;
        for (let sample = 0; sample < n; sample++) {
          for (let row = 0; row < rows; row++) {
            const line = (sample * channels + c) * height + inY + row * stride[0];
            const outLine = (sample * outChannels + o) * outHeight + y0 + row;
            visit({
              count,
              input: line * width + inX,
              step: stride[1],
              output: outLine * outWidth + x0,
              weight,
            });
          }
        }
      }
    }
  }
}

/** Output filled with the bias of its channel, or zeros. */
function biased([n, channels, h, w]: Shape4, bias: Float64Array | undefined): Float64Array {
  const out = new Float64Array(n * channels * h * w);
  if (!bias) return out;
  return out.map((_, i) => bias[Math.floor(i / (h * w)) % channels]!);
}

function convolved(
  inputs: readonly Float64Array[],
  node: TensorOf<'Conv' | 'BlockedConv'>,
): Float64Array {
  const [x, weights, bias] = inputs as [Float64Array, Float64Array, Float64Array?];
  const [xShape, weightShape] = [node.inputs[0]!.shape as Shape4, node.inputs[1]!.shape as Shape4];
  const out = biased(node.shape as Shape4, bias);
  const kernel: Pair = [weightShape[2], weightShape[3]];
  forEachRun(xShape, node.shape as Shape4, kernel, node.attributes, (run) => {
    const w = weights[run.weight]!;
    for (let i = 0; i < run.count; i++) out[run.output + i]! += w * x[run.input + i * run.step]!;
  });
  return out;
}

const conv: Kernel<'Conv'> = (inputs, node) => convolved(inputs as Float64Array[], node);

/** The values of a weight of this shape whose channels lie in blocks, in their usual order. */
function unblocked(
  weights: Float64Array,
  [out, channels, kh, kw]: Shape4,
  block: number,
): Float64Array {
  const result = new Float64Array(weights.length);
  const taps = kh * kw;
  for (let o = 0; o < out; o++) {
    for (let c = 0; c < channels; c++) {
      const pair = Math.floor(o / block) * (channels / block) + Math.floor(c / block);
      for (let tap = 0; tap < taps; tap++) {
        const within = (pair * taps + tap) * block + (c % block);
        result[(o * channels + c) * taps + tap] = weights[within * block + (o % block)]!;
      }
    }
  }
  return result;
}

const blockedConv: Kernel<'BlockedConv'> = ([x, weights, bias], node) => {
  const plain = unblocked(weights!, node.inputs[1]!.shape as Shape4, node.attributes.block);
  return convolved([x!, plain, ...(bias ? [bias] : [])], node);
};

/** The transpose of Conv: its input takes the place of Conv's output. */
const convTranspose: Kernel<'ConvTranspose'> = (inputs, node) => {
  const [x, weights, bias] = inputs as [Float64Array, Float64Array, Float64Array?];
  const [xShape, weightShape] = [node.inputs[0]!.shape as Shape4, node.inputs[1]!.shape as Shape4];
  const out = biased(node.shape as Shape4, bias);
  const kernel: Pair = [weightShape[2], weightShape[3]];
  forEachRun(node.shape as Shape4, xShape, kernel, node.attributes, (run) => {
    const w = weights[run.weight]!;
    for (let i = 0; i < run.count; i++) out[run.input + i * run.step]! += w * x[run.output + i]!;
  });
  return out;
};

const convWeightGrad: Kernel<'ConvWeightGrad'> = (inputs, node) => {
  const [x, gradient] = inputs as [Float64Array, Float64Array];
  const [xShape, outShape] = node.inputs.map((input) => input.shape) as unknown as [Shape4, Shape4];
  const out = new Float64Array(elementCount(node.shape));
  forEachRun(xShape, outShape, node.attributes.kernel, node.attributes, (run) => {
    let total = 0;
    for (let i = 0; i < run.count; i++) {
      total += x[run.input + i * run.step]! * gradient[run.output + i]!;
    }
    out[run.weight]! += total;
  });
  return out;
};

/** The part of one pooling window that lies inside the picture. */
interface Window {
  readonly output: number;
  readonly inputs: readonly number[];
}

function* windows(x: Shape4, out: Shape4, pool: PoolAttributes): Generator<Window> {
  const { kernel, stride, padding } = pool;
  const inside = (at: number, axis: 0 | 1): number[] => {
    const start = at * stride[axis] - (padding as Padding)[axis];
    const all = Array.from({ length: kernel[axis] }, (_, i) => start + i);
    return all.filter((i) => i >= 0 && i < x[axis + 2]!);
  };
  let output = 0;
  for (let plane = 0; plane < out[0] * out[1]; plane++) {
    for (let i = 0; i < out[2]; i++) {
      for (let j = 0; j < out[3]; j++, output++) {
        const columns = inside(j, 1);
        const rows = inside(i, 0).map((row) => (plane * x[2] + row) * x[3]);
        yield { output, inputs: rows.flatMap((row) => columns.map((column) => row + column)) };
      }
    }
  }
}

/** What an average divides by. */
function divisor(
  window: Window,
  { countIncludePad, kernel }: { countIncludePad: boolean; kernel: Pair },
): number {
  return countIncludePad ? kernel[0] * kernel[1] : window.inputs.length;
}

const averagePool: Kernel<'AveragePool'> = ([x], node) => {
  const out = new Float64Array(elementCount(node.shape));
  const [from, to] = [node.inputs[0]!.shape as Shape4, node.shape as Shape4];
  for (const window of windows(from, to, node.attributes)) {
    const total = window.inputs.reduce((sum, at) => sum + x![at]!, 0);
    out[window.output] = total / divisor(window, node.attributes);
  }
  return out;
};

const averagePoolAdjoint: Kernel<'AveragePoolAdjoint'> = ([gradient], node) => {
  const out = new Float64Array(elementCount(node.shape));
  const [from, to] = [node.shape as Shape4, node.inputs[0]!.shape as Shape4];
  for (const window of windows(from, to, node.attributes)) {
    const share = gradient![window.output]! / divisor(window, node.attributes);
    for (const at of window.inputs) out[at]! += share;
  }
  return out;
};

const maxPool: Kernel<'MaxPool'> = ([x], node) => {
  const out = new Float64Array(elementCount(node.shape));
  const [from, to] = [node.inputs[0]!.shape as Shape4, node.shape as Shape4];
  for (const window of windows(from, to, node.attributes)) {
    out[window.output] = Math.max(...window.inputs.map((at) => x![at]!));
  }
  return out;
};

/** rows · plane · columnsᵀ for each picture plane. */
function separable(
  x: Float64Array,
  rows: Float64Array,
  columns: Float64Array,
  [h, w]: Pair,
  [outH, outW]: Pair,
): Float64Array {
  const planes = x.length / (h * w);
  const wide = new Float64Array(planes * h * outW);
  for (let line = 0; line < planes * h; line++) {
    for (let j = 0; j < outW; j++) {
      let total = 0;
      for (let k = 0; k < w; k++) total += columns[j * w + k]! * x[line * w + k]!;
      wide[line * outW + j] = total;
    }
  }
  const out = new Float64Array(planes * outH * outW);
  for (let at = 0; at < out.length; at++) {
    const [j, i] = [at % outW, Math.floor(at / outW) % outH];
    const plane = Math.floor(at / (outW * outH)) * h * outW;
    let total = 0;
    for (let k = 0; k < h; k++) total += rows[i * h + k]! * wide[plane + k * outW + j]!;
    out[at] = total;
  }
  return out;
}

function resizeMatrices(inSize: Pair, attributes: ResizeAttributes): [Float64Array, Float64Array] {
  const { mode, size, alignCorners, antialias } = attributes;
  return [
    resizeMatrix(mode, inSize[0], size[0], alignCorners, antialias),
    resizeMatrix(mode, inSize[1], size[1], alignCorners, antialias),
  ];
}

function transposed(matrix: Float64Array, rows: number): Float64Array {
  const columns = matrix.length / rows;
  return matrix.map((_, i) => matrix[(i % rows) * columns + Math.floor(i / rows)]!);
}

const resize: Kernel<'Resize'> = ([x], node) => {
  const [, , h, w] = node.inputs[0]!.shape as Shape4;
  const [rows, columns] = resizeMatrices([h, w], node.attributes);
  return separable(x!, rows, columns, [h, w], node.attributes.size);
};

const resizeAdjoint: Kernel<'ResizeAdjoint'> = ([gradient], node) => {
  const { size, inputSize } = node.attributes;
  const [rows, columns] = resizeMatrices(inputSize, node.attributes);
  const [up, across] = [transposed(rows, size[0]), transposed(columns, size[1])];
  return separable(gradient!, up, across, size, inputSize);
};

export const pictureKernels = {
  Conv: conv,
  BlockedConv: blockedConv,
  ConvTranspose: convTranspose,
  ConvWeightGrad: convWeightGrad,
  Resize: resize,
  ResizeAdjoint: resizeAdjoint,
  AveragePool: averagePool,
  AveragePoolAdjoint: averagePoolAdjoint,
  MaxPool: maxPool,
} as const satisfies Partial<Kernels>;
