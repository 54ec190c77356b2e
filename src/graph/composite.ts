/** @file Compound operations written with simpler ones; gradients and emission share these forms. */
import {
  add,
  cast,
  erf,
  exp,
  expand,
  filled,
  greaterOrEqual,
  indices,
  invStdDev,
  layerNorm,
  matmul,
  mean,
  mul,
  neg,
  pad,
  reciprocal,
  reshape,
  scatterAdd,
  sigmoid,
  slice,
  softmax,
  sqrt,
  square,
  sub,
  sum,
  tanh,
  transpose,
  where,
} from './build.js';
import type { Tensor, TensorOf } from './tensor.js';

/** Sums a gradient over the axes that broadcasting had stretched, back to `shape`. */
export function unbroadcast(gradient: Tensor, shape: readonly number[]): Tensor {
  const extra = gradient.shape.length - shape.length;
  const axes: number[] = [];
  gradient.shape.forEach((size, axis) => {
    if (axis < extra || (shape[axis - extra] === 1 && size !== 1)) axes.push(axis);
  });
  return axes.length === 0 ? gradient : reshape(sum(gradient, axes, true), shape);
}

/** A vector [c] shaped to broadcast along axis 1 of a rank-n tensor. */
export function alongChannels(vector: Tensor, rank: number): Tensor {
  return reshape(vector, [1, vector.shape[0]!, ...new Array<number>(rank - 2).fill(1)]);
}

export function siluForm(x: Tensor): Tensor {
  return mul(x, sigmoid(x));
}

export function quickGeluForm(x: Tensor): Tensor {
  return mul(x, sigmoid(mul(x, 1.702)));
}

/** The normal distribution function at x: ½(1 + erf(x/√2)). */
export function normalCdf(x: Tensor): Tensor {
  return mul(add(erf(mul(x, Math.SQRT1_2)), 1), 0.5);
}

/** The normal density at x. */
export function normalPdf(x: Tensor): Tensor {
  return mul(exp(mul(square(x), -0.5)), 1 / Math.sqrt(2 * Math.PI));
}

const geluSlope = Math.sqrt(2 / Math.PI);

/** tanh(√(2/π)(x + 0.044715x³)), Hendrycks and Gimpel 2016. */
export function geluTanh(x: Tensor): Tensor {
  return tanh(mul(mul(x, add(mul(square(x), 0.044715), 1)), geluSlope));
}

/** Derivative of the argument of `geluTanh`. */
export function geluTanhSlope(x: Tensor): Tensor {
  return mul(add(mul(square(x), 3 * 0.044715), 1), geluSlope);
}

/** Gelu written so that its gradient shares the distribution or the tanh. */
export function geluForm(node: TensorOf<'Gelu'>): Tensor {
  const x = node.inputs[0]!;
  if (node.attributes.approximate === 'none') return mul(x, normalCdf(x));
  return mul(mul(x, add(geluTanh(x), 1)), 0.5);
}

/** The groups of a picture as rows: [n, c, ..] -> [n, groups, c/groups·pixels]. */
export function groupRows(x: Tensor, groups: number): Tensor {
  return reshape(x, [x.shape[0]!, groups, -1]);
}

/** Group norm without affine, via layer norm over each group's values. */
export function groupNormalized(x: Tensor, groups: number, eps: number): Tensor {
  return reshape(layerNorm(groupRows(x, groups), eps), x.shape);
}

export function groupNormForm(node: TensorOf<'GroupNorm'>): Tensor {
  const [x, scale, bias] = node.inputs as [Tensor, Tensor, Tensor];
  const rank = x.shape.length;
  const normalized = groupNormalized(x, node.attributes.groups, node.attributes.eps);
  return add(mul(normalized, alongChannels(scale, rank)), alongChannels(bias, rank));
}

/** Layer norm as normalise, scale, shift, so that a gradient can share the normalised value. */
export function layerNormForm(node: TensorOf<'LayerNorm'>): Tensor {
  const [x, scale, bias] = node.inputs as [Tensor, Tensor | undefined, Tensor | undefined];
  if (!scale) return node;
  const scaled = mul(layerNorm(x, node.attributes.eps), scale);
  return bias ? add(scaled, bias) : scaled;
}

/** 1/√(mean(x²) + eps) over the last axis, kept as size 1. */
export function invRms(x: Tensor, eps: number): Tensor {
  return reciprocal(sqrt(add(mean(square(x), [-1], true), eps)));
}

