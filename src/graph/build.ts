/** @file Functions that make graph nodes: the vocabulary models are written in. */
import { complain } from '../core/errors.js';
import { elementCount, type TensorData } from '../core/tensor-data.js';
import type { GraphDtype, Op, OpAttributes, Pair, ResizeAttributes } from './ops.js';
import { node, type Tensor } from './tensor.js';

/** A tensor, or a plain number that takes the dtype of the other operand. */
export type Operand = Tensor | number;

export function constant(value: TensorData): Tensor {
  return node('Constant', [], { value });
}

/** A constant of one repeated value; a scalar when no shape is given. */
export function filled(
  value: number,
  shape: readonly number[] = [],
  dtype: GraphDtype = 'f32',
): Tensor {
  const count = elementCount(shape);
  switch (dtype) {
    case 'f64':
      return constant({ dtype, shape, data: new Float64Array(count).fill(value) });
    case 'f32':
      return constant({ dtype, shape, data: new Float32Array(count).fill(value) });
    case 'i64':
      return constant({ dtype, shape, data: new BigInt64Array(count).fill(BigInt(value)) });
    case 'i32':
      return constant({ dtype, shape, data: new Int32Array(count).fill(value) });
    case 'bool':
      return constant({ dtype, shape, data: new Uint8Array(count).fill(value) });
    case 'f16':
      return cast(filled(value, shape), 'f16');
  }
}

/** An i64 constant vector. */
export function indices(
  values: readonly number[],
  shape: readonly number[] = [values.length],
): Tensor {
  return constant({ dtype: 'i64', shape, data: BigInt64Array.from(values, BigInt) });
}

function operands(where: string, a: Operand, b: Operand): [Tensor, Tensor] {
  if (typeof a === 'number' && typeof b === 'number') {
    throw complain('SHAPE', { where, expected: 'at least one tensor', got: 'two numbers' });
  }
  const dtype = typeof a === 'number' ? (b as Tensor).dtype : a.dtype;
  const lift = (value: Operand): Tensor =>
    typeof value === 'number' ? filled(value, [], dtype) : value;
  return [lift(a), lift(b)];
}

/** Operations without attributes. */
type PlainOp = {
  [K in Op]: Readonly<Record<never, never>> extends OpAttributes[K] ? K : never;
}[Op];
const unary =
  (op: PlainOp) =>
  (x: Tensor): Tensor =>
    node(op, [x], {});
const binary =
  (op: PlainOp) =>
  (a: Operand, b: Operand): Tensor =>
    node(op, operands(op, a, b), {});

export const neg = unary('Neg');
export const abs = unary('Abs');
export const exp = unary('Exp');
export const log = unary('Log');
export const sqrt = unary('Sqrt');
export const reciprocal = unary('Reciprocal');
export const erf = unary('Erf');
export const sin = unary('Sin');
export const cos = unary('Cos');
export const tanh = unary('Tanh');
export const sigmoid = unary('Sigmoid');
export const softplus = unary('Softplus');
export const relu = unary('Relu');
export const quickGelu = unary('QuickGelu');
export const silu = unary('Silu');
export const sign = unary('Sign');
export const floor = unary('Floor');
export const ceil = unary('Ceil');
/** Rounds halves to even. */
export const round = unary('Round');
export const not = unary('Not');
/** Passes the value on and blocks the gradient. */
export const stopGradient = unary('StopGradient');
export const leakyRelu = (x: Tensor, alpha = 0.2): Tensor => node('LeakyRelu', [x], { alpha });
export const elu = (x: Tensor, alpha = 1): Tensor => node('Elu', [x], { alpha });
export const gelu = (x: Tensor, approximate: 'none' | 'tanh' = 'none'): Tensor =>
  node('Gelu', [x], { approximate });
export const clip = (x: Tensor, min: number, max: number): Tensor =>
  node('Clip', [x], { min, max });
/** The same tensor when it already has the dtype. */
export const cast = (x: Tensor, to: GraphDtype): Tensor =>
  x.dtype === to ? x : node('Cast', [x], { to });

export const add = binary('Add');
export const sub = binary('Sub');
export const mul = binary('Mul');
export const div = binary('Div');
export const pow = binary('Pow');
export const maximum = binary('Max');
export const minimum = binary('Min');
/** Remainder with the sign of the divisor. */
export const mod = binary('Mod');
export const equal = binary('Equal');
export const less = binary('Less');
export const lessOrEqual = binary('LessOrEqual');
export const greater = binary('Greater');
export const greaterOrEqual = binary('GreaterOrEqual');
export const and = binary('And');
export const or = binary('Or');
/** Elementwise `condition ? a : b`. */
export function where(condition: Tensor, a: Operand, b: Operand): Tensor {
  return node('Where', [condition, ...operands('Where', a, b)], {});
}
export const square = (x: Tensor): Tensor => mul(x, x);

/** A negative axis counts from the end. */
export function normalizeAxis(axis: number, rank: number): number {
  return axis < 0 ? axis + rank : axis;
}

