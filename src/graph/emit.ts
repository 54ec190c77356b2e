/** @file Graph to ONNX: a total table of emission rules. Compound operations are lowered first. */
import { complain, internal } from '../core/errors.js';
import { type Dtype, numberToF16, type TensorData } from '../core/tensor-data.js';
import { type ExternalTensor, encodeOnnx, onnxDtypes } from '../formats/onnx.js';
import {
  attentionForm,
  geluForm,
  groupNormForm,
  layerNormForm,
  quickGeluForm,
  rmsNormForm,
  siluForm,
} from './composite.js';
import { emitInt8MatMul } from './emit-int8.js';
import {
  blockDomain,
  emitAttention,
  emitAveragePoolAdjoint,
  emitBlockedConv,
  emitConv,
  emitConvTranspose,
  emitConvWeightGrad,
  emitResize,
  emitResizeAdjoint,
  poolAttributes,
} from './emit-linear.js';
import { emitLinear, type LinearForm, linearForms } from './emit-stored-linear.js';
import { Emitter } from './emitter.js';
import type { GraphDtype, Op } from './ops.js';
import { rewriteToFixpoint } from './rewrite.js';
import { commonSubexpressions } from './rewrites/common-subexpressions.js';
import { simplify } from './rewrites/simplify.js';
import { type Graph, type Tensor, type TensorOf, topologicalOrder } from './tensor.js';

type EmitRule<K extends Op> = (node: TensorOf<K>, inputs: readonly string[], to: Emitter) => string;

/** An operation without an ONNX node of its own: the simpler operations it stands for. */
interface Lowered<K extends Op> {
  readonly form: (node: TensorOf<K>) => Tensor;
}
type EmitRules = { readonly [K in Op]: EmitRule<K> | Lowered<K> };

const plain =
  (opType: string) =>
  (_: unknown, inputs: readonly string[], to: Emitter): string =>
    to.node(opType, inputs);

const withAxis =
  (opType: string) =>
  (node: { attributes: { axis: number } }, inputs: readonly string[], to: Emitter): string =>
    to.node(opType, inputs, { axis: { int: node.attributes.axis } });

const reduction =
  (opType: string) =>
  (
    node: { attributes: { axes: readonly number[]; keepDims: boolean } },
    inputs: readonly string[],
    to: Emitter,
  ): string => {
    const { axes, keepDims } = node.attributes;
    if (axes.length === 0) return to.node('Identity', inputs);
    return to.node(opType, [inputs[0]!, to.ints(axes)], { keepdims: { int: keepDims ? 1 : 0 } });
  };

const never = (): never => {
  throw internal('emit', 'leaves are emitted by emitNode');
};

/** Layer norm of the rows of `x`, with 1/std beside it when some node shares it. */
function sharedNorm(
  x: Tensor,
  name: string,
  eps: number,
  to: Emitter,
): { y: string; invStdDev: string } {
  const key = to.normKey(x, eps);
  const known = to.norms.get(key);
  if (known) return known;
  const scale = to.ones([x.shape.at(-1)!], x);
  const attributes = { axis: { int: -1 }, epsilon: { float: eps } };
  const [y, , invStdDev] = to.nodeWithOutputs(3, 'LayerNormalization', [name, scale], attributes);
  const norm = { y: y!, invStdDev: to.cast(invStdDev!, 'f32', x.dtype) }; // statistics come as f32
  to.norms.set(key, norm);
  return norm;
}

/** Remainder with the sign of the divisor: ONNX Mod for integers, x − ⌊x/y⌋·y for floats. */
function emitMod(node: TensorOf<'Mod'>, [x, y]: readonly string[], to: Emitter): string {
  if (node.dtype === 'i64' || node.dtype === 'i32') return to.node('Mod', [x!, y!]);
  const whole = to.node('Floor', [to.node('Div', [x!, y!])]);
  return to.node('Sub', [x!, to.node('Mul', [whole, y!])]);
}

