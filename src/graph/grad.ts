/** @file Reverse-mode differentiation as a graph transform: a total table of rules and one loop. */
import { complain } from '../core/errors.js';
import {
  add,
  and,
  cast,
  cos,
  cumSum,
  div,
  equal,
  exp,
  filled,
  floor,
  gather,
  gatherElements,
  greater,
  invStdDev,
  layerNorm,
  less,
  log,
  mul,
  neg,
  pow,
  reciprocal,
  reshape,
  scatterAdd,
  scatterElementsAdd,
  sigmoid,
  sign,
  sin,
  square,
  sub,
  sum,
  transpose,
  where,
} from './build.js';
import {
  attentionGradient,
  batchNormGradient,
  concatGradient,
  flip,
  geluTanh,
  geluTanhSlope,
  groupNormGradient,
  invRms,
  matmulGradient,
  maxPoolGradient,
  normalCdf,
  normalizeGradient,
  normalPdf,
  padGradient,
  unbroadcast,
  unslice,
} from './composite.js';
import type { ConvAttributes, Op, Pair } from './ops.js';
import { isFloat } from './shape.js';
import { node as makeNode, type Tensor, type TensorOf, topologicalOrder } from './tensor.js';

/** Marks an operation through which no gradient flows: its derivative is zero or has no meaning. */
export const notDifferentiable = 'not differentiable';

/** One thunk per input; only those needed are called. */
type Rule<K extends Op> = (g: Tensor, node: TensorOf<K>) => readonly (() => Tensor)[];
type Rules = { readonly [K in Op]: Rule<K> | typeof notDifferentiable };

const chain =
  (derivative: (x: Tensor, y: Tensor) => Tensor) =>
  (g: Tensor, node: { readonly inputs: readonly Tensor[] }): (() => Tensor)[] => [
    () => mul(g, derivative(node.inputs[0]!, node as Tensor)),
  ];

/** A rule for an operation linear in its only input. */
const linear =
  <K extends Op>(adjoint: (g: Tensor, node: TensorOf<K>) => Tensor): Rule<K> =>
  (g, node) => [() => adjoint(g, node)];

const keepDims = (x: Tensor, axes: readonly number[], like: Tensor): Tensor =>
  reshape(
    x,
    like.shape.map((size, axis) => (axes.includes(axis) ? 1 : size)),
  );

/** The gradient of a maximum or minimum goes to the larger side, and half to each where equal. */
const selection =
  (wins: (a: Tensor, b: Tensor) => Tensor) =>
  (g: Tensor, node: { readonly inputs: readonly Tensor[] }): (() => Tensor)[] => {
    const [a, b] = node.inputs as [Tensor, Tensor];
    const share = (p: Tensor, q: Tensor): Tensor =>
      add(cast(wins(p, q), g.dtype), mul(cast(equal(p, q), g.dtype), 0.5));
    return [
      () => unbroadcast(mul(g, share(a, b)), a.shape),
      () => unbroadcast(mul(g, share(b, a)), b.shape),
    ];
  };

/** Equal extremes share the gradient evenly. */
const extreme = (g: Tensor, node: TensorOf<'ReduceMax' | 'ReduceMin'>): (() => Tensor)[] => {
  const x = node.inputs[0]!;
  const { axes } = node.attributes;
  return [
    () => {
      const best = cast(equal(x, keepDims(node as Tensor, axes, x)), g.dtype);
      return mul(mul(best, reciprocal(sum(best, axes, true))), keepDims(g, axes, x));
    },
  ];
};

const total =
  (scaleOf: (x: Tensor, axes: readonly number[]) => number) =>
  (g: Tensor, node: TensorOf<'ReduceSum' | 'ReduceMean'>): (() => Tensor)[] => {
    const x = node.inputs[0]!;
    const { axes } = node.attributes;
    const scaled = (): Tensor => {
      const factor = scaleOf(x, axes);
      return factor === 1 ? g : mul(g, factor);
    };
    return [() => makeNode('Expand', [keepDims(scaled(), axes, x)], { shape: x.shape })];
  };

function convAttributesOf(attributes: ConvAttributes): ConvAttributes {
  const { stride, padding, dilation, groups } = attributes;
  return { stride, padding, dilation, groups };
}

/** What a transposed convolution must add at the end to reach `size` again. */
function missingRows(size: Pair, output: Pair, kernel: Pair, attributes: ConvAttributes): Pair {
  const { stride, padding, dilation } = attributes;
  const along = (axis: 0 | 1): number =>
    size[axis] -
    ((output[axis] - 1) * stride[axis] -
      padding[axis] -
      padding[axis + 2]! +
      dilation[axis] * (kernel[axis] - 1) +
      1);
  return [along(0), along(1)];
}

