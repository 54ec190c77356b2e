/** @file The verifier names the node that is wrong and says how. */
import { describe, expect, test } from 'vitest';
import { add, averagePool, conv2d, filled, neg, resize } from '../../src/graph/build.js';
import { input, node, parameter, type Tensor } from '../../src/graph/tensor.js';
import { verifyGraph } from '../../src/graph/verify.js';

const x = input('x', [2, 3]);
const picture = input('picture', [1, 2, 4, 4]);
const kernel = input('kernel', [2, 2, 3, 3]);

/** A node as a broken rewrite would leave it. */
const broken = (tensor: Tensor, changes: Partial<Tensor>): Tensor =>
  ({ ...tensor, ...changes }) as Tensor;

function messageOf(...outputs: Tensor[]): string {
  try {
    verifyGraph(outputs);
  } catch (error) {
    const { code, message } = error as { code: string; message: string };
    return `${code} ${message}`;
  }
  return 'sound';
}

test('accepts a sound graph', () => {
  expect(messageOf(add(neg(x), 1), conv2d(picture, kernel))).toBe('sound');
});

describe('nodes that disagree with their inputs are bugs', () => {
  const y = add(x, x);
  const rows: [string, Tensor][] = [
    ['shape', neg(broken(y, { shape: [3, 2] }))],
    ['dtype', broken(y, { dtype: 'f64' })],
    ['inputs that do not fit', broken(y, { inputs: [x, input('z', [5])] })],
    ['too many inputs', broken(y, { inputs: [x, x, x] })],
    ['too few inputs', broken(conv2d(picture, kernel), { inputs: [picture] })],
  ];
  test('messages', () => {
    expect(rows.map(([what, tensor]) => `${what}: ${messageOf(tensor)}`)).toMatchInlineSnapshot(`
      [
        "shape: INTERNAL internal: verify: node 1 (Add) has shape [3,2], inputs give [2,3]",
        "dtype: INTERNAL internal: verify: node 1 (Add) has dtype f64, inputs give f32",
        "inputs that do not fit: INTERNAL internal: verify: node 2 (Add) does not fit its inputs: Add: expected shapes that broadcast, got f32[2,3] and f32[5]. Compare the shapes in the message with the operation’s contract.",
        "too many inputs: INTERNAL internal: verify: node 1 (Add) has 3 inputs, takes 2",
        "too few inputs: INTERNAL internal: verify: node 1 (Conv) has 1 inputs, takes 2 to 3",
      ]
    `);
  });
});

describe('attributes out of range', () => {
  const conv = { stride: [1, 1], padding: [0, 0, 0, 0], dilation: [1, 1], groups: 1 } as const;
  const pool = { kernel: [2, 2], stride: [2, 2], padding: [0, 0, 0, 0] } as const;
  const corners = {
    mode: 'bilinear',
    size: [2, 2],
    alignCorners: false,
    antialias: false,
  } as const;
  const rows: Tensor[] = [
    node('Clip', [x], { min: 1, max: -1 }),
    node('LeakyRelu', [x], { alpha: Number.NaN }),
    node('LayerNorm', [x], { eps: -1 }),
    conv2d(picture, kernel, undefined, { stride: 0.5, padding: 1 }),
    conv2d(picture, kernel, undefined, { padding: [1, 1, -1, 1] }),
    conv2d(picture, kernel, undefined, { dilation: [0, 1] }),
    node('ConvTranspose', [picture, kernel], { ...conv, groups: 0.5, outputPadding: [0, 0] }),
    node('ConvWeightGrad', [picture, input('g', [1, 3, 2, 2])], {
      ...conv,
      groups: 2,
      kernel: [3, 3],
    }),
    node(
      'Attention',
      [x, x, x].map((_, i) => input(`q${i}`, [1, 2, 4])),
      {
        heads: 2,
        scale: Number.POSITIVE_INFINITY,
        causal: false,
      },
    ),
    resize(picture, { mode: 'nearest', size: [2, 2], antialias: true }),
    node('ResizeAdjoint', [picture], { ...corners, size: [4, 4], inputSize: [0, 1] }),
    averagePool(picture, { kernel: 2, stride: [1, 1.5] }),
    node('AveragePoolAdjoint', [picture], { ...pool, countIncludePad: true, inputSize: [4, 4] }),
    broken(filled(1, [2]), {
      shape: [2],
      attributes: { value: { dtype: 'f32', shape: [2], data: new Float32Array(3) } },
    }),
    input('', [1]),
    input('half', [1.5]),
  ];
  test('messages', () => {
    expect(rows.map((tensor) => messageOf(tensor))).toMatchInlineSnapshot(`
      [
        "GRAPH verify: node 1 (Clip): expected min at most max, got 1 and -1. Print the graph and look at the node the message names.",
        "GRAPH verify: node 1 (LeakyRelu): expected a finite alpha, got NaN. Print the graph and look at the node the message names.",
        "GRAPH verify: node 1 (LayerNorm): expected a finite eps of at least 0, got -1. Print the graph and look at the node the message names.",
        "GRAPH verify: node 2 (Conv): expected positive strides, got [0.5,0.5]. Print the graph and look at the node the message names.",
        "GRAPH verify: node 2 (Conv): expected non-negative padding, got [1,1,-1,1]. Print the graph and look at the node the message names.",
        "GRAPH verify: node 2 (Conv): expected positive dilations, got [0,1]. Print the graph and look at the node the message names.",
        "GRAPH verify: node 2 (ConvTranspose): expected a positive number of groups, got 0.5. Print the graph and look at the node the message names.",
        "GRAPH verify: node 2 (ConvWeightGrad): expected channels divisible by 2 groups, got 2,3. Print the graph and look at the node the message names.",
        "GRAPH verify: node 3 (Attention): expected a finite scale, got Infinity. Print the graph and look at the node the message names.",
        "GRAPH verify: node 1 (Resize): expected nearest without alignCorners and antialias, got one of them. Print the graph and look at the node the message names.",
        "GRAPH verify: node 1 (ResizeAdjoint): expected a positive input size, got [0,1]. Print the graph and look at the node the message names.",
        "GRAPH verify: node 1 (AveragePool): expected positive strides, got [1,1.5]. Print the graph and look at the node the message names.",
        "GRAPH verify: node 1 (AveragePoolAdjoint): expected a gradient of 2,2 pixels, got 4,4. Print the graph and look at the node the message names.",
        "GRAPH verify: node 0 (Constant): expected 2 values, got 3. Print the graph and look at the node the message names.",
        "GRAPH verify: node 0 (Input): expected a name, got an empty one. Print the graph and look at the node the message names.",
        "GRAPH verify: node 0 (Input) "half": expected sizes of at least 0, got [1.5]. Print the graph and look at the node the message names.",
      ]
    `);
  });
});

test('leaves of one name must agree, also across kinds', () => {
  expect(messageOf(x, input('x', [3]))).toMatchInlineSnapshot(
    `"GRAPH Input "x": expected one shape per name, f32[2,3], got also f32[3]. Print the graph and look at the node the message names."`,
  );
  expect(messageOf(x, parameter('x', [2, 3]))).toMatchInlineSnapshot(
    `"GRAPH verify: Input "x": expected a name no Parameter has, got a Parameter of that name. Print the graph and look at the node the message names."`,
  );
  expect(messageOf(x, input('x', [2, 3]))).toBe('sound');
});
