/** @file Shape and dtype rule of every operation: a total table, checked when a node is made. */
import { complain } from '../core/errors.js';
import { elementCount } from '../core/tensor-data.js';
import type { ConvAttributes, GraphDtype, Op, OpAttributes, Pair, PoolAttributes } from './ops.js';
import type { Tensor } from './tensor.js';

export interface ShapeAndDtype {
  readonly shape: readonly number[];
  readonly dtype: GraphDtype;
}

type Rule<A> = (inputs: readonly Tensor[], attributes: A) => ShapeAndDtype;
type Rules = { readonly [K in Op]: Rule<OpAttributes[K]> };

const floats: ReadonlySet<GraphDtype> = new Set<GraphDtype>(['f64', 'f32', 'f16']);

/** True for dtypes that carry gradients. */
export function isFloat(dtype: GraphDtype): boolean {
  return floats.has(dtype);
}

function show(tensor: Tensor): string {
  return `${tensor.dtype}[${tensor.shape.join(',')}]`;
}

function refuse(where: string, expected: string, inputs: readonly Tensor[]): never {
  throw complain('SHAPE', { where, expected, got: inputs.map(show).join(' and ') || 'nothing' });
}

function sameDtype(where: string, inputs: readonly Tensor[]): GraphDtype {
  const dtype = inputs[0]!.dtype;
  if (inputs.some((input) => input.dtype !== dtype)) {
    refuse(where, 'inputs of one dtype (cast explicitly)', inputs);
  }
  return dtype;
}

function wantFloat(where: string, inputs: readonly Tensor[]): GraphDtype {
  const dtype = sameDtype(where, inputs);
  if (!isFloat(dtype)) refuse(where, 'floating-point inputs', inputs);
  return dtype;
}

function wantIndices(where: string, indices: Tensor): void {
  if (indices.dtype !== 'i64' && indices.dtype !== 'i32') {
    refuse(where, 'i64 or i32 indices', [indices]);
  }
}

function wantRank(where: string, rank: number, tensor: Tensor): void {
  if (tensor.shape.length !== rank) refuse(where, `a tensor of rank ${rank}`, [tensor]);
}

function wantShape(where: string, what: string, shape: readonly number[], tensor: Tensor): void {
  if (tensor.shape.join() !== shape.join()) refuse(where, `${what} [${shape.join(',')}]`, [tensor]);
}

function wantAxis(where: string, axis: number, tensor: Tensor): void {
  if (!Number.isInteger(axis) || axis < 0 || axis >= tensor.shape.length) {
    throw complain('SHAPE', {
      where,
      expected: `an axis from 0 to ${tensor.shape.length - 1} of ${show(tensor)}`,
      got: `${axis}`,
    });
  }
}

/** NumPy broadcasting of two shapes, or undefined when they do not fit. */
export function broadcastShapes(
  a: readonly number[],
  b: readonly number[],
): readonly number[] | undefined {
  const rank = Math.max(a.length, b.length);
  const shape = new Array<number>(rank);
  for (let i = 0; i < rank; i++) {
    const p = a[a.length - rank + i] ?? 1;
    const q = b[b.length - rank + i] ?? 1;
    if (p !== q && p !== 1 && q !== 1) return undefined;
    shape[i] = p === 1 ? q : p;
  }
  return shape;
}

function broadcastAll(where: string, inputs: readonly Tensor[]): readonly number[] {
  let shape: readonly number[] = [];
  for (const input of inputs) {
    const next = broadcastShapes(shape, input.shape);
    if (!next) refuse(where, 'shapes that broadcast', inputs);
    shape = next;
  }
  return shape;
}

const floatUnary =
  (where: string): Rule<unknown> =>
  (inputs) => ({ shape: inputs[0]!.shape, dtype: wantFloat(where, inputs) });

const numericUnary =
  (where: string): Rule<unknown> =>
  (inputs) => {
    if (inputs[0]!.dtype === 'bool') refuse(where, 'numbers', inputs);
    return { shape: inputs[0]!.shape, dtype: inputs[0]!.dtype };
  };

const numericBinary =
  (where: string): Rule<unknown> =>
  (inputs) => {
    const dtype = sameDtype(where, inputs);
    if (dtype === 'bool') refuse(where, 'numbers', inputs);
    return { shape: broadcastAll(where, inputs), dtype };
  };

const comparison =
  (where: string): Rule<unknown> =>
  (inputs) => {
    sameDtype(where, inputs);
    return { shape: broadcastAll(where, inputs), dtype: 'bool' };
  };