export function rmsNormForm(node: TensorOf<'RmsNorm'>): Tensor {
  const [x, scale] = node.inputs as [Tensor, Tensor | undefined];
  const normalized = mul(x, invRms(x, node.attributes.eps));
  return scale ? mul(normalized, scale) : normalized;
}

/** 1/√(variance + eps) of a batch norm, [c]. */
export function batchNormFactor(node: TensorOf<'BatchNorm'>): Tensor {
  return reciprocal(sqrt(add(node.inputs[4]!, node.attributes.eps)));
}

export interface AttentionHeads {
  readonly query: Tensor; // [n, heads, s, d]
  readonly key: Tensor; // [n, heads, t, d]
  readonly value: Tensor; // [n, heads, t, e]
  readonly probabilities: Tensor; // [n, heads, s, t]
}

/** [n, tokens, heads·d] -> [n, heads, tokens, d] */
export function splitHeads(x: Tensor, heads: number): Tensor {
  const [n, tokens, width] = x.shape as [number, number, number];
  return transpose(reshape(x, [n, tokens, heads, width / heads]), [0, 2, 1, 3]);
}

/** [n, heads, tokens, d] -> [n, tokens, heads·d] */
export function mergeHeads(x: Tensor): Tensor {
  const [n, heads, tokens, d] = x.shape as [number, number, number, number];
  return reshape(transpose(x, [0, 2, 1, 3]), [n, tokens, heads * d]);
}

/** Scaled dot-product attention taken apart, Vaswani et al. 2017, eq. 1. */
export function attentionHeads(node: TensorOf<'Attention'>): AttentionHeads {
  const [query, key, value, bias] = node.inputs as [Tensor, Tensor, Tensor, Tensor | undefined];
  const { heads, scale, causal } = node.attributes;
  const [q, k, v] = [query, key, value].map((x) => splitHeads(x, heads)) as [
    Tensor,
    Tensor,
    Tensor,
  ];
  let scores = matmul(mul(q, scale), transpose(k, [0, 1, 3, 2])); // [n, heads, s, t]
  if (bias) scores = add(scores, bias);
  if (causal) scores = add(scores, causalBias(scores.shape[2]!, scores.shape[3]!, scores.dtype));
  return { query: q, key: k, value: v, probabilities: softmax(scores, -1) };
}

/** [s, t] with a large negative number wherever key index > query index. */
export function causalBias(s: number, t: number, dtype: Tensor['dtype']): Tensor {
  const rows = indices(
    Array.from({ length: s }, (_, i) => i),
    [s, 1],
  );
  const columns = indices(
    Array.from({ length: t }, (_, i) => i),
    [1, t],
  );
  return where(greaterOrEqual(rows, columns), filled(0, [], dtype), filled(-1e30, [], dtype));
}

export function attentionForm(node: TensorOf<'Attention'>): Tensor {
  const { value, probabilities } = attentionHeads(node);
  return mergeHeads(matmul(probabilities, value));
}

/** Reverses one axis. */
export function flip(x: Tensor, axis: number): Tensor {
  const starts = x.shape.map((size, i) => (i === axis ? size - 1 : 0));
  return slice(
    x,
    starts,
    x.shape,
    x.shape.map((_, i) => (i === axis ? -1 : 1)),
  );
}

/** Adjoint of a slice on one axis: the values spread by `step` into zeros of `size`. */
function unsliceAxis(g: Tensor, axis: number, start: number, step: number, size: number): Tensor {
  const count = g.shape[axis]!;
  if (step < 0) return unsliceAxis(flip(g, axis), axis, start + (count - 1) * step, -step, size);
  const at = (value: number, rest: readonly number[]): number[] =>
    rest.map((other, i) => (i === axis ? value : other));
  const zeros = g.shape.map(() => 0);
  let spread = g;
  if (step > 1 && count > 1) {
    const column = reshape(g, [...g.shape.slice(0, axis + 1), 1, ...g.shape.slice(axis + 1)]);
    const gap = column.shape.map((_, i) => (i === axis + 1 ? step - 1 : 0));
    const padded = pad(
      column,
      gap.map(() => 0),
      gap,
    );
    const length = (count - 1) * step + 1;
    spread = slice(reshape(padded, at(count * step, g.shape)), zeros, at(length, g.shape));
  }
  const after = size - start - spread.shape[axis]!;
  return pad(spread, at(start, zeros), at(after, zeros));
}

