/** @file Convolutions of a training step over blocks of channels give the same gradients, in the interpreter and in ONNX Runtime. */
import { expect, test } from 'vitest';
import { conv2d, mul, sum } from '../../src/graph/build.js';
import { emitOnnx } from '../../src/graph/emit.js';
import { grad } from '../../src/graph/grad.js';
import { interpret } from '../../src/graph/interpret.js';
import { blockedTraining } from '../../src/graph/rewrites/blocked-convolutions.js';
import { type Graph, input, parameter, topologicalOrder } from '../../src/graph/tensor.js';
import { verifyGraph } from '../../src/graph/verify.js';
import { channelBlock } from '../../src/runtime/channel-block.js';
import { LocalSession } from '../../src/runtime/session.js';
import { toTensorData, values } from './case.js';
import { relativeError } from './losses.js';

interface Layer {
  readonly batch?: number;
  readonly channels: readonly [number, number];
  readonly kernel?: readonly [number, number];
  readonly padding?: number | readonly [number, number, number, number];
  readonly stride?: number;
  readonly dilation?: number;
  readonly groups?: number;
}

/** A convolution of pictures of 24 by 24, squared, with the gradients by all it is made from. */
function step(layer: Layer): Graph {
  const { batch = 1, channels, kernel = [3, 3], groups = 1 } = layer;
  const [inside, out] = channels;
  const x = input('x', [batch, inside, 24, 24]);
  const w = parameter('w', [out, inside / groups, ...kernel]);
  const b = parameter('b', [out]);
  const y = conv2d(x, w, b, { padding: 1, ...layer });
  const loss = sum(mul(y, y));
  const [byX, byW, byB] = grad(loss, [x, w, b]);
  return new Map([
    ['loss', loss],
    ['by x', byX!],
    ['by w', byW!],
    ['by b', byB!],
  ]);
}

const countOf = (graph: Graph, wanted: string): number =>
  topologicalOrder(graph.values()).filter(({ op }) => op === wanted).length;

function feedsOf(graph: Graph): Map<string, Float64Array> {
  const feeds = new Map<string, Float64Array>();
  for (const leaf of topologicalOrder(graph.values())) {
    if (leaf.op !== 'Input' && leaf.op !== 'Parameter') continue;
    feeds.set(leaf.attributes.name, values(leaf.shape, 'any', leaf.shape.length).map(Math.fround));
  }
  return feeds;
}

const layers: [string, Layer][] = [
  ['a batch', { batch: 2, channels: [6, 4] }],
  ['one block', { channels: [2, 2] }],
  ['padding of each side', { channels: [4, 8], padding: [2, 0, 1, 2] }],
  ['a kernel of no square', { channels: [4, 2], kernel: [1, 3], padding: [0, 1, 0, 1] }],
];

test.each(layers)('%s', (_, layer) => {
  const before = step(layer);
  const after = blockedTraining(before, 2);
  verifyGraph(after);
  expect(countOf(after, 'BlockedConv')).toBe(2);
  expect(countOf(after, 'Conv') + countOf(after, 'ConvTranspose')).toBe(0);
  const feeds = feedsOf(before);
  const expected = interpret(before, feeds);
  interpret(after, feeds).forEach((got, i) => {
    expect(relativeError(got, expected[i]!)).toBeLessThan(1e-12);
  });
});

test('leaves the gradient of strides alone', () => {
  const strided = blockedTraining(step({ batch: 4, channels: [4, 4], stride: 2 }), 2);
  expect(countOf(strided, 'BlockedConv')).toBe(1);
  expect(countOf(strided, 'ConvTranspose')).toBe(1);
});

const others: [string, Layer][] = [
  ['few pixels', { channels: [4, 4], stride: 2 }],
  ['a kernel of one', { channels: [4, 4], kernel: [1, 1], padding: 0 }],
  ['dilation', { channels: [4, 4], dilation: 2 }],
  ['groups', { channels: [4, 4], groups: 2 }],
  ['channels in no whole blocks', { channels: [3, 4] }],
];

test.each(others)('leaves %s alone', (_, layer) => {
  expect(countOf(blockedTraining(step(layer), 2), 'BlockedConv')).toBe(0);
});

const block = await channelBlock();

test.skipIf(block === undefined)('in ONNX Runtime, with the blocks of this processor', async () => {
  const plain = step({ batch: 2, channels: [2 * block!, 3 * block!] });
  const graph = blockedTraining(plain, block!);
  const feeds = feedsOf(graph);
  const model = emitOnnx(graph, { training: true });
  await using session = await LocalSession.create(model, { threads: 1 });
  const host = model.inputs.map(
    ({ name, shape }) => [name, toTensorData(feeds.get(name)!, shape, 'f32')] as const,
  );
  const outputs = await session.run(new Map(host));
  const expected = interpret(plain, feeds);
  [...graph.keys()].forEach((name, i) => {
    const got = Float64Array.from(outputs.get(name)!.data as Float32Array);
    expect(relativeError(got, expected[i]!)).toBeLessThan(1e-4);
  });
});