const reduce =
  (op: 'ReduceSum' | 'ReduceMean' | 'ReduceMax' | 'ReduceMin') =>
  (x: Tensor, axes: readonly number[] = x.shape.map((_, i) => i), keepDims = false): Tensor => {
    const normal = axes.map((axis) => normalizeAxis(axis, x.shape.length)).sort((a, b) => a - b);
    return node(op, [x], { axes: normal, keepDims });
  };
/** Reductions go over all axes unless some are named. */
export const sum = reduce('ReduceSum');
export const mean = reduce('ReduceMean');
export const max = reduce('ReduceMax');
export const min = reduce('ReduceMin');
export const argMax = (x: Tensor, axis = -1, keepDims = false): Tensor =>
  node('ArgMax', [x], { axis: normalizeAxis(axis, x.shape.length), keepDims });
const along =
  (op: 'CumSum' | 'Softmax' | 'LogSoftmax') =>
  (x: Tensor, axis = -1): Tensor =>
    node(op, [x], { axis: normalizeAxis(axis, x.shape.length) });
export const cumSum = along('CumSum');
export const softmax = along('Softmax');
export const logSoftmax = along('LogSoftmax');

/** [.., m, k] × [.., k, n]; batch axes broadcast. */
export const matmul = (a: Tensor, b: Tensor): Tensor => node('MatMul', [a, b], {});

/** The same product in 8 bits: x [.., m, k], weight [k, n], bias [n], f32. */
export const int8Matmul = (x: Tensor, weight: Tensor, bias?: Tensor): Tensor =>
  node('Int8MatMul', bias ? [x, weight, bias] : [x, weight], {});

export interface ConvOptions {
  readonly stride?: number | Pair;
  /** One number for all sides, or [top, left, bottom, right]. */
  readonly padding?: number | readonly [number, number, number, number];
  readonly dilation?: number | Pair;
  readonly groups?: number;
}

const pair = (value: number | Pair): Pair => (typeof value === 'number' ? [value, value] : value);

function convAttributes(options: ConvOptions): OpAttributes['Conv'] {
  const { padding = 0 } = options;
  return {
    stride: pair(options.stride ?? 1),
    padding: typeof padding === 'number' ? [padding, padding, padding, padding] : padding,
    dilation: pair(options.dilation ?? 1),
    groups: options.groups ?? 1,
  };
}

/** x [n, in, h, w], weight [out, in/groups, kh, kw], bias [out]. */
export function conv2d(
  x: Tensor,
  weight: Tensor,
  bias?: Tensor,
  options: ConvOptions = {},
): Tensor {
  return node('Conv', bias ? [x, weight, bias] : [x, weight], convAttributes(options));
}

/** The same with a weight from `blockChannels`, without groups. */
export function blockedConv2d(
  x: Tensor,
  weight: Tensor,
  bias: Tensor | undefined,
  { block, ...options }: ConvOptions & { readonly block: number },
): Tensor {
  const attributes = { ...convAttributes(options), block };
  return node('BlockedConv', bias ? [x, weight, bias] : [x, weight], attributes);
}

/** x [n, in, h, w], weight [in, out/groups, kh, kw], bias [out]. */
export function convTranspose2d(
  x: Tensor,
  weight: Tensor,
  bias?: Tensor,
  options: ConvOptions & { readonly outputPadding?: number | Pair } = {},
): Tensor {
  const attributes = {
    ...convAttributes(options),
    outputPadding: pair(options.outputPadding ?? 0),
  };
  return node('ConvTranspose', bias ? [x, weight, bias] : [x, weight], attributes);
}

/** Scaled dot-product attention on [n, tokens, heads·dim]; `bias` is added to the scores. */
export function attention(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  options: { heads: number; scale?: number; causal?: boolean; bias?: Tensor | undefined },
): Tensor {
  const { heads, causal = false, bias } = options;
  const scale = options.scale ?? 1 / Math.sqrt(query.shape[2]! / heads);
  const inputs = bias ? [query, key, value, bias] : [query, key, value];
  return node('Attention', inputs, { heads, scale, causal });
}

/** Over the last axis; scale and bias are optional vectors of its size. */
export function layerNorm(x: Tensor, eps = 1e-5, scale?: Tensor, bias?: Tensor): Tensor {
  const inputs = scale ? (bias ? [x, scale, bias] : [x, scale]) : [x];
  return node('LayerNorm', inputs, { eps });
}
export const invStdDev = (x: Tensor, eps: number): Tensor => node('InvStdDev', [x], { eps });
export function rmsNorm(x: Tensor, eps = 1e-6, scale?: Tensor): Tensor {
  return node('RmsNorm', scale ? [x, scale] : [x], { eps });
}
/** x [n, c, ..], scale and bias [c]. */
export function groupNorm(
  x: Tensor,
  scale: Tensor,
  bias: Tensor,
  groups: number,
  eps = 1e-5,
): Tensor {
  return node('GroupNorm', [x, scale, bias], { groups, eps });
}
/** Inference form: x [n, c, ..] and vectors [c]; training statistics live in nn. */
export function batchNorm(
  x: Tensor,
  vectors: { scale: Tensor; bias: Tensor; mean: Tensor; variance: Tensor },
  eps = 1e-5,
): Tensor {
  const { scale, bias, mean: average, variance } = vectors;
  return node('BatchNorm', [x, scale, bias, average, variance], { eps });
}

