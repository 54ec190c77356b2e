/** @file Verifier: every node of a graph against its arity, shape rule and attribute ranges. */
import { complain, internal, MaliangError } from '../core/errors.js';
import { elementCount } from '../core/tensor-data.js';
import { arity, type Op, type OpAttributes, type Padding, type Pair } from './ops.js';
import { namedOutputs, numberNodes } from './print.js';
import { shapeRules, windowCount } from './shape.js';
import { type Graph, inputsOf, parametersOf, type Tensor, type TensorOf } from './tensor.js';

/** What is wrong with the attributes, or undefined; `expected … got …` in a few words. */
type Check<K extends Op> = (attributes: OpAttributes[K], node: TensorOf<K>) => string | undefined;

const isCount = (value: number): boolean => Number.isInteger(value) && value >= 1;
const isSize = (value: number): boolean => Number.isInteger(value) && value >= 0;

/** The first complaint of a list of [holds, complaint]. */
function firstOf(...rules: readonly (readonly [boolean, string])[]): string | undefined {
  return rules.find(([holds]) => !holds)?.[1];
}

interface Window {
  readonly stride: Pair;
  readonly padding: Padding;
}
const windowRules = ({ stride, padding }: Window): [boolean, string][] => [
  [stride.every(isCount), `positive strides, got [${stride}]`],
  [padding.every(isSize), `non-negative padding, got [${padding}]`],
];
const kernelRule = (kernel: Pair): [boolean, string] => [
  kernel.every(isCount),
  `a positive kernel, got [${kernel}]`,
];
const convRules = (conv: OpAttributes['Conv']): [boolean, string][] => [
  ...windowRules(conv),
  [conv.dilation.every(isCount), `positive dilations, got [${conv.dilation}]`],
  [isCount(conv.groups), `a positive number of groups, got ${conv.groups}`],
];
const blockRule = ({ block }: { block: number }): string | undefined =>
  firstOf([isCount(block), `a positive block, got ${block}`]);
const positiveEps = ({ eps }: { eps: number }): string | undefined =>
  firstOf([eps >= 0 && Number.isFinite(eps), `a finite eps of at least 0, got ${eps}`]);
const finiteAlpha = ({ alpha }: { alpha: number }): string | undefined =>
  firstOf([Number.isFinite(alpha), `a finite alpha, got ${alpha}`]);
const scatterSize = ({ size }: { size: number }): string | undefined =>
  firstOf([isCount(size), `a positive size, got ${size}`]);
const resizeRules = (resize: OpAttributes['Resize']): [boolean, string][] => [
  [resize.size.every(isCount), `positive sizes, got [${resize.size}]`],
  [
    resize.mode !== 'nearest' || (!resize.alignCorners && !resize.antialias),
    'nearest without alignCorners and antialias, got one of them',
  ],
];
const leafName = ({ name }: { name: string }): string | undefined =>
  firstOf([name !== '', 'a name, got an empty one']);

/** The operations whose attributes the shape rule does not already check. */
const checks: { readonly [K in Op]?: Check<K> } = {
  Input: leafName,
  Parameter: leafName,
  Constant: ({ value }) =>
    firstOf([
      value.data.length === elementCount(value.shape),
      `${elementCount(value.shape)} values, got ${value.data.length}`,
    ]),
  LeakyRelu: finiteAlpha,
  Elu: finiteAlpha,
  Clip: ({ min, max }) => firstOf([min <= max, `min at most max, got ${min} and ${max}`]),
  Conv: (conv) => firstOf(...convRules(conv)),
  BlockedConv: (conv) => firstOf(...convRules(conv)) ?? blockRule(conv),
  ConvTranspose: (conv) => firstOf(...convRules(conv)),
  ConvWeightGrad: (conv, { inputs }) =>
    firstOf(...convRules(conv), kernelRule(conv.kernel), [
      inputs.every((source) => source.shape[1]! % conv.groups === 0),
      `channels divisible by ${conv.groups} groups, got ${inputs.map((source) => source.shape[1])}`,
    ]),
  Attention: ({ heads, scale }) =>
    firstOf(
      [isCount(heads), `a positive number of heads, got ${heads}`],
      [Number.isFinite(scale), `a finite scale, got ${scale}`],
    ),
  LayerNorm: positiveEps,
  InvStdDev: positiveEps,
  RmsNorm: positiveEps,
  GroupNorm: positiveEps,
  BatchNorm: positiveEps,
  Reshape: ({ shape }) => firstOf([shape.every(isSize), `sizes of at least 0, got [${shape}]`]),
  Slice: ({ steps }) => firstOf([steps.every(Number.isInteger), `whole steps, got [${steps}]`]),
  ScatterAdd: scatterSize,
  ScatterElementsAdd: scatterSize,
  Resize: (resize) => firstOf(...resizeRules(resize)),
  ResizeAdjoint: (resize) =>
    firstOf(...resizeRules(resize), [
      resize.inputSize.every(isCount),
      `a positive input size, got [${resize.inputSize}]`,
    ]),
  AveragePool: (pool) => firstOf(...windowRules(pool), kernelRule(pool.kernel)),
  AveragePoolAdjoint: (pool, node) =>
    firstOf(...windowRules(pool), kernelRule(pool.kernel), [
      pooledSize(pool).join() === node.inputs[0]!.shape.slice(2).join(),
      `a gradient of ${pooledSize(pool)} pixels, got ${node.inputs[0]!.shape.slice(2)}`,
    ]),
  MaxPool: (pool) => firstOf(...windowRules(pool), kernelRule(pool.kernel)),
};

