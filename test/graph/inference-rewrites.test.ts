/** @file Rewrites for fixed weights change no result, at odd sizes, paddings and batches, in the interpreter and in ONNX Runtime. */
import { describe, expect, test } from 'vitest';
import {
  add,
  cast,
  concat,
  conv2d,
  gather,
  gelu,
  indices,
  matmul,
  mul,
  reshape,
  split,
  sum,
  transpose,
} from '../../src/graph/build.js';
import { emitOnnx } from '../../src/graph/emit.js';
import { grad } from '../../src/graph/grad.js';
import { interpret } from '../../src/graph/interpret.js';
import { blockedConvolutions } from '../../src/graph/rewrites/blocked-convolutions.js';
import { rewriteForInference } from '../../src/graph/rewrites/for-inference.js';
import { hoistFixed } from '../../src/graph/rewrites/hoist-fixed.js';
import { viewStored } from '../../src/graph/rewrites/stored-views.js';
import { winograd } from '../../src/graph/rewrites/winograd.js';
import { everywhere, winogradGain } from '../../src/graph/rewrites/winograd-choice.js';
import {
  type Graph,
  input,
  parameter,
  parametersOf,
  type Tensor,
  topologicalOrder,
} from '../../src/graph/tensor.js';
import { verifyGraph } from '../../src/graph/verify.js';
import { LocalSession } from '../../src/runtime/session.js';
import { toTensorData, values } from './case.js';
import { relativeError } from './losses.js';

const one = (y: Tensor): Graph => new Map([['y', y]]);
const opsOf = (graph: Graph): string[] => topologicalOrder(graph.values()).map(({ op }) => op);
const stored = (): boolean => true;

function feedsOf(graph: Graph): Map<string, Float64Array> {
  const leaves = topologicalOrder(graph.values()).flatMap((leaf) =>
    leaf.op === 'Input' || leaf.op === 'Parameter'
      ? [[leaf.attributes.name, values(leaf.shape, 'any', leaf.shape.length).map(Math.fround)]]
      : [],
  ) as [string, Float64Array][];
  return new Map(leaves);
}

/** Outputs of the graph in ONNX Runtime, parameters fed. */
async function run(graph: Graph, feeds: Map<string, Float64Array>): Promise<Float64Array[]> {
  const model = emitOnnx(graph);
  await using session = await LocalSession.create(model, { threads: 1 });
  const host = model.inputs.map(
    ({ name, shape }) => [name, toTensorData(feeds.get(name)!, shape, 'f32')] as const,
  );
  const outputs = await session.run(new Map(host));
  return [...graph.keys()].map((name) =>
    Float64Array.from(outputs.get(name)!.data as Float32Array),
  );
}

interface Layer {
  readonly batch: number;
  readonly channels: readonly [number, number];
  readonly size: readonly [number, number];
  readonly padding?: number | readonly [number, number, number, number];
  readonly bias?: boolean;
}

function convolution(layer: Layer, dtype: 'f32' | 'f64'): Graph {
  const { batch, channels, size, padding = 1, bias = true } = layer;
  const [inside, out] = channels;
  const x = input('x', [batch, inside, ...size], dtype);
  const w = parameter('w', [out, inside, 3, 3], dtype);
  return one(conv2d(x, w, bias ? parameter('b', [out], dtype) : undefined, { padding }));
}

describe('convolutions over blocks of channels', () => {
  const isWorth = (): boolean => true;
  const blocked = (graph: Graph, block: number): Graph =>
    blockedConvolutions(graph, { isStored: stored, block, isWorth });
  const layers: [string, Layer][] = [
    ['a batch', { batch: 2, channels: [6, 4], size: [5, 3] }],
    ['one block', { batch: 1, channels: [2, 2], size: [1, 2] }],
    [
      'no bias, padding of each side',
      { batch: 1, channels: [4, 8], size: [4, 5], padding: [2, 0, 1, 3], bias: false },
    ],
  ];
  test.each(layers)('%s', (_, layer) => {
    const before = convolution(layer, 'f32');
    const after = blocked(before, 2);
    verifyGraph(after);
    expect(opsOf(after)).toContain('BlockedConv');
    expect(opsOf(after)).not.toContain('Conv');
    const feeds = feedsOf(before);
    expect(interpret(after, feeds)[0]).toEqual(interpret(before, feeds)[0]);
  });

  test('leaves other convolutions alone, and weights that are fed or small', () => {
    const x = input('x', [1, 4, 8, 8]);
    const w = parameter('w', [4, 4, 3, 3]);
    const plain = conv2d(x, w, undefined, { padding: 1 });
    for (const y of [
      conv2d(x, w, undefined, { dilation: 2, padding: 2 }),
      conv2d(x, parameter('w', [4, 2, 3, 3]), undefined, { groups: 2, padding: 1 }),
      conv2d(x, parameter('w', [3, 4, 1, 1])),
      conv2d(input('x', [1, 3, 8, 8]), parameter('w', [4, 3, 1, 1])),
      conv2d(cast(x, 'f16'), cast(w, 'f16'), undefined, { padding: 1 }),
      conv2d(x, mul(w, sum(x)), undefined, { padding: 1 }),
    ]) {
      expect(blocked(one(y), 2).get('y')).toBe(y);
    }
    const options = { isStored: stored, block: 2, isWorth };
    for (const refused of [
      { ...options, isStored: () => false },
      { ...options, isWorth: () => false },
    ]) {
      expect(blockedConvolutions(one(plain), refused).get('y')).toBe(plain);
    }
  });
});

