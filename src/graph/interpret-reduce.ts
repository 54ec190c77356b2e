/** @file Interpreter kernels that work along axes: reductions, cumulative sum and softmax. */
import { forEachLine, type Kernel, type Kernels, reducedIndices } from './interpret-kernel.js';
import type { OpAttributes } from './ops.js';
import { isFloat } from './shape.js';
import type { TensorOf } from './tensor.js';

type Reduction = 'ReduceSum' | 'ReduceMean' | 'ReduceMax' | 'ReduceMin';

const reduce =
  (initial: number, combine: (total: number, x: number) => number) =>
  (inputs: readonly Float64Array[], node: TensorOf<Reduction>): Float64Array => {
    const [x] = inputs as [Float64Array];
    const { axes } = node.attributes as OpAttributes[Reduction];
    const target = reducedIndices(node.inputs[0]!.shape, axes);
    const out = new Float64Array(node.shape.reduce((count, n) => count * n, 1)).fill(initial);
    for (let i = 0; i < x.length; i++) out[target[i]!] = combine(out[target[i]!]!, x[i]!);
    return out;
  };

const sum = reduce(0, (total, x) => total + x);

/** Integers divide towards zero. */
const mean: Kernel<'ReduceMean'> = (inputs, node) => {
  const total = sum(inputs, node);
  const count = inputs[0]!.length / total.length;
  return total.map((value) => (isFloat(node.dtype) ? value / count : Math.trunc(value / count)));
};

/** The first of equal maxima. */
const argMax: Kernel<'ArgMax'> = ([x], node) => {
  const out: number[] = [];
  forEachLine(node.inputs[0]!.shape, node.attributes.axis, (start, step, size) => {
    let best = 0;
    for (let i = 1; i < size; i++) {
      if (x![start + i * step]! > x![start + best * step]!) best = i;
    }
    out.push(best);
  });
  return Float64Array.from(out);
};

const cumSum: Kernel<'CumSum'> = ([x], node) => {
  const out = x!.slice();
  forEachLine(node.shape, node.attributes.axis, (start, step, size) => {
    for (let i = 1; i < size; i++) out[start + i * step]! += out[start + (i - 1) * step]!;
  });
  return out;
};

/** log Σ exp of one line, shifted by its maximum. */
function logSumExp(x: Float64Array, start: number, step: number, size: number): number {
  let largest = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < size; i++) largest = Math.max(largest, x[start + i * step]!);
  let total = 0;
  for (let i = 0; i < size; i++) total += Math.exp(x[start + i * step]! - largest);
  return largest + Math.log(total);
}

const logSoftmax: Kernel<'Softmax' | 'LogSoftmax'> = ([x], node) => {
  const out = x!.slice();
  forEachLine(node.shape, node.attributes.axis, (start, step, size) => {
    const shift = logSumExp(x!, start, step, size);
    for (let i = 0; i < size; i++) out[start + i * step]! -= shift;
  });
  return out;
};

export const reduceKernels = {
  ReduceSum: sum,
  ReduceMean: mean,
  ReduceMax: reduce(Number.NEGATIVE_INFINITY, Math.max),
  ReduceMin: reduce(Number.POSITIVE_INFINITY, Math.min),
  ArgMax: argMax,
  CumSum: cumSum,
  Softmax: (inputs, node) => logSoftmax(inputs, node).map(Math.exp),
  LogSoftmax: logSoftmax,
} as const satisfies Partial<Kernels>;