const logical =
  (where: string): Rule<unknown> =>
  (inputs) => {
    if (sameDtype(where, inputs) !== 'bool') refuse(where, 'bool inputs', inputs);
    return { shape: broadcastAll(where, inputs), dtype: 'bool' };
  };

const reduction =
  (where: string): Rule<OpAttributes['ReduceSum']> =>
  (inputs, { axes, keepDims }) => {
    const x = inputs[0]!;
    if (x.dtype === 'bool') refuse(where, 'numbers', inputs);
    for (const axis of axes) wantAxis(where, axis, x);
    const reduced = new Set(axes);
    if (reduced.size !== axes.length) refuse(where, `distinct axes, not [${axes}]`, inputs);
    const shape = keepDims
      ? x.shape.map((size, axis) => (reduced.has(axis) ? 1 : size))
      : x.shape.filter((_, axis) => !reduced.has(axis));
    return { shape, dtype: x.dtype };
  };

const alongAxis =
  (where: string): Rule<OpAttributes['Softmax']> =>
  (inputs, { axis }) => {
    wantAxis(where, axis, inputs[0]!);
    return { shape: inputs[0]!.shape, dtype: wantFloat(where, inputs) };
  };

/** Spatial size of a convolution or pool along one axis. */
export function windowCount(
  size: number,
  kernel: number,
  stride: number,
  padding: number,
  dilation: number,
): number {
  return Math.floor((size + padding - (dilation * (kernel - 1) + 1)) / stride) + 1;
}

function convOutputSize(x: Pair, kernel: Pair, attributes: ConvAttributes): Pair {
  const { stride, padding, dilation } = attributes;
  return [
    windowCount(x[0], kernel[0], stride[0], padding[0] + padding[2], dilation[0]),
    windowCount(x[1], kernel[1], stride[1], padding[1] + padding[3], dilation[1]),
  ];
}

/** x [n, in, h, w], weight [out, in/groups, kh, kw], bias [out] -> [n, out, h', w'] */
function convRule(
  where: string,
  inputs: readonly Tensor[],
  attributes: ConvAttributes,
): ShapeAndDtype {
  const [x, weight, bias] = inputs as [Tensor, Tensor, Tensor | undefined];
  const dtype = wantFloat(where, inputs);
  wantRank(where, 4, x);
  wantRank(where, 4, weight);
  const [out, inPerGroup, kh, kw] = weight.shape as [number, number, number, number];
  if (inPerGroup * attributes.groups !== x.shape[1]) {
    refuse(where, `weight with ${x.shape[1]! / attributes.groups} input channels`, inputs);
  }
  if (out % attributes.groups !== 0) {
    refuse(where, `output channels divisible by ${attributes.groups} groups`, inputs);
  }
  if (bias) wantShape(where, 'a bias', [out], bias);
  const [h, w] = convOutputSize([x.shape[2]!, x.shape[3]!], [kh, kw], attributes);
  if (h < 1 || w < 1) refuse(where, 'a picture no smaller than the kernel', inputs);
  return { shape: [x.shape[0]!, out, h, w], dtype };
}

function poolRule(where: string, inputs: readonly Tensor[], pool: PoolAttributes): ShapeAndDtype {
  const x = inputs[0]!;
  wantRank(where, 4, x);
  const { kernel, stride, padding } = pool;
  const height = windowCount(x.shape[2]!, kernel[0], stride[0], padding[0] + padding[2], 1);
  const width = windowCount(x.shape[3]!, kernel[1], stride[1], padding[1] + padding[3], 1);
  if (height < 1 || width < 1) refuse(where, `a picture of at least [${kernel}]`, inputs);
  if (
    padding[0] >= kernel[0] ||
    padding[2] >= kernel[0] ||
    padding[1] >= kernel[1] ||
    padding[3] >= kernel[1]
  ) {
    refuse(where, `padding smaller than the kernel [${kernel}]`, inputs);
  }
  return { shape: [x.shape[0]!, x.shape[1]!, height, width], dtype: wantFloat(where, inputs) };
}

const leaf = (): never => {
  throw complain('GRAPH', {
    where: 'node',
    expected: 'input(), parameter() or constant() for a leaf',
    got: 'node()',
  });
};