function emitSlice(node: TensorOf<'Slice'>, inputs: readonly string[], to: Emitter): string {
  const { starts, sizes, steps } = node.attributes;
  const whole = node.inputs[0]!.shape;
  const axes = starts.map((_, i) => i).filter((i) => sizes[i] !== whole[i] || steps[i] !== 1);
  if (axes.length === 0) return to.node('Identity', inputs);
  const ends = axes.map((i) => {
    const end = starts[i]! + sizes[i]! * steps[i]!;
    return end < 0 ? -(2 ** 40) : end;
  });
  const pick = (list: readonly number[]): number[] => axes.map((i) => list[i]!);
  return to.slice(inputs[0]!, axes, pick(starts), ends, pick(steps));
}

/** A scalar constant of any graph dtype. */
function scalarOf(value: number, dtype: GraphDtype): TensorData {
  const shape: readonly number[] = [];
  switch (dtype) {
    case 'f64':
      return { dtype, shape, data: Float64Array.of(value) };
    case 'f32':
      return { dtype, shape, data: Float32Array.of(value) };
    case 'f16':
      return { dtype, shape, data: Uint16Array.of(numberToF16(value)) };
    case 'i64':
      return { dtype, shape, data: BigInt64Array.of(BigInt(value)) };
    case 'i32':
      return { dtype, shape, data: Int32Array.of(value) };
    case 'bool':
      return { dtype, shape, data: Uint8Array.of(value) };
  }
}

/** Zeros with rows added at indices: ScatterND over axis 0, the wanted axis moved there and back. */
function emitScatterAdd(
  node: TensorOf<'ScatterAdd'>,
  inputs: readonly string[],
  to: Emitter,
): string {
  const [updates, index] = node.inputs as [Tensor, Tensor];
  const { axis, size } = node.attributes;
  const rank = index.shape.length;
  const range = (from: number, count: number): number[] =>
    Array.from({ length: count }, (_, i) => from + i);
  const after = range(axis + rank, updates.shape.length - axis - rank);
  const dtype = summingDtype(node);
  const values = to.cast(inputs[0]!, node.dtype, dtype);
  const front = to.transpose(values, [...range(axis, rank), ...range(0, axis), ...after]);
  const rest = node.shape.filter((_, i) => i !== axis);
  const positions = to.reshape(to.cast(inputs[1]!, index.dtype, 'i64'), [...index.shape, 1]);
  const zeros = to.zeros([size, ...rest], { dtype });
  const sum = to.node('ScatterND', [zeros, positions, front], { reduction: { string: 'add' } });
  const placed =
    axis === 0
      ? sum
      : to.transpose(sum, [...range(1, axis), 0, ...range(axis + 1, rest.length - axis)]);
  return to.cast(placed, dtype, node.dtype);
}

/** ONNX Runtime's scatters add no f16. */
function summingDtype({ dtype }: Tensor): GraphDtype {
  return dtype === 'f16' ? 'f32' : dtype;
}

function emitScatterElementsAdd(
  node: TensorOf<'ScatterElementsAdd'>,
  inputs: readonly string[],
  to: Emitter,
): string {
  const dtype = summingDtype(node);
  const values = to.cast(inputs[0]!, node.dtype, dtype);
  const zeros = to.zeros(node.shape, { dtype });
  const attributes = { axis: { int: node.attributes.axis }, reduction: { string: 'add' } };
  const sum = to.node('ScatterElements', [zeros, inputs[1]!, values], attributes);
  return to.cast(sum, dtype, node.dtype);
}

function emitLayerNorm(
  node: TensorOf<'LayerNorm'>,
  inputs: readonly string[],
  to: Emitter,
): string {
  const x = node.inputs[0]!;
  const { eps } = node.attributes;
  const [name, scale, bias] = inputs as [string, string | undefined, string | undefined];
  if (!scale && to.sharesNorm(x, eps)) return sharedNorm(x, name, eps, to).y;
  const ones = scale ?? to.ones([x.shape.at(-1)!], x);
  const attributes = { axis: { int: -1 }, epsilon: { float: eps } };
  return to.node('LayerNormalization', bias ? [name, ones, bias] : [name, ones], attributes);
}