function pooledSize(pool: OpAttributes['AveragePoolAdjoint']): Pair {
  const { inputSize, kernel, stride, padding } = pool;
  return [
    windowCount(inputSize[0], kernel[0], stride[0], padding[0] + padding[2], 1),
    windowCount(inputSize[1], kernel[1], stride[1], padding[1] + padding[3], 1),
  ];
}

/**
 * Checks every node below the outputs. Throws GRAPH for what a caller can cause (attributes out
 * of range, two leaves under one name) and INTERNAL for nodes that disagree with their inputs,
 * which only a broken rewrite can make. Numbers in messages are those of `printGraph`.
 */
export function verifyGraph(outputs: Graph | readonly Tensor[]): void {
  const roots = namedOutputs(outputs).map(([, output]) => output);
  for (const [tensor, number] of numberNodes(outputs)) {
    const label = `node ${number} (${tensor.op})`;
    verifyArity(tensor, label);
    verifyAttributes(tensor, label);
    verifyShape(tensor, label);
  }
  verifyLeafNames(roots);
}

function verifyArity(tensor: Tensor, label: string): void {
  const [fewest, most] = arity[tensor.op];
  const count = tensor.inputs.length;
  if (count < fewest || count > most) {
    const range = fewest === most ? `${fewest}` : `${fewest} to ${most}`;
    throw internal('verify', `${label} has ${count} inputs, takes ${range}`);
  }
}

function verifyAttributes(tensor: Tensor, label: string): void {
  const check = checks[tensor.op] as Check<Op> | undefined;
  const wrong = check?.(tensor.attributes, tensor);
  if (wrong === undefined) return;
  const [expected, got] = wrong.split(', got ') as [string, string];
  throw complain('GRAPH', { where: `verify: ${label}`, expected, got });
}

function verifyShape(tensor: Tensor, label: string): void {
  if (tensor.op === 'Input' || tensor.op === 'Parameter') {
    if (tensor.shape.every(isSize)) return;
    const where = `verify: ${label} "${tensor.attributes.name}"`;
    const got = `[${tensor.shape.join(',')}]`;
    throw complain('GRAPH', { where, expected: 'sizes of at least 0', got });
  }
  const { shape, dtype } = shapeByRule(tensor, label);
  if (shape.join() !== tensor.shape.join()) {
    throw internal('verify', `${label} has shape [${tensor.shape}], inputs give [${shape}]`);
  }
  if (dtype !== tensor.dtype) {
    throw internal('verify', `${label} has dtype ${tensor.dtype}, inputs give ${dtype}`);
  }
}

function shapeByRule(tensor: Tensor, label: string): ReturnType<(typeof shapeRules)[Op]> {
  const rule = shapeRules[tensor.op] as (typeof shapeRules)[Op];
  try {
    return rule(tensor.inputs, tensor.attributes as never);
  } catch (error) {
    if (!(error instanceof MaliangError)) throw error;
    throw internal('verify', `${label} does not fit its inputs: ${error.message}`);
  }
}

/** Leaves of one name must agree, and an Input may not share its name with a Parameter. */
function verifyLeafNames(roots: readonly Tensor[]): void {
  const parameters = parametersOf(roots);
  for (const name of inputsOf(roots).keys()) {
    if (!parameters.has(name)) continue;
    throw complain('GRAPH', {
      where: `verify: Input "${name}"`,
      expected: 'a name no Parameter has',
      got: `a Parameter of that name`,
    });
  }
}
