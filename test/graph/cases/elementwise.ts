/** @file Rows of the operation table: leaves and elementwise operations. */
import {
  abs,
  add,
  and,
  cast,
  ceil,
  clip,
  constant,
  cos,
  div,
  elu,
  equal,
  erf,
  exp,
  floor,
  gelu,
  greater,
  greaterOrEqual,
  leakyRelu,
  less,
  lessOrEqual,
  log,
  maximum,
  minimum,
  mod,
  mul,
  neg,
  not,
  or,
  pow,
  quickGelu,
  reciprocal,
  relu,
  round,
  sigmoid,
  sign,
  silu,
  sin,
  softplus,
  sqrt,
  stopGradient,
  sub,
  tanh,
  where,
} from '../../../src/graph/build.js';
import type { Op } from '../../../src/graph/ops.js';
import type { Tensor } from '../../../src/graph/tensor.js';
import { bool, type CaseInput, type Domain, float, integers, type OpCase } from '../case.js';

const leaves: OpCase[] = [
  { op: 'Input', name: 'itself', inputs: [float([2, 3])], build: (x) => x! },
  {
    op: 'Parameter',
    name: 'itself',
    inputs: [{ ...float([4]), leaf: 'Parameter' }],
    build: (x) => x!,
  },
  {
    op: 'Constant',
    name: 'f32 matrix',
    inputs: [],
    build: () =>
      constant({ dtype: 'f32', shape: [2, 2], data: Float32Array.of(0.5, -1, 1e-7, 3e8) }),
  },
  {
    op: 'Constant',
    name: 'f16 bits',
    inputs: [],
    build: () =>
      cast(constant({ dtype: 'f16', shape: [3], data: Uint16Array.of(0x3c00, 0xc500, 1) }), 'f32'),
  },
  {
    op: 'Constant',
    name: 'i64 scalar',
    inputs: [],
    build: () => constant({ dtype: 'i64', shape: [], data: BigInt64Array.of(-7n) }),
  },
];

const unaryShapes: [string, number[]][] = [
  ['scalar', []],
  ['one value', [1]],
  ['rank 3', [2, 1, 5]],
];

function unary(
  op: Op,
  build: (x: Tensor) => Tensor,
  { domain = 'any', variant = '' }: { domain?: Domain; variant?: string } = {},
): OpCase[] {
  return unaryShapes.map(([name, shape]) => ({
    op,
    name: `${variant}${name}`,
    inputs: [float(shape, domain)],
    build: (x) => build(x!),
  }));
}

const wide = (op: Op, build: (x: Tensor) => Tensor, variant = ''): OpCase => ({
  op,
  name: `${variant}values up to ±30`,
  inputs: [float([16], 'wide')],
  build: (x) => build(x!),
});

const unaries: OpCase[] = [
  ...unary('Neg', neg),
  ...unary('Abs', abs),
  ...unary('Exp', exp),
  ...unary('Log', log, { domain: 'positive' }),
  ...unary('Sqrt', sqrt, { domain: 'positive' }),
  ...unary('Reciprocal', reciprocal),
  ...unary('Erf', erf),
  ...unary('Sin', sin),
  ...unary('Cos', cos),
  ...unary('Tanh', tanh),
  ...unary('Sigmoid', sigmoid),
  ...unary('Softplus', softplus),
  ...unary('Relu', relu),
  ...unary('LeakyRelu', (x) => leakyRelu(x, 0.2)),
  ...unary('LeakyRelu', (x) => leakyRelu(x, 0.01), { variant: 'alpha 0.01, ' }),
  ...unary('Elu', elu),
  ...unary('Elu', (x) => elu(x, 0.5), { variant: 'alpha 0.5, ' }),
  ...unary('Gelu', gelu, { variant: 'erf, ' }),
  ...unary('Gelu', (x) => gelu(x, 'tanh'), { variant: 'tanh, ' }),
  ...unary('QuickGelu', quickGelu),
  ...unary('Silu', silu),
  ...unary('Sign', sign),
  ...unary('Floor', floor),
  ...unary('Ceil', ceil),
  ...unary('Round', round),
  ...unary('Clip', (x) => clip(x, -1, 0.75)),
  ...unary('Clip', (x) => clip(x, 0, Number.POSITIVE_INFINITY), { variant: 'no maximum, ' }),
  ...unary('StopGradient', stopGradient),
  wide('Erf', erf),
  wide('Tanh', tanh),
  wide('Sigmoid', sigmoid),
  wide('Softplus', softplus),
  wide('Elu', elu),
  wide('Gelu', gelu),
  wide('Gelu', (x) => gelu(x, 'tanh'), 'tanh, '),
  wide('QuickGelu', quickGelu),
  wide('Silu', silu),
  {
    op: 'Round',
    name: 'halves to even',
    inputs: [integers([9], -4, 4, 'float')],
    build: (x) => round(add(x!, 0.5)),
  },
  ...(['i64', 'i32'] as const).flatMap((dtype): OpCase[] => [
    { op: 'Neg', name: dtype, inputs: [integers([5], -3, 3, dtype)], build: (x) => neg(x!) },
    { op: 'Abs', name: dtype, inputs: [integers([5], -3, 3, dtype)], build: (x) => abs(x!) },
    { op: 'Sign', name: dtype, inputs: [integers([5], -3, 3, dtype)], build: (x) => sign(x!) },
  ]),
  { op: 'Not', name: 'rank 2', inputs: [bool([2, 5])], build: (x) => not(x!) },
];