export const emitRules: EmitRules = {
  Input: never,
  Parameter: never,
  Constant: (node, _, to) => to.constant(node.attributes.value),
  Neg: plain('Neg'),
  Abs: plain('Abs'),
  Exp: plain('Exp'),
  Log: plain('Log'),
  Sqrt: plain('Sqrt'),
  Reciprocal: plain('Reciprocal'),
  Erf: plain('Erf'),
  Sin: plain('Sin'),
  Cos: plain('Cos'),
  Tanh: plain('Tanh'),
  Sigmoid: plain('Sigmoid'),
  Softplus: plain('Softplus'),
  Relu: plain('Relu'),
  LeakyRelu: (node, inputs, to) =>
    to.node('LeakyRelu', inputs, { alpha: { float: node.attributes.alpha } }),
  Elu: (node, inputs, to) => to.node('Elu', inputs, { alpha: { float: node.attributes.alpha } }),
  Gelu: (node, inputs, to) =>
    to.node('Gelu', inputs, { approximate: { string: node.attributes.approximate } }),
  QuickGelu: { form: (node) => quickGeluForm(node.inputs[0]!) },
  Silu: { form: (node) => siluForm(node.inputs[0]!) },
  Sign: plain('Sign'),
  Floor: plain('Floor'),
  Ceil: plain('Ceil'),
  Round: plain('Round'),
  Not: plain('Not'),
  Clip: (node, inputs, to) => {
    const { min, max } = node.attributes;
    const x = node.inputs[0]!;
    return to.node('Clip', [inputs[0]!, to.float(min, x), to.float(max, x)]);
  },
  Cast: (node, inputs, to) =>
    to.node('Cast', inputs, { to: { int: onnxDtypes[node.attributes.to] } }),
  StopGradient: plain('Identity'),
  Add: plain('Add'),
  Sub: plain('Sub'),
  Mul: plain('Mul'),
  Div: plain('Div'),
  Pow: plain('Pow'),
  Max: plain('Max'),
  Min: plain('Min'),
  Mod: emitMod,
  Equal: plain('Equal'),
  Less: plain('Less'),
  LessOrEqual: plain('LessOrEqual'),
  Greater: plain('Greater'),
  GreaterOrEqual: plain('GreaterOrEqual'),
  And: plain('And'),
  Or: plain('Or'),
  Where: plain('Where'),
  ReduceSum: reduction('ReduceSum'),
  ReduceMean: reduction('ReduceMean'),
  ReduceMax: reduction('ReduceMax'),
  ReduceMin: reduction('ReduceMin'),
  ArgMax: (node, inputs, to) => {
    const { axis, keepDims } = node.attributes;
    return to.node('ArgMax', inputs, { axis: { int: axis }, keepdims: { int: keepDims ? 1 : 0 } });
  },
  CumSum: (node, inputs, to) =>
    to.node('CumSum', [
      inputs[0]!,
      to.constant({
        dtype: 'i64',
        shape: [],
        data: BigInt64Array.of(BigInt(node.attributes.axis)),
      }),
    ]),
  Softmax: withAxis('Softmax'),
  LogSoftmax: withAxis('LogSoftmax'),
  MatMul: plain('MatMul'),
  Int8MatMul: emitInt8MatMul,
  Conv: emitConv,
  BlockedConv: emitBlockedConv,
  ConvTranspose: emitConvTranspose,
  ConvWeightGrad: emitConvWeightGrad,
  Attention: emitAttention,
  LayerNorm: emitLayerNorm,
  InvStdDev: (node, inputs, to) =>
    sharedNorm(node.inputs[0]!, inputs[0]!, node.attributes.eps, to).invStdDev,
  RmsNorm: (node, inputs, to) => {
    const x = node.inputs[0]!;
    const scale = inputs[1] ?? to.ones([x.shape.at(-1)!], x);
    const attributes = { axis: { int: -1 }, epsilon: { float: node.attributes.eps } };
    return to.node('RMSNormalization', [inputs[0]!, scale], attributes);
  },
  GroupNorm: { form: groupNormForm },
  BatchNorm: (node, inputs, to) =>
    to.node('BatchNormalization', inputs, { epsilon: { float: node.attributes.eps } }),
  Reshape: (node, inputs, to) => to.reshape(inputs[0]!, node.attributes.shape),
  Transpose: (node, inputs, to) => to.transpose(inputs[0]!, node.attributes.permutation),
  Expand: (node, inputs, to) => to.node('Expand', [inputs[0]!, to.ints(node.attributes.shape)]),
  Concat: withAxis('Concat'),
  Slice: emitSlice,
  Pad: (node, inputs, to) => {
    const { before, after, mode, value } = node.attributes;
    const names = [inputs[0]!, to.ints([...before, ...after])];
    if (mode === 'constant') names.push(to.constant(scalarOf(value, node.dtype)));
    return to.node('Pad', names, { mode: { string: mode } });
  },
  Gather: withAxis('Gather'),
  ScatterAdd: emitScatterAdd,
  GatherElements: withAxis('GatherElements'),
  ScatterElementsAdd: emitScatterElementsAdd,
  Resize: emitResize,
  ResizeAdjoint: emitResizeAdjoint,
  AveragePool: (node, inputs, to) =>
    to.node('AveragePool', inputs, {
      ...poolAttributes(node.attributes),
      count_include_pad: { int: node.attributes.countIncludePad ? 1 : 0 },
    }),
  AveragePoolAdjoint: emitAveragePoolAdjoint,
  MaxPool: (node, inputs, to) => to.node('MaxPool', inputs, poolAttributes(node.attributes)),
};