/** The same tensor when the shape already fits; one size may be -1. */
export function reshape(x: Tensor, shape: readonly number[]): Tensor {
  const known = shape.reduce((product, size) => (size === -1 ? product : product * size), 1);
  const full = shape.map((size) => (size === -1 ? elementCount(x.shape) / known : size));
  return full.join() === x.shape.join() ? x : node('Reshape', [x], { shape: full });
}
export function transpose(x: Tensor, permutation: readonly number[]): Tensor {
  const identity =
    permutation.length === x.shape.length && permutation.every((axis, i) => axis === i);
  return identity ? x : node('Transpose', [x], { permutation });
}
export function expand(x: Tensor, shape: readonly number[]): Tensor {
  return shape.join() === x.shape.join() ? x : node('Expand', [x], { shape });
}
export function concat(tensors: readonly Tensor[], axis: number): Tensor {
  if (tensors.length === 1) return tensors[0]!;
  return node('Concat', tensors, { axis: normalizeAxis(axis, tensors[0]?.shape.length ?? 0) });
}
/** General slice: start, count and step of every axis. */
export function slice(
  x: Tensor,
  starts: readonly number[],
  sizes: readonly number[],
  steps: readonly number[] = starts.map(() => 1),
): Tensor {
  const whole = sizes.join() === x.shape.join() && steps.every((step) => step === 1);
  return whole ? x : node('Slice', [x], { starts, sizes, steps });
}
/** `size` elements from `start` on one axis. */
export function sliceAxis(x: Tensor, axis: number, start: number, size: number, step = 1): Tensor {
  const at = normalizeAxis(axis, x.shape.length);
  const pick = (list: readonly number[], value: number): number[] =>
    list.map((other, i) => (i === at ? value : other));
  const zeros = x.shape.map(() => 0);
  const ones = x.shape.map(() => 1);
  return slice(x, pick(zeros, start), pick(x.shape, size), pick(ones, step));
}
/** Equal parts along an axis. */
export function split(x: Tensor, parts: number, axis = -1): Tensor[] {
  const at = normalizeAxis(axis, x.shape.length);
  const size = x.shape[at]! / parts;
  return Array.from({ length: parts }, (_, i) => sliceAxis(x, at, i * size, size));
}
export function pad(
  x: Tensor,
  before: readonly number[],
  after: readonly number[],
  mode: 'constant' | 'reflect' | 'edge' = 'constant',
  value = 0,
): Tensor {
  const none = [...before, ...after].every((size) => size === 0);
  return none ? x : node('Pad', [x], { before, after, mode, value });
}
/** Rows of a table: indices [i..] -> [.., i.., ..]. */
export const gather = (x: Tensor, index: Tensor, axis = 0): Tensor =>
  node('Gather', [x, index], { axis: normalizeAxis(axis, x.shape.length) });
export const scatterAdd = (updates: Tensor, index: Tensor, axis: number, size: number): Tensor =>
  node('ScatterAdd', [updates, index], { axis, size });
export const gatherElements = (x: Tensor, index: Tensor, axis: number): Tensor =>
  node('GatherElements', [x, index], { axis: normalizeAxis(axis, x.shape.length) });
export const scatterElementsAdd = (
  updates: Tensor,
  index: Tensor,
  axis: number,
  size: number,
): Tensor =>
  node('ScatterElementsAdd', [updates, index], {
    axis: normalizeAxis(axis, updates.shape.length),
    size,
  });

export function resize(
  x: Tensor,
  options: Pick<ResizeAttributes, 'mode' | 'size'> & Partial<ResizeAttributes>,
): Tensor {
  return node('Resize', [x], { alignCorners: false, antialias: false, ...options });
}
/** Nearest-neighbour enlargement by a whole factor. */
export function upsampleNearest(x: Tensor, factor = 2): Tensor {
  return resize(x, { mode: 'nearest', size: [x.shape[2]! * factor, x.shape[3]! * factor] });
}
export interface PoolOptions {
  readonly kernel: number | Pair;
  /** Defaults to the kernel. */
  readonly stride?: number | Pair;
  readonly padding?: number | readonly [number, number, number, number];
}
function poolAttributes(options: PoolOptions): OpAttributes['MaxPool'] {
  const { padding = 0 } = options;
  return {
    kernel: pair(options.kernel),
    stride: pair(options.stride ?? options.kernel),
    padding: typeof padding === 'number' ? [padding, padding, padding, padding] : padding,
  };
}
export function averagePool(
  x: Tensor,
  options: PoolOptions & { countIncludePad?: boolean },
): Tensor {
  return node('AveragePool', [x], {
    ...poolAttributes(options),
    countIncludePad: options.countIncludePad ?? true,
  });
}
export const maxPool = (x: Tensor, options: PoolOptions): Tensor =>
  node('MaxPool', [x], poolAttributes(options));
