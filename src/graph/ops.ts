/** @file The closed list of operations and the attributes each carries. Names follow ONNX where it has one. */
import type { TensorData } from '../core/tensor-data.js';

/** Dtypes a graph computes with. Weights may be stored in others; emission casts them once. */
export type GraphDtype = 'f64' | 'f32' | 'f16' | 'i64' | 'i32' | 'bool';

/** [height, width]. */
export type Pair = readonly [number, number];
/** [top, left, bottom, right], as ONNX orders `pads`. */
export type Padding = readonly [number, number, number, number];

type None = Readonly<Record<never, never>>;
interface Reduce {
  readonly axes: readonly number[];
  readonly keepDims: boolean;
}
interface Axis {
  readonly axis: number;
}
export interface ConvAttributes {
  readonly stride: Pair;
  readonly padding: Padding;
  readonly dilation: Pair;
  readonly groups: number;
}
export interface PoolAttributes {
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly padding: Padding;
}
export type ResizeMode = 'nearest' | 'bilinear' | 'bicubic';
export interface ResizeAttributes {
  readonly mode: ResizeMode;
  /** Output [height, width]. */
  readonly size: Pair;
  readonly alignCorners: boolean;
  /** Widens the kernel when shrinking, as Pillow does. */
  readonly antialias: boolean;
}

/** Every operation with its attributes. Inputs are described beside the shape rule. */
export interface OpAttributes {
  // Leaves
  Input: { readonly name: string };
  Parameter: { readonly name: string };
  Constant: { readonly value: TensorData };
  // Elementwise, one input
  Neg: None;
  Abs: None;
  Exp: None;
  Log: None;
  Sqrt: None;
  Reciprocal: None;
  Erf: None;
  Sin: None;
  Cos: None;
  Tanh: None;
  Sigmoid: None;
  Softplus: None;
  Relu: None;
  LeakyRelu: { readonly alpha: number };
  Elu: { readonly alpha: number };
  Gelu: { readonly approximate: 'none' | 'tanh' };
  QuickGelu: None;
  Silu: None;
  Sign: None;
  Floor: None;
  Ceil: None;
  Round: None;
  Not: None;
  Clip: { readonly min: number; readonly max: number };
  Cast: { readonly to: GraphDtype };
  StopGradient: None;
  // Elementwise, broadcasting
  Add: None;
  Sub: None;
  Mul: None;
  Div: None;
  Pow: None;
  Max: None;
  Min: None;
  Mod: None;
  Equal: None;
  Less: None;
  LessOrEqual: None;
  Greater: None;
  GreaterOrEqual: None;
  And: None;
  Or: None;
  Where: None;
  // Reductions
  ReduceSum: Reduce;
  ReduceMean: Reduce;
  ReduceMax: Reduce;
  ReduceMin: Reduce;
  ArgMax: Axis & { readonly keepDims: boolean };
  CumSum: Axis;
  Softmax: Axis;
  LogSoftmax: Axis;
  // Linear algebra
  MatMul: None;
  /** MatMul of values rounded to whole numbers: see `Int8MatMul` in shape.ts. */
  Int8MatMul: None;
  Conv: ConvAttributes;
  /** Conv without groups, its weight from `blockChannels`: runs where the processor has that block. */
  BlockedConv: ConvAttributes & { readonly block: number };
  ConvTranspose: ConvAttributes & { readonly outputPadding: Pair };
  /** Gradient of Conv by its weight; bilinear in the input and the output's gradient. */
  ConvWeightGrad: ConvAttributes & { readonly kernel: Pair };
  Attention: { readonly heads: number; readonly scale: number; readonly causal: boolean };
  // Normalisation
  LayerNorm: { readonly eps: number };
  /** 1/√(variance + eps) over the last axis, kept as size 1; pairs with LayerNorm in gradients. */
  InvStdDev: { readonly eps: number };
  RmsNorm: { readonly eps: number };
  GroupNorm: { readonly groups: number; readonly eps: number };
  BatchNorm: { readonly eps: number };
  // Layout
  Reshape: { readonly shape: readonly number[] };
  Transpose: { readonly permutation: readonly number[] };
  Expand: { readonly shape: readonly number[] };
  Concat: Axis;
  Slice: {
    readonly starts: readonly number[];
    /** Number of elements kept on each axis. */
    readonly sizes: readonly number[];
    /** Non-zero; negative walks backwards from the start. */
    readonly steps: readonly number[];
  };
  Pad: {
    readonly before: readonly number[];
    readonly after: readonly number[];
    readonly mode: 'constant' | 'reflect' | 'edge';
    readonly value: number;
  };
  Gather: Axis;
  /** Zeros of `size` on `axis` with updates added at the indices; gradient of Gather. */
  ScatterAdd: Axis & { readonly size: number };
  GatherElements: Axis;
  /** Zeros of `size` on `axis` with updates added elementwise; gradient of GatherElements. */
  ScatterElementsAdd: Axis & { readonly size: number };
  // Pictures, NCHW
  Resize: ResizeAttributes;
  /** Transpose of Resize as a linear map, back to `inputSize`. */
  ResizeAdjoint: ResizeAttributes & { readonly inputSize: Pair };
  AveragePool: PoolAttributes & { readonly countIncludePad: boolean };
  AveragePoolAdjoint: PoolAttributes & {
    readonly countIncludePad: boolean;
    readonly inputSize: Pair;
  };
  MaxPool: PoolAttributes;
}