const pixelsOf = (x: Tensor): Pair => [x.shape[2]!, x.shape[3]!];

/** Gradient of a convolution by its input: transposed convolution with the same weight. */
function convInputGradient(g: Tensor, weight: Tensor, x: Tensor, from: ConvAttributes): Tensor {
  const attributes = convAttributesOf(from);
  const outputPadding = missingRows(pixelsOf(x), pixelsOf(g), pixelsOf(weight), attributes);
  return makeNode('ConvTranspose', [g, weight], { ...attributes, outputPadding });
}

function convWeightGradient(x: Tensor, g: Tensor, kernel: Pair, from: ConvAttributes): Tensor {
  return makeNode('ConvWeightGrad', [x, g], { ...convAttributesOf(from), kernel });
}

export const gradientRules: Rules = {
  Input: () => [],
  Parameter: () => [],
  Constant: () => [],
  Neg: linear((g) => neg(g)),
  Abs: chain((x) => sign(x)),
  Exp: chain((_, y) => y),
  Log: chain((x) => reciprocal(x)),
  Sqrt: chain((_, y) => mul(reciprocal(y), 0.5)),
  Reciprocal: chain((_, y) => neg(square(y))),
  Erf: chain((x) => mul(exp(neg(square(x))), 2 / Math.sqrt(Math.PI))),
  Sin: chain((x) => cos(x)),
  Cos: chain((x) => neg(sin(x))),
  Tanh: chain((_, y) => sub(1, square(y))),
  Sigmoid: chain((_, y) => mul(y, sub(1, y))),
  Softplus: chain((x) => sigmoid(x)),
  Relu: (g, node) => [() => where(greater(node.inputs[0]!, 0), g, 0)],
  LeakyRelu: (g, node) => [
    () => where(greater(node.inputs[0]!, 0), g, mul(g, node.attributes.alpha)),
  ],
  Elu: (g, node) => [
    () => where(greater(node.inputs[0]!, 0), g, mul(g, add(node as Tensor, node.attributes.alpha))),
  ],
  Gelu: (g, node) => [
    () => {
      const x = node.inputs[0]!;
      if (node.attributes.approximate === 'none') {
        return mul(g, add(normalCdf(x), mul(x, normalPdf(x))));
      }
      const t = geluTanh(x);
      const slope = mul(mul(x, sub(1, square(t))), geluTanhSlope(x));
      return mul(g, mul(add(add(t, 1), slope), 0.5));
    },
  ],
  QuickGelu: chain((x, y) => {
    const s = sigmoid(mul(x, 1.702));
    return add(s, mul(mul(y, sub(1, s)), 1.702));
  }),
  Silu: (g, node) => [
    () => {
      const scaled = mul(g, sigmoid(node.inputs[0]!)); // σ + y(1 − σ), g folded in
      return add(scaled, mul(node as Tensor, sub(g, scaled)));
    },
  ],
  Sign: notDifferentiable,
  Floor: notDifferentiable,
  Ceil: notDifferentiable,
  Round: notDifferentiable,
  Not: notDifferentiable,
  Clip: (g, node) => [
    () => {
      const x = node.inputs[0]!;
      const { min, max } = node.attributes;
      return where(and(greater(x, min), less(x, max)), g, 0); // 0 at the bounds, as torch
    },
  ],
  Cast: linear((g, node) => cast(g, node.inputs[0]!.dtype)),
  StopGradient: notDifferentiable,
  Add: (g, { inputs: [a, b] }) => [() => unbroadcast(g, a!.shape), () => unbroadcast(g, b!.shape)],
  Sub: (g, { inputs: [a, b] }) => [
    () => unbroadcast(g, a!.shape),
    () => neg(unbroadcast(g, b!.shape)),
  ],
  Mul: (g, { inputs: [a, b] }) => [
    () => unbroadcast(mul(g, b!), a!.shape),
    () => unbroadcast(mul(g, a!), b!.shape),
  ],
  Div: (g, node) => {
    const [a, b] = node.inputs as [Tensor, Tensor];
    return [
      () => unbroadcast(div(g, b), a.shape),
      () => neg(unbroadcast(div(mul(g, node as Tensor), b), b.shape)),
    ];
  },
  Pow: (g, node) => {
    const [a, b] = node.inputs as [Tensor, Tensor];
    return [
      () => unbroadcast(mul(g, mul(b, pow(a, sub(b, 1)))), a.shape),
      () => unbroadcast(mul(g, mul(node as Tensor, log(a))), b.shape),
    ];
  },
  Max: selection(greater),
  Min: selection(less),
  Mod: (g, { inputs: [a, b] }) => [
    () => unbroadcast(g, a!.shape),
    () => neg(unbroadcast(mul(g, floor(div(a!, b!))), b!.shape)),
  ],
  Equal: notDifferentiable,
  Less: notDifferentiable,
  LessOrEqual: notDifferentiable,
  Greater: notDifferentiable,
  GreaterOrEqual: notDifferentiable,
  And: notDifferentiable,
  Or: notDifferentiable,
  Where: (g, { inputs: [condition, a, b] }) => [
    () => g,
    () => unbroadcast(where(condition!, g, 0), a!.shape),
    () => unbroadcast(where(condition!, filled(0, [], g.dtype), g), b!.shape),
  ],
  ReduceSum: total(() => 1),
  ReduceMean: total((x, axes) => 1 / axes.reduce((count, axis) => count * x.shape[axis]!, 1)),
  ReduceMax: extreme,
  ReduceMin: extreme,
  ArgMax: notDifferentiable,
  Int8MatMul: notDifferentiable,
  BlockedConv: notDifferentiable,
  CumSum: linear((g, { attributes: { axis } }) => flip(cumSum(flip(g, axis), axis), axis)),
  Softmax: (g, node) => [
    () => {
      const weighted = mul(g, node as Tensor);
      return sub(weighted, mul(node as Tensor, sum(weighted, [node.attributes.axis], true)));
    },
  ],
  LogSoftmax: (g, node) => [
    () => sub(g, mul(exp(node as Tensor), sum(g, [node.attributes.axis], true))),
  ],
  MatMul: (g, { inputs: [a, b] }) => matmulGradient(a!, b!, g),
  Conv: (g, node) => {
    const [x, weight] = node.inputs as [Tensor, Tensor];
    return [
      () => convInputGradient(g, weight, x, node.attributes),
      () => convWeightGradient(x, g, pixelsOf(weight), node.attributes),
      () => sum(g, [0, 2, 3]),
    ];
  },
  ConvTranspose: (g, node) => {
    const [x, weight] = node.inputs as [Tensor, Tensor];
    return [
      () => makeNode('Conv', [g, weight], convAttributesOf(node.attributes)),
      () => convWeightGradient(g, x, pixelsOf(weight), node.attributes),
      () => sum(g, [0, 2, 3]),
    ];
  },
  ConvWeightGrad: (g, node) => {
    const [x, outer] = node.inputs as [Tensor, Tensor];
    return [
      () => convInputGradient(outer, g, x, node.attributes),
      () => makeNode('Conv', [x, g], convAttributesOf(node.attributes)),
    ];
  },
  Attention: (g, node) => attentionGradient(node, g),
  LayerNorm: (g, node) => {
    const [x, scale] = node.inputs as [Tensor, Tensor | undefined];
    const { eps } = node.attributes;
    const rows = x.shape.map((_, i) => i).slice(0, -1);
    const normalized = layerNorm(x, eps);
    return [
      () => normalizeGradient(scale ? mul(g, scale) : g, normalized, invStdDev(x, eps)),
      () => sum(mul(g, normalized), rows),
      () => sum(g, rows),
    ];
  },
  InvStdDev: (g, node) => [
    () => {
      const x = node.inputs[0]!;
      const slope = mul(square(node as Tensor), -1 / x.shape.at(-1)!);
      return mul(mul(g, slope), layerNorm(x, node.attributes.eps));
    },
  ],
  RmsNorm: (g, node) => {
    const [x, scale] = node.inputs as [Tensor, Tensor | undefined];
    const r = invRms(x, node.attributes.eps);
    const normalized = mul(x, r);
    return [
      () => {
        const dy = scale ? mul(g, scale) : g;
        const along = mul(sum(mul(dy, normalized), [-1], true), 1 / x.shape.at(-1)!);
        return mul(r, sub(dy, mul(normalized, along)));
      },
      () => sum(mul(g, normalized), x.shape.map((_, i) => i).slice(0, -1)),
    ];
  },
  GroupNorm: (g, node) => {
    const gradient = groupNormGradient(node, g);
    return [gradient.x, gradient.scale, gradient.bias];
  },
  BatchNorm: (g, node) => batchNormGradient(node, g),
  Reshape: linear((g, node) => reshape(g, node.inputs[0]!.shape)),
  Transpose: linear((g, { attributes: { permutation } }) => {
    const inverse = new Array<number>(permutation.length);
    permutation.forEach((axis, i) => {
      inverse[axis] = i;
    });
    return transpose(g, inverse);
  }),
  Expand: linear((g, node) => unbroadcast(g, node.inputs[0]!.shape)),
  Concat: (g, node) => concatGradient(node, g),
  Slice: linear((g, { inputs, attributes: { starts, steps } }) =>
    unslice(g, inputs[0]!.shape, starts, steps),
  ),
  Pad: linear((g, node) => padGradient(node, g)),
  Gather: (g, { inputs: [x, index], attributes: { axis } }) => [
    () => scatterAdd(g, index!, axis, x!.shape[axis]!),
  ],
  ScatterAdd: (g, { inputs: [, index], attributes: { axis } }) => [() => gather(g, index!, axis)],
  GatherElements: (g, { inputs: [x, index], attributes: { axis } }) => [
    () => padToShape(scatterElementsAdd(g, index!, axis, x!.shape[axis]!), x!.shape),
  ],
  ScatterElementsAdd: (g, { inputs: [, index], attributes: { axis } }) => [
    () => gatherElements(g, index!, axis),
  ],
  Resize: linear((g, { inputs, attributes }) =>
    makeNode('ResizeAdjoint', [g], { ...attributes, inputSize: pixelsOf(inputs[0]!) }),
  ),
  ResizeAdjoint: linear((g, { attributes }) => {
    const { mode, size, alignCorners, antialias } = attributes;
    return makeNode('Resize', [g], { mode, size, alignCorners, antialias });
  }),
  AveragePool: linear((g, { inputs, attributes }) =>
    makeNode('AveragePoolAdjoint', [g], { ...attributes, inputSize: pixelsOf(inputs[0]!) }),
  ),
  AveragePoolAdjoint: linear((g, { attributes }) => {
    const { kernel, stride, padding, countIncludePad } = attributes;
    return makeNode('AveragePool', [g], { kernel, stride, padding, countIncludePad });
  }),
  MaxPool: linear((g, node) => maxPoolGradient(node, g)),
};