/** Forms used when a gradient shares parts of an operation that has a faster node of its own. */
const trainingForms: { readonly [K in Op]?: Lowered<K>['form'] } = {
  LayerNorm: layerNormForm,
  RmsNorm: rmsNormForm,
  Attention: attentionForm,
  Gelu: geluForm,
};

/** Replaces compound operations by the forms emission knows, then merges equal nodes. */
export function lower(graph: Graph, training: boolean): Graph {
  const formOf = (node: Tensor): Tensor | undefined => {
    const rule = emitRules[node.op] as EmitRule<Op> | Lowered<Op>;
    const form = typeof rule === 'function' ? undefined : rule.form;
    const extra = training
      ? (trainingForms[node.op] as Lowered<Op>['form'] | undefined)
      : undefined;
    const result = (form ?? extra)?.(node);
    return result;
  };
  const lowered = rewriteToFixpoint(graph, formOf);
  return commonSubexpressions(training ? simplify(lowered) : lowered);
}

/** Where a parameter's values come from: a file, or undefined for an input fed at every run. */
export type WeightSource = (name: string) => ExternalTensor | undefined;

export interface EmittedModel {
  readonly bytes: Uint8Array;
  /** Inputs and fed parameters, in order. */
  readonly inputs: readonly { name: string; dtype: Dtype; shape: readonly number[] }[];
  readonly outputs: readonly { name: string; dtype: Dtype; shape: readonly number[] }[];
}

export interface EmitOptions {
  readonly weights?: WeightSource;
  /** Take norms and attention apart so that forward and backward share their parts. */
  readonly training?: boolean;
}

function emitParameter(
  node: TensorOf<'Parameter'>,
  { source, tables }: Weights,
  to: Emitter,
): string {
  const { name } = node.attributes;
  const external = source(name);
  if (!external) {
    to.inputs.push({ name, dtype: node.dtype, shape: node.shape });
    return name;
  }
  to.initializers.set(name, { ...external, shape: node.shape });
  if (external.dtype === node.dtype || tables.has(node)) return name;
  return to.node('Cast', [name], { to: { int: onnxDtypes[node.dtype] } });
}

/** Stored dtypes that ONNX Runtime's Gather does not take. */
const gathersNot: ReadonlySet<Dtype | undefined> = new Set(['f8e4m3fn', 'f8e5m2']);