export type Op = keyof OpAttributes;

/** How many inputs each operation takes: [fewest, most]. */
export const arity: { readonly [K in Op]: readonly [number, number] } = {
  Input: [0, 0],
  Parameter: [0, 0],
  Constant: [0, 0],
  Neg: [1, 1],
  Abs: [1, 1],
  Exp: [1, 1],
  Log: [1, 1],
  Sqrt: [1, 1],
  Reciprocal: [1, 1],
  Erf: [1, 1],
  Sin: [1, 1],
  Cos: [1, 1],
  Tanh: [1, 1],
  Sigmoid: [1, 1],
  Softplus: [1, 1],
  Relu: [1, 1],
  LeakyRelu: [1, 1],
  Elu: [1, 1],
  Gelu: [1, 1],
  QuickGelu: [1, 1],
  Silu: [1, 1],
  Sign: [1, 1],
  Floor: [1, 1],
  Ceil: [1, 1],
  Round: [1, 1],
  Not: [1, 1],
  Clip: [1, 1],
  Cast: [1, 1],
  StopGradient: [1, 1],
  Add: [2, 2],
  Sub: [2, 2],
  Mul: [2, 2],
  Div: [2, 2],
  Pow: [2, 2],
  Max: [2, 2],
  Min: [2, 2],
  Mod: [2, 2],
  Equal: [2, 2],
  Less: [2, 2],
  LessOrEqual: [2, 2],
  Greater: [2, 2],
  GreaterOrEqual: [2, 2],
  And: [2, 2],
  Or: [2, 2],
  Where: [3, 3],
  ReduceSum: [1, 1],
  ReduceMean: [1, 1],
  ReduceMax: [1, 1],
  ReduceMin: [1, 1],
  ArgMax: [1, 1],
  CumSum: [1, 1],
  Softmax: [1, 1],
  LogSoftmax: [1, 1],
  MatMul: [2, 2],
  Int8MatMul: [2, 3],
  Conv: [2, 3],
  BlockedConv: [2, 3],
  ConvTranspose: [2, 3],
  ConvWeightGrad: [2, 2],
  Attention: [3, 4],
  LayerNorm: [1, 3],
  InvStdDev: [1, 1],
  RmsNorm: [1, 2],
  GroupNorm: [3, 3],
  BatchNorm: [5, 5],
  Reshape: [1, 1],
  Transpose: [1, 1],
  Expand: [1, 1],
  Concat: [1, Number.POSITIVE_INFINITY],
  Slice: [1, 1],
  Pad: [1, 1],
  Gather: [2, 2],
  ScatterAdd: [2, 2],
  GatherElements: [2, 2],
  ScatterElementsAdd: [2, 2],
  Resize: [1, 1],
  ResizeAdjoint: [1, 1],
  AveragePool: [1, 1],
  AveragePoolAdjoint: [1, 1],
  MaxPool: [1, 1],
};