/** Adjoint of Slice: zeros of `shape` with the values back in their places. */
export function unslice(
  g: Tensor,
  shape: readonly number[],
  starts: readonly number[],
  steps: readonly number[],
): Tensor {
  return shape.reduce(
    (x, size, axis) => unsliceAxis(x, axis, starts[axis]!, steps[axis]!, size),
    g,
  );
}

/** Source index of every place of a reflect- or edge-padded axis. */
function paddedIndices(
  size: number,
  before: number,
  after: number,
  mode: 'reflect' | 'edge',
): number[] {
  return Array.from({ length: before + size + after }, (_, place) => {
    const i = place - before;
    if (i >= 0 && i < size) return i;
    if (mode === 'edge') return i < 0 ? 0 : size - 1;
    return i < 0 ? -i : 2 * (size - 1) - i;
  });
}

/** Adjoint of Pad: the values of padded places added back to where they were read. */
export function padGradient(node: TensorOf<'Pad'>, g: Tensor): Tensor {
  const { before, after, mode } = node.attributes;
  const { shape } = node.inputs[0]!;
  if (mode === 'constant') return slice(g, before, shape);
  return shape.reduce((rest, size, axis) => {
    if (before[axis] === 0 && after[axis] === 0) return rest;
    const places = indices(paddedIndices(size, before[axis]!, after[axis]!, mode));
    return scatterAdd(rest, places, axis, size);
  }, g);
}

/** Windows of a max pool: for each kernel place, the strided view of the padded input. */
export function poolWindows(node: TensorOf<'MaxPool'>): {
  padded: Tensor;
  views: { starts: number[]; steps: number[]; view: Tensor }[];
} {
  const { kernel, stride, padding } = node.attributes;
  const [top, left, bottom, right] = padding;
  const x = node.inputs[0]!;
  const padded = pad(x, [0, 0, top, left], [0, 0, bottom, right], 'constant', -3.4e38);
  const steps = [1, 1, stride[0], stride[1]];
  const views = [];
  for (let row = 0; row < kernel[0]; row++) {
    for (let column = 0; column < kernel[1]; column++) {
      const starts = [0, 0, row, column];
      views.push({ starts, steps, view: slice(padded, starts, node.shape, steps) });
    }
  }
  return { padded, views };
}

/** Gradient of MaxPool by its input; the first of equal values takes it all, as torch does. */
export function maxPoolGradient(node: TensorOf<'MaxPool'>, g: Tensor): Tensor {
  const { padded, views } = poolWindows(node);
  const [top, left] = node.attributes.padding;
  let free: Tensor = filled(1, node.shape, g.dtype);
  let total: Tensor | undefined;
  for (const { starts, steps, view } of views) {
    const isMax = cast(greaterOrEqual(view, node), g.dtype);
    const taken = mul(isMax, free);
    free = sub(free, taken);
    const part = unslice(mul(g, taken), padded.shape, starts, steps);
    total = total ? add(total, part) : part;
  }
  return slice(total!, [0, 0, top, left], node.inputs[0]!.shape);
}

/** dx of y = normalize(x) over the last axis, given dy and 1/std: r(dy − mean dy − y·mean(dy·y)). */
export function normalizeGradient(dy: Tensor, y: Tensor, r: Tensor): Tensor {
  const centred = sub(sub(dy, mean(dy, [-1], true)), mul(y, mean(mul(dy, y), [-1], true)));
  return mul(r, centred);
}