describe('winograd', () => {
  const layers: [string, Layer][] = [
    ['whole tiles', { batch: 1, channels: [3, 5], size: [8, 8] }],
    ['a batch', { batch: 3, channels: [4, 2], size: [8, 4] }],
    ['odd sizes', { batch: 2, channels: [2, 3], size: [7, 13] }],
    ['less than a tile', { batch: 1, channels: [2, 2], size: [1, 2] }],
    ['no bias', { batch: 1, channels: [1, 1], size: [5, 6], bias: false }],
    ['no padding', { batch: 2, channels: [2, 3], size: [9, 6], padding: 0 }],
    ['padding of each side', { batch: 1, channels: [2, 2], size: [4, 5], padding: [2, 0, 1, 3] }],
    ['rows of two stretches', { batch: 1, channels: [2, 40], size: [5, 96] }],
    ['rows that do not divide', { batch: 1, channels: [2, 40], size: [5, 68] }],
    ['wide rows that do not divide', { batch: 1, channels: [1, 40], size: [3, 268] }],
    ['several bands', { batch: 2, channels: [4, 3], size: [18, 9] }],
  ];
  test.each(layers)('%s', async (name, layer) => {
    for (const dtype of ['f64', 'f32'] as const) {
      const before = convolution(layer, dtype);
      const bands = name === 'several bands' ? { bandBytes: 15_000 } : {};
      const after = winograd(before, { isStored: stored, chooses: everywhere, ...bands });
      verifyGraph(after);
      expect(opsOf(after)).not.toContain('Conv');
      const joined = opsOf(after).filter((op) => op === 'Concat').length; // one adds the blank pixel
      expect(joined > 1).toBe(name === 'several bands');
      const feeds = feedsOf(before);
      if (dtype === 'f64') {
        const [actual, wanted] = [interpret(after, feeds)[0]!, interpret(before, feeds)[0]!];
        expect(relativeError(actual, wanted)).toBeLessThan(1e-13);
      } else {
        const [actual, wanted] = [(await run(after, feeds))[0]!, (await run(before, feeds))[0]!];
        expect(relativeError(actual, wanted)).toBeLessThan(2e-5);
      }
    }
  });

  test('leaves other convolutions alone, and weights that are fed or computed from inputs', () => {
    const x = input('x', [1, 4, 8, 8]);
    const w = parameter('w', [4, 4, 3, 3]);
    const others = [
      conv2d(x, w, undefined, { stride: 2, padding: 1 }),
      conv2d(x, w, undefined, { dilation: 2, padding: 2 }),
      conv2d(x, parameter('w', [4, 2, 3, 3]), undefined, { groups: 2, padding: 1 }),
      conv2d(x, parameter('w', [4, 4, 1, 1])),
      conv2d(x, parameter('w', [4, 4, 5, 5]), undefined, { padding: 2 }),
      conv2d(cast(x, 'f16'), cast(w, 'f16'), undefined, { padding: 1 }),
      conv2d(x, mul(w, sum(x)), undefined, { padding: 1 }),
    ];
    for (const y of others) {
      expect(winograd(one(y), { isStored: stored, chooses: everywhere }).get('y')).toBe(y);
    }
    const plain = conv2d(x, w, undefined, { padding: 1 });
    expect(winograd(one(plain), { isStored: () => false, chooses: everywhere }).get('y')).toBe(
      plain,
    );
    expect(winograd(one(plain), { isStored: stored }).get('y')).toBe(plain);
  });

  test('second layers are rewritten as first ones, and gradients through them stay', () => {
    const x = input('x', [1, 2, 6, 6], 'f64');
    const layer = (of: Tensor, name: string): Tensor =>
      conv2d(of, parameter(name, [2, 2, 3, 3], 'f64'), undefined, { padding: 1 });
    const before = one(layer(layer(x, 'w'), 'v'));
    const after = winograd(before, { isStored: stored, chooses: everywhere });
    expect(opsOf(after)).not.toContain('Conv');
    const gradients = (of: Graph): Graph => {
      const leaves = parametersOf(of.values());
      const loss = sum(mul(of.get('y')!, of.get('y')!));
      const found = grad(loss, [leaves.get('v')!, leaves.get('w')!]);
      return new Map(found.map((gradient, i) => [`${i}`, gradient]));
    };
    const feeds = feedsOf(before);
    const [actual, wanted] = [
      interpret(gradients(after), feeds),
      interpret(gradients(before), feeds),
    ];
    expect(wanted.length).toBe(2);
    wanted.forEach((values, i) => {
      expect(relativeError(actual[i]!, values)).toBeLessThan(1e-12);
    });
  });

  test('chooses wide layers, neither narrow nor tiny ones', () => {
    const gain = (channels: number, side: number, batch = 2): number =>
      winogradGain({
        batch,
        inChannels: channels,
        outChannels: channels,
        height: side,
        width: side,
      });
    expect(gain(1280, 16)).toBeGreaterThan(1.5);
    expect(gain(640, 32)).toBeGreaterThan(1.5);
    expect(gain(320, 64)).toBeGreaterThan(1.15);
    expect(gain(1280, 8)).toBeLessThan(1);
    expect(gain(128, 512, 1)).toBeLessThan(1);
    expect(gain(64, 32)).toBeLessThan(1);
  });
});