function padToShape(x: Tensor, shape: readonly number[]): Tensor {
  const after = shape.map((size, axis) => size - x.shape[axis]!);
  return after.every((size) => size === 0)
    ? x
    : makeNode('Pad', [x], { before: shape.map(() => 0), after, mode: 'constant', value: 0 });
}

/** Nodes on a path from one of `wrt` to the loss through differentiable operations. */
function dependents(order: readonly Tensor[], wrt: readonly Tensor[]): Set<Tensor> {
  const found = new Set<Tensor>(wrt);
  for (const tensor of order) {
    if (gradientRules[tensor.op] === notDifferentiable || !isFloat(tensor.dtype)) continue;
    if (tensor.inputs.some((source) => found.has(source))) found.add(tensor);
  }
  return found;
}

/**
 * Gradients of a scalar loss by each of `wrt`, as more graph; zeros where the loss does not
 * depend on one. Closed under itself, so it can be applied to its own result.
 * Throws SHAPE when the loss is not a floating-point scalar.
 */
export function grad(loss: Tensor, wrt: readonly Tensor[]): Tensor[] {
  if (loss.shape.length !== 0 || !isFloat(loss.dtype)) {
    throw complain('SHAPE', {
      where: 'grad',
      expected: 'a floating-point scalar loss',
      got: `${loss.dtype}[${loss.shape.join(',')}]`,
      next: 'Reduce it with sum or mean first.',
    });
  }
  const order = topologicalOrder([loss]);
  const active = dependents(order, wrt);
  const gradients = new Map<Tensor, Tensor>([[loss, filled(1, [], loss.dtype)]]);
  for (const tensor of order.reverse()) {
    const g = gradients.get(tensor);
    const rule = gradientRules[tensor.op] as Rule<Op> | typeof notDifferentiable;
    if (!g || rule === notDifferentiable || !active.has(tensor)) continue;
    const thunks = rule(g, tensor);
    tensor.inputs.forEach((source, i) => {
      if (!active.has(source) || !isFloat(source.dtype)) return;
      const part = thunks[i]!();
      const other = gradients.get(source);
      gradients.set(source, other ? add(other, part) : part);
    });
  }
  return wrt.map((tensor) => gradients.get(tensor) ?? filled(0, tensor.shape, tensor.dtype));
}