const casts: OpCase[] = [
  { op: 'Cast', name: 'float to f64', inputs: [float([5])], build: (x) => cast(x!, 'f64') },
  { op: 'Cast', name: 'float to i64', inputs: [float([2, 5])], build: (x) => cast(x!, 'i64') },
  { op: 'Cast', name: 'float to i32', inputs: [float([2, 5])], build: (x) => cast(x!, 'i32') },
  {
    op: 'Cast',
    name: 'float to bool',
    inputs: [integers([6], -1, 1, 'float')],
    build: (x) => cast(x!, 'bool'),
  },
  {
    op: 'Cast',
    name: 'through f16',
    inputs: [float([6], 'exact')],
    build: (x) => cast(cast(x!, 'f16'), x!.dtype),
    tolerance: 1e-3,
  },
  { op: 'Cast', name: 'bool to f32', inputs: [bool([6])], build: (x) => cast(x!, 'f32') },
  { op: 'Cast', name: 'bool to i64', inputs: [bool([6])], build: (x) => cast(x!, 'i64') },
  {
    op: 'Cast',
    name: 'i64 to f32',
    inputs: [integers([6], -9, 9)],
    build: (x) => cast(x!, 'f32'),
  },
  {
    op: 'Cast',
    name: 'i64 to i32',
    inputs: [integers([6], -9, 9)],
    build: (x) => cast(x!, 'i32'),
  },
];

const pairs: [string, number[], number[]][] = [
  ['same shape', [2, 3], [2, 3]],
  ['scalar right', [2, 3], []],
  ['scalar left', [], [4]],
  ['both sides stretch', [4, 1, 3], [2, 1]],
  ['lower rank left', [3], [2, 1, 3]],
  ['size 1', [1], [1, 1]],
];

function binary(
  op: Op,
  build: (a: Tensor, b: Tensor) => Tensor,
  make: (shape: number[], side: 0 | 1) => CaseInput = (shape) => float(shape),
): OpCase[] {
  return pairs.map(([name, a, b]) => ({
    op,
    name,
    inputs: [make(a, 0), make(b, 1)],
    build: (x, y) => build(x!, y!),
  }));
}

function wholeNumbers(op: Op, build: (a: Tensor, b: Tensor) => Tensor): OpCase[] {
  return (['i64', 'i32'] as const).map((dtype) => ({
    op,
    name: `${dtype}, broadcast`,
    inputs: [integers([5, 4], -9, 9, dtype), integers([4], 1, 4, dtype)],
    build: (x, y) => build(x!, y!),
  }));
}

const comparison = (op: Op, build: (a: Tensor, b: Tensor) => Tensor): OpCase[] => [
  ...binary(op, build, (shape) => integers(shape, -1, 1, 'float')),
  ...wholeNumbers(op, build),
];

const binaries: OpCase[] = [
  ...binary('Add', add),
  ...wholeNumbers('Add', add),
  ...binary('Sub', sub),
  ...wholeNumbers('Sub', sub),
  ...binary('Mul', mul),
  ...wholeNumbers('Mul', mul),
  ...binary('Div', div),
  ...wholeNumbers('Div', div),
  ...binary('Pow', pow, (shape, side) => float(shape, side === 0 ? 'positive' : 'any')),
  { op: 'Pow', name: 'square', inputs: [float([2, 3])], build: (x) => pow(x!, 2) },
  { op: 'Pow', name: 'negative base, cube', inputs: [float([5])], build: (x) => pow(x!, 3) },
  ...binary('Max', maximum),
  ...wholeNumbers('Max', maximum),
  ...binary('Min', minimum),
  ...wholeNumbers('Min', minimum),
  ...binary('Mod', mod),
  ...wholeNumbers('Mod', mod),
  {
    op: 'Mod',
    name: 'i64, negative divisor',
    inputs: [integers([12], -9, 9), integers([12], -4, -1)],
    build: (x, y) => mod(x!, y!),
  },
  ...comparison('Equal', equal),
  { op: 'Equal', name: 'bool', inputs: [bool([3, 4]), bool([4])], build: (x, y) => equal(x!, y!) },
  ...comparison('Less', less),
  ...comparison('LessOrEqual', lessOrEqual),
  ...comparison('Greater', greater),
  ...comparison('GreaterOrEqual', greaterOrEqual),
  ...binary('And', and, bool),
  ...binary('Or', or, bool),
  {
    op: 'Where',
    name: 'same shape',
    inputs: [bool([2, 5]), float([2, 5]), float([2, 5])],
    build: (c, x, y) => where(c!, x!, y!),
  },
  {
    op: 'Where',
    name: 'all three stretch',
    inputs: [bool([4, 1, 1]), float([3, 1]), float([2])],
    build: (c, x, y) => where(c!, x!, y!),
  },
  {
    op: 'Where',
    name: 'against a number',
    inputs: [bool([6]), float([])],
    build: (c, x) => where(c!, x!, 0),
  },
  {
    op: 'Where',
    name: 'i64',
    inputs: [bool([6]), integers([6], -3, 3), integers([1], 5, 9)],
    build: (c, x, y) => where(c!, x!, y!),
  },
];

export const elementwiseCases: readonly OpCase[] = [...leaves, ...unaries, ...casts, ...binaries];
