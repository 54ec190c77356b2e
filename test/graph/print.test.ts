/** @file The text form of graphs. */
import { expect, test } from 'vitest';
import { add, constant, conv2d, filled, indices, mul, pad, sum } from '../../src/graph/build.js';
import { grad } from '../../src/graph/grad.js';
import { printGraph } from '../../src/graph/print.js';
import { type Graph, input, node, parameter } from '../../src/graph/tensor.js';

test('prints leaves first, then one line per node, then the outputs', () => {
  const x = input('picture', [1, 3, 8, 8]);
  const weight = parameter('conv.weight', [4, 3, 3, 3]);
  const bias = parameter('conv.bias', [4]);
  const y = mul(conv2d(x, weight, bias, { stride: 2, padding: 1 }), 0.5);
  const graph: Graph = new Map([
    ['y', y],
    ['total', sum(y, [2, 3])],
  ]);
  expect(printGraph(graph)).toMatchInlineSnapshot(`
    "%0 = Input "picture" : f32[1,3,8,8]
    %1 = Parameter "conv.weight" : f32[4,3,3,3]
    %2 = Parameter "conv.bias" : f32[4]
    %3 = Conv(%0, %1, %2) dilation=[1,1] groups=1 padding=[1,1,1,1] stride=[2,2] : f32[1,4,4,4]
    %4 = Constant 0.5 : f32[]
    %5 = Mul(%3, %4) : f32[1,4,4,4]
    %6 = ReduceSum(%5) axes=[2,3] keepDims=false : f32[1,4]
    output y = %5
    output total = %6
    "
  `);
});

test('prints constants of every dtype, long ones cut, and keeps the sign of zero', () => {
  const f16 = constant({ dtype: 'f16', shape: [2], data: Uint16Array.of(0x3c00, 0x8000) });
  const y = node('Clip', [input('x', [])], { min: Number.NEGATIVE_INFINITY, max: -0 });
  const tensors = [f16, indices([1, -2]), filled(1, [], 'bool'), filled(-0, [3, 4], 'f64'), y];
  expect(printGraph(tensors)).toMatchInlineSnapshot(`
    "%0 = Input "x" : f32[]
    %1 = Constant [1,-0] : f16[2]
    %2 = Constant [1,-2] : i64[2]
    %3 = Constant 1 : bool[]
    %4 = Constant [-0,-0,-0,-0,-0,-0,-0,-0,…] : f64[3,4]
    %5 = Clip(%0) max=-0 min=-Infinity : f32[]
    output 0 = %1
    output 1 = %2
    output 2 = %3
    output 3 = %4
    output 4 = %5
    "
  `);
});

test('equal graphs print alike, however they were built', () => {
  const build = (): string => {
    const x = parameter('x', [2, 2]);
    const y = pad(mul(x, x), [1, 0], [0, 1], 'edge');
    return printGraph(grad(sum(add(y, 1)), [x]));
  };
  expect(build()).toBe(build());
});
