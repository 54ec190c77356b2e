/** @file Interpreter kernels, elementwise: one input, broadcasting, comparison and casts. */
import { erf } from './erf.js';
import { broadcastIndices, type Kernel, type Kernels } from './interpret-kernel.js';
import type { GraphDtype, Op } from './ops.js';
import { isFloat } from './shape.js';
import type { TensorOf } from './tensor.js';

type Unary = (x: number) => number;
type Binary = (a: number, b: number) => number;

const unary =
  (compute: Unary) =>
  (inputs: readonly Float64Array[]): Float64Array =>
    inputs[0]!.map(compute);

const binary =
  (choose: (dtype: GraphDtype) => Binary) =>
  <K extends Op>(inputs: readonly Float64Array[], node: TensorOf<K>): Float64Array => {
    const [a, b] = inputs as [Float64Array, Float64Array];
    const atA = broadcastIndices(node.inputs[0]!.shape, node.shape);
    const atB = broadcastIndices(node.inputs[1]!.shape, node.shape);
    const compute = choose(node.inputs[0]!.dtype);
    const out = new Float64Array(atA.length);
    for (let i = 0; i < out.length; i++) out[i] = compute(a[atA[i]!]!, b[atB[i]!]!);
    return out;
  };

const same = (compute: Binary) => binary(() => compute);
const test = (holds: (a: number, b: number) => boolean) => same((a, b) => (holds(a, b) ? 1 : 0));

const sigmoid: Unary = (x) => 1 / (1 + Math.exp(-x));

/** Halves go to the even neighbour. */
const roundHalfEven: Unary = (x) => {
  const floor = Math.floor(x);
  const rest = x - floor;
  if (rest === 0.5) return floor % 2 === 0 ? floor : floor + 1;
  return rest < 0.5 ? floor : floor + 1;
};

/** Remainder with the sign of the divisor, for integers and floats alike. */
const floorMod: Binary = (a, b) => {
  const rest = a % b;
  return rest !== 0 && rest < 0 !== b < 0 ? rest + b : rest;
};

/** 0.5·x·(1 + tanh(√(2/π)(x + 0.044715x³))). */
const geluTanh: Unary = (x) =>
  0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
const geluErf: Unary = (x) => 0.5 * x * (1 + erf(x * Math.SQRT1_2));

const where: Kernel<'Where'> = (inputs, node) => {
  const [condition, a, b] = inputs as [Float64Array, Float64Array, Float64Array];
  const [atCondition, atA, atB] = node.inputs.map((input) =>
    broadcastIndices(input.shape, node.shape),
  ) as [Int32Array, Int32Array, Int32Array];
  return Float64Array.from(atCondition, (at, i) => (condition[at]! ? a[atA[i]!]! : b[atB[i]!]!));
};

/**
 * Integers truncate towards zero, bool asks for non-zero. Casts between floating dtypes change
 * nothing: the interpreter is the oracle and keeps every float at full precision.
 */
const cast: Kernel<'Cast'> = ([x], { attributes: { to } }) => {
  if (isFloat(to)) return x!;
  return to === 'bool' ? x!.map((value) => (value === 0 ? 0 : 1)) : x!.map(Math.trunc);
};

export const elementwiseKernels = {
  Neg: unary((x) => -x),
  Abs: unary(Math.abs),
  Exp: unary(Math.exp),
  Log: unary(Math.log),
  Sqrt: unary(Math.sqrt),
  Reciprocal: unary((x) => 1 / x),
  Erf: unary(erf),
  Sin: unary(Math.sin),
  Cos: unary(Math.cos),
  Tanh: unary(Math.tanh),
  Sigmoid: unary(sigmoid),
  Softplus: unary((x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))),
  Relu: unary((x) => Math.max(x, 0)),
  LeakyRelu: ([x], { attributes: { alpha } }) => x!.map((v) => (v < 0 ? alpha * v : v)),
  Elu: ([x], { attributes: { alpha } }) => x!.map((v) => (v < 0 ? alpha * Math.expm1(v) : v)),
  Gelu: ([x], { attributes }) => x!.map(attributes.approximate === 'tanh' ? geluTanh : geluErf),
  QuickGelu: unary((x) => x * sigmoid(1.702 * x)),
  Silu: unary((x) => x * sigmoid(x)),
  Sign: unary(Math.sign),
  Floor: unary(Math.floor),
  Ceil: unary(Math.ceil),
  Round: unary(roundHalfEven),
  Not: unary((x) => (x === 0 ? 1 : 0)),
  Clip: ([x], { attributes: { min, max } }) => x!.map((v) => Math.min(Math.max(v, min), max)),
  Cast: cast,
  StopGradient: ([x]) => x!,
  Add: same((a, b) => a + b),
  Sub: same((a, b) => a - b),
  Mul: same((a, b) => a * b),
  Div: binary((dtype) => (isFloat(dtype) ? (a, b) => a / b : (a, b) => Math.trunc(a / b))),
  Pow: same((a, b) => a ** b),
  Max: same(Math.max),
  Min: same(Math.min),
  Mod: same(floorMod),
  Equal: test((a, b) => a === b),
  Less: test((a, b) => a < b),
  LessOrEqual: test((a, b) => a <= b),
  Greater: test((a, b) => a > b),
  GreaterOrEqual: test((a, b) => a >= b),
  And: test((a, b) => a !== 0 && b !== 0),
  Or: test((a, b) => a !== 0 || b !== 0),
  Where: where,
} as const satisfies Partial<Kernels>;