describe('stored weights', () => {
  const x = input('x', [2, 3, 4]);
  const linear = (name: string, out: number): Tensor =>
    add(
      matmul(x, transpose(parameter(`${name}.w`, [out, 4]), [1, 0])),
      parameter(`${name}.b`, [out]),
    );
  const geglu = (): Graph => {
    const [value, gate] = split(linear('proj', 6), 2) as [Tensor, Tensor];
    return one(mul(value, gelu(gate)));
  };

  test('halves of a layer are products with halves of its weight, ranges of the file', () => {
    const { graph, views } = viewStored(rewriteForInference(geglu(), 'faster', stored), stored);
    verifyGraph(graph);
    expect(opsOf(graph)).not.toContain('Slice');
    const byCount = [...views.values()].map(({ of, start, count }) => `${of} ${start}+${count}`);
    expect(byCount.sort()).toEqual(['proj.b 0+3', 'proj.b 3+3', 'proj.w 0+12', 'proj.w 12+12']);
    const feeds = feedsOf(geglu());
    const cut = [...views].map(([name, { of, start, count }]): [string, Float64Array] => [
      name,
      feeds.get(of)!.slice(start, start + count),
    ]);
    const [actual] = interpret(graph, new Map([...feeds, ...cut]));
    expect(relativeError(actual!, interpret(geglu(), feeds)[0]!)).toBeLessThan(1e-12);
  });

  test('rows, reshapes and both one after the other are views; columns and fed ones are not', () => {
    const w = parameter('w', [4, 6]);
    const y = add(split(reshape(w, [2, 12]), 2, 0)[1]!, reshape(split(w, 2, 1)[0]!, [1, 12]));
    const { graph, views } = viewStored(one(y), stored);
    expect([...views.values()]).toContainEqual({ of: 'w', start: 12, count: 12 });
    expect(opsOf(graph).filter((op) => op === 'Slice').length).toBe(1);
    expect(viewStored(one(y), () => false).graph.get('y')).toBe(y);
  });

  test('takes out what weights decide, not tables, turned or bare weights', () => {
    const [a, b] = [parameter('a', [4, 4]), parameter('b', [4, 4])];
    const merged = add(a, matmul(b, b));
    const table = parameter('t', [9, 4]);
    const ids = indices([1, 2]);
    const y = add(matmul(x, transpose(merged, [1, 0])), sum(matmul(gather(table, ids), b), [0]));
    const isConverted = ({ attributes }: { attributes: { name: string } }): boolean =>
      attributes.name === 't';
    const worth = { isStored: stored, isConverted, isWorth: () => true };
    const { graph, parts } = hoistFixed(one(y), worth);
    verifyGraph(graph);
    expect([...parts.values()].map(({ op }) => op).sort()).toEqual(['Add', 'ReduceSum']);
    expect(parts.get('prepared 0')).toBeDefined();
    const feeds = feedsOf(one(y));
    const found = [...parts].map(([name, part]): [string, Float64Array] => [
      name,
      interpret([part], feeds)[0]!,
    ]);
    const [actual] = interpret(graph, new Map([...feeds, ...found]));
    expect(relativeError(actual!, interpret(one(y), feeds)[0]!)).toBeLessThan(1e-12);
    const none = hoistFixed(one(y), { ...worth, isWorth: () => false });
    expect(none.graph.get('y')).toBe(y);
    const bare = matmul(x, transpose(a, [1, 0]));
    expect(hoistFixed(one(bare), worth).parts.size).toBe(0);
    expect(hoistFixed(one(concat([a, b], 0)), worth).parts.size).toBe(1);
  });
});