interface Weights {
  readonly source: WeightSource;
  /** Parameters that only lookups read: the rows found are cast, so that no whole table is copied. */
  readonly tables: ReadonlySet<Tensor>;
}

function lookupTables(
  order: readonly Tensor[],
  outputs: Iterable<Tensor>,
  source: WeightSource,
): Set<Tensor> {
  const isTable = (node: Tensor): boolean =>
    node.op === 'Parameter' && !gathersNot.has(source(node.attributes.name)?.dtype);
  const tables = new Set(order.filter(isTable));
  for (const output of outputs) tables.delete(output);
  for (const { op, inputs } of order) {
    inputs.forEach((source, i) => {
      if (op !== 'Gather' || i > 0) tables.delete(source);
    });
  }
  return tables;
}

function emitNode(node: Tensor, inputs: readonly string[], weights: Weights, to: Emitter): string {
  if (node.op === 'Parameter') return emitParameter(node, weights, to);
  if (node.op === 'Input') {
    const { name } = node.attributes;
    to.inputs.push({ name, dtype: node.dtype, shape: node.shape });
    return name;
  }
  const rule = emitRules[node.op] as EmitRule<Op> | Lowered<Op>;
  if (typeof rule !== 'function') throw internal('emit', `${node.op} was not lowered`);
  const output = rule(node, inputs, to);
  const table = weights.tables.has(node.inputs[0]!) ? to.initializers.get(inputs[0]!) : undefined;
  if (table === undefined || table.dtype === node.dtype) return output;
  return to.node('Cast', [output], { to: { int: onnxDtypes[node.dtype] } });
}

/** Names of the leaves; throws GRAPH when an output would take one of them. */
function leafNames(order: readonly Tensor[], graph: Graph): Set<string> {
  const names = new Set<string>();
  for (const tensor of order) {
    if (tensor.op !== 'Input' && tensor.op !== 'Parameter') continue;
    const { name } = tensor.attributes;
    names.add(name);
    if (!graph.has(name)) continue;
    throw complain('GRAPH', {
      where: `emitOnnx: output "${name}"`,
      expected: 'a name no input or parameter has',
      got: `${tensor.op} "${name}"`,
      next: 'Give the output another name.',
    });
  }
  return names;
}

/** Writes a graph as an ONNX model. Throws GRAPH when an output is named like an input or parameter. */
export function emitOnnx(graph: Graph, options: EmitOptions = {}): EmittedModel {
  const { weights = () => undefined, training = false } = options;
  const lowered = lower(graph, training);
  const order = topologicalOrder(lowered.values());
  const names = new Map<Tensor, string>();
  const tables = lookupTables(order, lowered.values(), weights);
  const linear = linearForms(order, lowered.values(), (name) => weights(name) !== undefined);
  const to = new Emitter(order, new Set([...leafNames(order, lowered), ...lowered.keys()]));
  for (const tensor of order) {
    if (linear.absorbed.has(tensor)) continue;
    const form: LinearForm | undefined = linear.forms.get(tensor);
    if (form) {
      names.set(
        tensor,
        emitLinear(form, (source) => names.get(source)!, to),
      );
      continue;
    }
    const inputs = tensor.inputs.map((source) => names.get(source)!);
    names.set(tensor, emitNode(tensor, inputs, { source: weights, tables }, to));
  }
  const outputs = [...lowered].map(([name, tensor]) => {
    to.nodes.push({ opType: 'Identity', inputs: [names.get(tensor)!], outputs: [name] });
    return { name, dtype: tensor.dtype as Dtype, shape: tensor.shape };
  });
  const { nodes, initializers, inputs } = to;
  const isBlocked = nodes.some(({ domain }) => domain === blockDomain);
  const opsets = { '': 23, 'com.microsoft': 1, ...(isBlocked ? { [blockDomain]: 1 } : {}) };
  return { bytes: encodeOnnx({ nodes, initializers, inputs, outputs, opsets }), inputs, outputs };
}