/** Gradients of GroupNorm by x, scale and bias; per-channel sums keep the large passes few. */
export function groupNormGradient(
  node: TensorOf<'GroupNorm'>,
  g: Tensor,
): { x: () => Tensor; scale: () => Tensor; bias: () => Tensor } {
  const [x, scale] = node.inputs as [Tensor, Tensor, Tensor];
  const { groups, eps } = node.attributes;
  const [n, channels] = x.shape as [number, number];
  const pixels = x.shape.slice(2).map((_, i) => i + 2);
  const normalized = groupNormalized(x, groups, eps);
  const sumG = sum(g, pixels); // [n, c]
  const sumGx = sum(mul(g, normalized), pixels); // [n, c]
  const perPixel = (values: Tensor): Tensor =>
    reshape(values, [n, channels, ...pixels.map(() => 1)]);
  const groupMean = (sums: Tensor): Tensor => {
    // [n, c] weighted by scale -> mean over each group, repeated per channel [n, groups, c/groups]
    const weighted = reshape(mul(sums, scale), [n, groups, channels / groups]);
    const count = pixels.reduce((product, axis) => product * x.shape[axis]!, channels / groups);
    return mul(sum(weighted, [2], true), 1 / count);
  };
  return {
    x: () => {
      const r = invStdDev(groupRows(x, groups), eps); // [n, groups, 1]
      const perChannel = [n, groups, channels / groups];
      const slope = mul(r, reshape(scale, [1, groups, channels / groups]));
      const shift = expand(mul(r, groupMean(sumG)), perChannel);
      const spread = expand(mul(r, groupMean(sumGx)), perChannel);
      const scaled = sub(mul(g, perPixel(slope)), mul(normalized, perPixel(spread)));
      return sub(scaled, perPixel(shift));
    },
    scale: () => sum(sumGx, [0]),
    bias: () => sum(sumG, [0]),
  };
}

/** Gradients of MatMul: dA = g·Bᵀ, dB = Aᵀ·g; a shared matrix B takes one flat product. */
export function matmulGradient(a: Tensor, b: Tensor, g: Tensor): [() => Tensor, () => Tensor] {
  const swap = (x: Tensor): Tensor => {
    const axes = x.shape.map((_, i) => i);
    const rank = axes.length;
    return transpose(x, [...axes.slice(0, rank - 2), rank - 1, rank - 2]);
  };
  const byA = (): Tensor => unbroadcast(matmul(g, swap(b)), a.shape);
  const byB = (): Tensor => {
    if (b.shape.length === 2 && a.shape.length > 2) {
      const rowsA = reshape(a, [-1, a.shape.at(-1)!]);
      return matmul(swap(rowsA), reshape(g, [-1, g.shape.at(-1)!]));
    }
    return unbroadcast(matmul(swap(a), g), b.shape);
  };
  return [byA, byB];
}

/** Gradients of attention with the probabilities recomputed: softmax backward between two products. */
export function attentionGradient(node: TensorOf<'Attention'>, g: Tensor): (() => Tensor)[] {
  const { scale, heads } = node.attributes;
  const { query, key, value, probabilities } = attentionHeads(node);
  const gHeads = splitHeads(g, heads); // [n, heads, s, e]
  const byProbabilities = matmul(gHeads, transpose(value, [0, 1, 3, 2])); // [n, heads, s, t]
  const weighted = mul(byProbabilities, probabilities);
  const byScores = sub(weighted, mul(probabilities, sum(weighted, [-1], true)));
  const gradients = [
    () => mergeHeads(mul(matmul(byScores, key), scale)),
    () => mergeHeads(mul(matmul(transpose(byScores, [0, 1, 3, 2]), query), scale)),
    () => mergeHeads(matmul(transpose(probabilities, [0, 1, 3, 2]), gHeads)),
  ];
  const bias = node.inputs[3];
  if (bias) gradients.push(() => unbroadcast(byScores, bias.shape));
  return gradients;
}

/** Gradients of inference batch norm by x, scale, bias, mean and variance. */
export function batchNormGradient(node: TensorOf<'BatchNorm'>, g: Tensor): (() => Tensor)[] {
  const [x, scale, , average] = node.inputs as [Tensor, Tensor, Tensor, Tensor, Tensor];
  const rank = x.shape.length;
  const others = x.shape.map((_, i) => i).filter((axis) => axis !== 1);
  const factor = batchNormFactor(node);
  const slope = mul(scale, factor);
  const centred = sub(x, alongChannels(average, rank));
  const sumGx = (): Tensor => sum(mul(g, centred), others);
  return [
    () => mul(g, alongChannels(slope, rank)),
    () => mul(sumGx(), factor),
    () => sum(g, others),
    () => neg(mul(sum(g, others), slope)),
    () => mul(mul(sumGx(), slope), mul(square(factor), -0.5)),
  ];
}

/** Slices of a gradient for each input of a concatenation. */
export function concatGradient(node: TensorOf<'Concat'>, g: Tensor): (() => Tensor)[] {
  const { axis } = node.attributes;
  let start = 0;
  return node.inputs.map((source) => {
    const starts = source.shape.map((_, i) => (i === axis ? start : 0));
    start += source.shape[axis]!;
    return () => slice(g, starts, source.shape);
  });
}