export const shapeRules: Rules = {
  Input: leaf,
  Parameter: leaf,
  Constant: (_, { value }) => {
    const dtype = value.dtype;
    switch (dtype) {
      case 'f64':
      case 'f32':
      case 'f16':
      case 'i64':
      case 'i32':
      case 'bool':
        return { shape: value.shape, dtype };
      default:
        throw complain('SHAPE', {
          where: 'Constant',
          expected: 'f64, f32, f16, i64, i32 or bool',
          got: dtype,
        });
    }
  },
  Neg: numericUnary('Neg'),
  Abs: numericUnary('Abs'),
  Exp: floatUnary('Exp'),
  Log: floatUnary('Log'),
  Sqrt: floatUnary('Sqrt'),
  Reciprocal: floatUnary('Reciprocal'),
  Erf: floatUnary('Erf'),
  Sin: floatUnary('Sin'),
  Cos: floatUnary('Cos'),
  Tanh: floatUnary('Tanh'),
  Sigmoid: floatUnary('Sigmoid'),
  Softplus: floatUnary('Softplus'),
  Relu: floatUnary('Relu'),
  LeakyRelu: floatUnary('LeakyRelu'),
  Elu: floatUnary('Elu'),
  Gelu: floatUnary('Gelu'),
  QuickGelu: floatUnary('QuickGelu'),
  Silu: floatUnary('Silu'),
  Sign: numericUnary('Sign'),
  Floor: floatUnary('Floor'),
  Ceil: floatUnary('Ceil'),
  Round: floatUnary('Round'),
  Not: logical('Not'),
  Clip: floatUnary('Clip'),
  Cast: (inputs, { to }) => ({ shape: inputs[0]!.shape, dtype: to }),
  StopGradient: (inputs) => ({ shape: inputs[0]!.shape, dtype: inputs[0]!.dtype }),
  Add: numericBinary('Add'),
  Sub: numericBinary('Sub'),
  Mul: numericBinary('Mul'),
  Div: numericBinary('Div'),
  Pow: numericBinary('Pow'),
  Max: numericBinary('Max'),
  Min: numericBinary('Min'),
  Mod: numericBinary('Mod'),
  Equal: comparison('Equal'),
  Less: comparison('Less'),
  LessOrEqual: comparison('LessOrEqual'),
  Greater: comparison('Greater'),
  GreaterOrEqual: comparison('GreaterOrEqual'),
  And: logical('And'),
  Or: logical('Or'),
  Where: (inputs) => {
    if (inputs[0]!.dtype !== 'bool') refuse('Where', 'a bool condition', inputs.slice(0, 1));
    const dtype = sameDtype('Where', inputs.slice(1));
    return { shape: broadcastAll('Where', inputs), dtype };
  },
  ReduceSum: reduction('ReduceSum'),
  ReduceMean: reduction('ReduceMean'),
  ReduceMax: reduction('ReduceMax'),
  ReduceMin: reduction('ReduceMin'),
  ArgMax: (inputs, { axis, keepDims }) => {
    wantAxis('ArgMax', axis, inputs[0]!);
    const shape = keepDims
      ? inputs[0]!.shape.map((size, i) => (i === axis ? 1 : size))
      : inputs[0]!.shape.filter((_, i) => i !== axis);
    return { shape, dtype: 'i64' };
  },
  CumSum: alongAxis('CumSum'),
  Softmax: alongAxis('Softmax'),
  LogSoftmax: alongAxis('LogSoftmax'),
  // a [.., m, k] x b [.., k, n] -> [.., m, n]
  MatMul: (inputs) => {
    const [a, b] = inputs as [Tensor, Tensor];
    const dtype = wantFloat('MatMul', inputs);
    const fits = a.shape.length >= 2 && b.shape.length >= 2 && a.shape.at(-1) === b.shape.at(-2);
    const batch = broadcastShapes(a.shape.slice(0, -2), b.shape.slice(0, -2));
    if (!fits || !batch) refuse('MatMul', '[.., m, k] and [.., k, n]', inputs);
    return { shape: [...batch, a.shape.at(-2)!, b.shape.at(-1)!], dtype };
  },
  // x [.., m, k], weight [k, n], bias [n] -> [.., m, n]; x rounds to 256 levels between its least and
  // largest value and 0, weight to -63..63 of each column's largest: 7 bits, as sums of two products of
  // 8 bits saturate in 16 bits on processors without VNNI
  Int8MatMul: (inputs) => {
    const [x, weight, bias] = inputs as [Tensor, Tensor, Tensor | undefined];
    const dtype = wantFloat('Int8MatMul', inputs);
    if (dtype !== 'f32') refuse('Int8MatMul', 'f32 inputs', inputs);
    wantRank('Int8MatMul', 2, weight);
    const [k, n] = weight.shape as [number, number];
    if (x.shape.length < 2 || x.shape.at(-1) !== k) {
      refuse('Int8MatMul', '[.., m, k] and [k, n]', inputs);
    }
    if (bias) wantShape('Int8MatMul', 'a bias', [n], bias);
    return { shape: [...x.shape.slice(0, -1), n], dtype };
  },
  Conv: (inputs, attributes) => convRule('Conv', inputs, attributes),
  BlockedConv: (inputs, attributes) => {
    const { block, groups } = attributes;
    const [out, channels] = inputs[1]!.shape as [number, number];
    if (groups !== 1 || out % block !== 0 || channels % block !== 0) {
      refuse('BlockedConv', `one group and channels in blocks of ${block}`, inputs);
    }
    return convRule('BlockedConv', inputs, attributes);
  },
  // x [n, in, h, w], weight [in, out/groups, kh, kw], bias [out] -> [n, out, h', w']
  ConvTranspose: (inputs, attributes) => {
    const [x, weight, bias] = inputs as [Tensor, Tensor, Tensor | undefined];
    const dtype = wantFloat('ConvTranspose', inputs);
    wantRank('ConvTranspose', 4, x);
    wantRank('ConvTranspose', 4, weight);
    const { stride, padding, dilation, groups, outputPadding } = attributes;
    const [channels, outPerGroup, kh, kw] = weight.shape as [number, number, number, number];
    if (channels !== x.shape[1] || channels % groups !== 0) {
      refuse('ConvTranspose', `weight with ${x.shape[1]} input channels`, inputs);
    }
    const out = outPerGroup * groups;
    if (bias) wantShape('ConvTranspose', 'a bias', [out], bias);
    if (outputPadding.some((n, axis) => !Number.isInteger(n) || n < 0 || n >= stride[axis]!)) {
      throw complain('SHAPE', {
        where: 'ConvTranspose',
        expected: `output padding from 0 and below the stride [${stride}]`,
        got: `[${outputPadding}]`,
      });
    }
    const size = (n: number, k: number, axis: 0 | 1): number =>
      (n - 1) * stride[axis] -
      padding[axis] -
      padding[axis + 2]! +
      dilation[axis] * (k - 1) +
      outputPadding[axis] +
      1;
    const h = size(x.shape[2]!, kh, 0);
    const w = size(x.shape[3]!, kw, 1);
    if (h < 1 || w < 1) refuse('ConvTranspose', 'a non-empty output', inputs);
    return { shape: [x.shape[0]!, out, h, w], dtype };
  },
  // x [n, in, h, w], gradient [n, out, h', w'] -> [out, in/groups, kh, kw]
  ConvWeightGrad: (inputs, attributes) => {
    const [x, gradient] = inputs as [Tensor, Tensor];
    const dtype = wantFloat('ConvWeightGrad', inputs);
    wantRank('ConvWeightGrad', 4, x);
    wantRank('ConvWeightGrad', 4, gradient);
    const { kernel, groups } = attributes;
    const [h, w] = convOutputSize([x.shape[2]!, x.shape[3]!], kernel, attributes);
    const expected = [x.shape[0]!, gradient.shape[1]!, h, w];
    wantShape('ConvWeightGrad', 'a gradient', expected, gradient);
    return { shape: [gradient.shape[1]!, x.shape[1]! / groups, ...kernel], dtype };
  },
  // query [n, s, heads*d], key [n, t, heads*d], value [n, t, heads*e], bias [n|1, heads|1, s, t]
  // -> [n, s, heads*e]
  Attention: (inputs, { heads }) => {
    const [query, key, value, bias] = inputs as [Tensor, Tensor, Tensor, Tensor | undefined];
    const dtype = wantFloat('Attention', inputs);
    for (const tensor of [query, key, value]) wantRank('Attention', 3, tensor);
    const [n, s, width] = query.shape as [number, number, number];
    const t = key.shape[1]!;
    wantShape('Attention', 'a key', [n, t, width], key);
    wantShape('Attention', 'a value', [n, t, value.shape[2]!], value);
    if (width % heads !== 0 || value.shape[2]! % heads !== 0) {
      refuse('Attention', `widths divisible by ${heads} heads`, inputs);
    }
    if (bias) {
      const fits =
        broadcastShapes(bias.shape, [n, heads, s, t])?.join() === [n, heads, s, t].join();
      if (bias.shape.length !== 4 || !fits) {
        refuse('Attention', `a bias that broadcasts to [${[n, heads, s, t]}]`, [bias]);
      }
    }
    return { shape: [n, s, value.shape[2]!], dtype };
  },
  LayerNorm: (inputs) => {
    const dtype = wantFloat('LayerNorm', inputs);
    const shape = inputs[0]!.shape;
    for (const affine of inputs.slice(1)) {
      wantShape('LayerNorm', 'scale and bias', shape.slice(-1), affine);
    }
    return { shape, dtype };
  },
  InvStdDev: (inputs) => ({
    shape: [...inputs[0]!.shape.slice(0, -1), 1],
    dtype: wantFloat('InvStdDev', inputs),
  }),
  RmsNorm: (inputs) => {
    const dtype = wantFloat('RmsNorm', inputs);
    const shape = inputs[0]!.shape;
    for (const scale of inputs.slice(1)) wantShape('RmsNorm', 'a scale', shape.slice(-1), scale);
    return { shape, dtype };
  },
  // x [n, c, ..], scale [c], bias [c]
  GroupNorm: (inputs, { groups }) => {
    const [x, scale, bias] = inputs as [Tensor, Tensor, Tensor];
    const channels = x.shape[1] ?? 0;
    if (x.shape.length < 2 || channels % groups !== 0) {
      refuse('GroupNorm', `channels divisible by ${groups} groups`, inputs);
    }
    wantShape('GroupNorm', 'a scale', [channels], scale);
    wantShape('GroupNorm', 'a bias', [channels], bias);
    return { shape: x.shape, dtype: wantFloat('GroupNorm', inputs) };
  },
  // x [n, c, ..], scale, bias, mean, variance [c]
  BatchNorm: (inputs) => {
    const x = inputs[0]!;
    if (x.shape.length < 2) refuse('BatchNorm', '[n, c, ..]', inputs);
    for (const vector of inputs.slice(1)) {
      wantShape('BatchNorm', 'vectors', [x.shape[1]!], vector);
    }
    return { shape: x.shape, dtype: wantFloat('BatchNorm', inputs) };
  },
  Reshape: (inputs, { shape }) => {
    if (elementCount(shape) !== elementCount(inputs[0]!.shape)) {
      refuse('Reshape', `${elementCount(shape)} elements for [${shape.join(',')}]`, inputs);
    }
    return { shape, dtype: inputs[0]!.dtype };
  },
  Transpose: (inputs, { permutation }) => {
    const x = inputs[0]!;
    const sorted = [...permutation].sort((a, b) => a - b);
    if (sorted.length !== x.shape.length || sorted.some((axis, i) => axis !== i)) {
      refuse('Transpose', `a permutation of ${x.shape.length} axes, not [${permutation}]`, inputs);
    }
    return { shape: permutation.map((axis) => x.shape[axis]!), dtype: x.dtype };
  },
  Expand: (inputs, { shape }) => {
    if (broadcastShapes(inputs[0]!.shape, shape)?.join() !== shape.join()) {
      refuse('Expand', `a shape that broadcasts to [${shape.join(',')}]`, inputs);
    }
    return { shape, dtype: inputs[0]!.dtype };
  },
  Concat: (inputs, { axis }) => {
    const first = inputs[0]!;
    const dtype = sameDtype('Concat', inputs);
    wantAxis('Concat', axis, first);
    const rest = (tensor: Tensor): string => tensor.shape.filter((_, i) => i !== axis).join();
    for (const other of inputs) {
      if (other.shape.length !== first.shape.length || rest(other) !== rest(first)) {
        refuse('Concat', `shapes equal except on axis ${axis}`, inputs);
      }
    }
    const total = inputs.reduce((sum, tensor) => sum + tensor.shape[axis]!, 0);
    return { shape: first.shape.map((size, i) => (i === axis ? total : size)), dtype };
  },
  Slice: (inputs, { starts, sizes, steps }) => {
    const x = inputs[0]!;
    const rank = x.shape.length;
    const inside = (axis: number, index: number): boolean => index >= 0 && index < x.shape[axis]!;
    const fits =
      [starts, sizes, steps].every((list) => list.length === rank) &&
      starts.every((start, axis) => {
        const last = start + (sizes[axis]! - 1) * steps[axis]!;
        return sizes[axis]! >= 1 && steps[axis] !== 0 && inside(axis, start) && inside(axis, last);
      });
    if (!fits) {
      refuse('Slice', `a slice inside the tensor, not starts [${starts}] sizes [${sizes}]`, inputs);
    }
    return { shape: sizes, dtype: x.dtype };
  },
  Pad: (inputs, { before, after, mode }) => {
    const x = inputs[0]!;
    const wrong = (list: readonly number[]): boolean =>
      list.length !== x.shape.length ||
      list.some((pad, axis) => pad < 0 || (mode === 'reflect' && pad >= x.shape[axis]!));
    if (wrong(before) || wrong(after)) {
      refuse('Pad', `non-negative ${mode} padding per axis, not [${before}] [${after}]`, inputs);
    }
    return { shape: x.shape.map((n, axis) => n + before[axis]! + after[axis]!), dtype: x.dtype };
  },
  // x [.., size, ..], indices [i..] -> [.., i.., ..]
  Gather: (inputs, { axis }) => {
    const [x, indices] = inputs as [Tensor, Tensor];
    wantIndices('Gather', indices);
    wantAxis('Gather', axis, x);
    const shape = [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)];
    return { shape, dtype: x.dtype };
  },
  // updates [.., i.., ..], indices [i..] -> [.., size, ..]
  ScatterAdd: (inputs, { axis, size }) => {
    const [updates, indices] = inputs as [Tensor, Tensor];
    wantIndices('ScatterAdd', indices);
    const end = axis + indices.shape.length;
    if (updates.shape.slice(axis, end).join() !== indices.shape.join()) {
      refuse('ScatterAdd', `updates with the indices' shape from axis ${axis}`, inputs);
    }
    const shape = [...updates.shape.slice(0, axis), size, ...updates.shape.slice(end)];
    return { shape, dtype: wantFloat('ScatterAdd', [updates]) };
  },
  GatherElements: (inputs, { axis }) => {
    const [x, indices] = inputs as [Tensor, Tensor];
    wantIndices('GatherElements', indices);
    wantAxis('GatherElements', axis, x);
    wantElementIndices('GatherElements', x, indices, axis);
    return { shape: indices.shape, dtype: x.dtype };
  },
  ScatterElementsAdd: (inputs, { axis, size }) => {
    const [updates, indices] = inputs as [Tensor, Tensor];
    wantIndices('ScatterElementsAdd', indices);
    wantAxis('ScatterElementsAdd', axis, updates);
    wantShape('ScatterElementsAdd', 'indices', updates.shape, indices);
    const shape = updates.shape.map((n, i) => (i === axis ? size : n));
    return { shape, dtype: wantFloat('ScatterElementsAdd', [updates]) };
  },
  Resize: (inputs, { size }) => {
    const x = inputs[0]!;
    wantRank('Resize', 4, x);
    if (size.some((n) => !Number.isInteger(n) || n < 1)) {
      refuse('Resize', `a positive size, not [${size}]`, inputs);
    }
    return { shape: [x.shape[0]!, x.shape[1]!, ...size], dtype: wantFloat('Resize', inputs) };
  },
  ResizeAdjoint: (inputs, { size, inputSize }) => {
    const g = inputs[0]!;
    wantShape('ResizeAdjoint', 'a gradient', [g.shape[0]!, g.shape[1]!, ...size], g);
    const dtype = wantFloat('ResizeAdjoint', inputs);
    return { shape: [g.shape[0]!, g.shape[1]!, ...inputSize], dtype };
  },
  AveragePool: (inputs, attributes) => poolRule('AveragePool', inputs, attributes),
  AveragePoolAdjoint: (inputs, { inputSize }) => {
    const g = inputs[0]!;
    wantRank('AveragePoolAdjoint', 4, g);
    const dtype = wantFloat('AveragePoolAdjoint', inputs);
    return { shape: [g.shape[0]!, g.shape[1]!, ...inputSize], dtype };
  },
  MaxPool: (inputs, attributes) => poolRule('MaxPool', inputs, attributes),
};

function wantElementIndices(where: string, x: Tensor, indices: Tensor, axis: number): void {
  const fits =
    x.shape.length === indices.shape.length &&
    x.shape.every((n, i) => i === axis || n === indices.shape[i]);
  if (!fits) refuse(where, `indices shaped as the input except on axis ${axis}`, [x, indices]);
}
