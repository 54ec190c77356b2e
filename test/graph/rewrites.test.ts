/** @file Every rewrite pass changes no result, leaves a sound graph, and does the work it is for. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  abs,
  add,
  attention,
  cast,
  concat,
  constant,
  conv2d,
  div,
  equal,
  exp,
  expand,
  filled,
  groupNorm,
  indices,
  matmul,
  max,
  maximum,
  mean,
  mul,
  neg,
  not,
  pad,
  pow,
  relu,
  reshape,
  silu,
  slice,
  sliceAxis,
  square,
  stopGradient,
  sub,
  sum,
  transpose,
  where,
} from '../../src/graph/build.js';
import { grad } from '../../src/graph/grad.js';
import { interpret } from '../../src/graph/interpret.js';
import { printGraph } from '../../src/graph/print.js';
import { rewrite, rewriteToFixpoint } from '../../src/graph/rewrite.js';
import { commonSubexpressions } from '../../src/graph/rewrites/common-subexpressions.js';
import { foldConstants } from '../../src/graph/rewrites/fold-constants.js';
import { simplify } from '../../src/graph/rewrites/simplify.js';
import { sliceWeights } from '../../src/graph/rewrites/slice-weights.js';
import {
  type Graph,
  input,
  node,
  parameter,
  type Tensor,
  topologicalOrder,
} from '../../src/graph/tensor.js';
import { verifyGraph } from '../../src/graph/verify.js';
import { values } from './case.js';
import { relativeError } from './losses.js';
import { randomFeeds, randomGraph } from './random-graph.js';

const passes = { commonSubexpressions, foldConstants, simplify, sliceWeights } as const;

const countNodes = (graph: Graph): number => topologicalOrder(graph.values()).length;
const opsOf = (graph: Graph): string[] => topologicalOrder(graph.values()).map(({ op }) => op);
const one = (y: Tensor): Graph => new Map([['y', y]]);

function expectSameResults(
  before: Graph,
  after: Graph,
  tolerance: number,
  feeds = randomFeeds,
): void {
  verifyGraph(after);
  expect([...after.keys()]).toEqual([...before.keys()]);
  const [old, fresh] = [interpret(before, feeds), interpret(after, feeds)];
  for (const [i, reference] of old.entries()) {
    if (!reference.every((value) => Math.abs(value) < 1e30)) continue;
    expect(relativeError(fresh[i]!, reference)).toBeLessThanOrEqual(tolerance);
  }
}

describe('random graphs', () => {
  for (const [name, pass] of Object.entries(passes)) {
    for (const [dtype, tolerance] of [
      ['f64', 1e-12],
      ['f32', 1e-5],
    ] as const) {
      test(`${name} changes no result, ${dtype}`, () => {
        fc.assert(
          fc.property(randomGraph(dtype), (graph) => {
            const after = pass(graph);
            expectSameResults(graph, after, tolerance);
            if (name !== 'simplify' && name !== 'sliceWeights')
              expect(countNodes(after)).toBeLessThanOrEqual(countNodes(graph));
          }),
          { numRuns: 1000, seed: 1 },
        );
      });
    }

    test(`${name} leaves gradients as they are`, () => {
      fc.assert(
        fc.property(randomGraph('f64'), (graph) => {
          const leaves = [input('x', [2, 3], 'f64'), parameter('w', [3, 1], 'f64')];
          const byName = new Map(
            leaves.map((leaf) => [(leaf.attributes as { name: string }).name, leaf]),
          );
          const shared = rewrite(graph, (leaf) =>
            leaf.op === 'Input' || leaf.op === 'Parameter'
              ? byName.get(leaf.attributes.name)
              : undefined,
          );
          const loss = (of: Graph): Tensor =>
            [...of.values()].map((y) => sum(y)).reduce((total, term) => add(total, term));
          const gradients = grad(loss(shared), leaves);
          const before: Graph = new Map(gradients.map((gradient, i) => [`g${i}`, gradient]));
          expectSameResults(before, pass(before), 1e-11);
          if (name === 'foldConstants') return;
          const afterFirst = grad(loss(pass(shared)), leaves);
          expectSameResults(
            before,
            new Map(afterFirst.map((gradient, i) => [`g${i}`, gradient])),
            1e-9,
          );
        }),
        { numRuns: 100, seed: 2 },
      );
    });
  }

  test('all passes together reach a fixpoint that is stable', () => {
    const all = (graph: Graph): Graph => commonSubexpressions(foldConstants(simplify(graph)));
    fc.assert(
      fc.property(randomGraph('f64'), (graph) => {
        const twice = all(all(graph));
        expectSameResults(graph, twice, 1e-12);
        expect(printGraph(simplify(simplify(graph)))).toBe(printGraph(simplify(graph)));
      }),
      { numRuns: 200, seed: 3 },
    );
  });
});

describe('commonSubexpressions', () => {
  const x = input('x', [2, 3]);

  test('merges equal nodes, leaves of one name and small constants', () => {
    const again = input('x', [2, 3]);
    const y = add(mul(exp(x), 2), mul(exp(again), 2));
    expect(opsOf(one(y)).length).toBe(9);
    expect(opsOf(commonSubexpressions(one(y)))).toEqual(['Input', 'Exp', 'Constant', 'Mul', 'Add']);
  });

  test('keeps apart what differs in an attribute, a dtype, an order or the sign of zero', () => {
    const differing: [Tensor, Tensor][] = [
      [sum(x, [0]), sum(x, [0], true)],
      [filled(0, []), filled(-0, [])],
      [filled(1, [], 'f32'), filled(1, [], 'f64')],
      [
        node('Clip', [x], { min: -1, max: Number.POSITIVE_INFINITY }),
        node('Clip', [x], { min: -1, max: Number.NaN }),
      ],
      [sub(x, exp(x)), sub(exp(x), x)],
      [indices([1, 2]), indices([1, 2], [2, 1])],
    ];
    for (const [a, b] of differing) {
      const merged = commonSubexpressions(
        new Map([
          ['a', a],
          ['b', b],
        ]),
      );
      expect(merged.get('a')).not.toBe(merged.get('b'));
    }
  });

  test('compares large constants by their array', () => {
    const data = new Float32Array(2000);
    const large = (array: Float32Array): Tensor =>
      constant({ dtype: 'f32', shape: [2000], data: array });
    const count = (y: Tensor): number => countNodes(commonSubexpressions(one(y)));
    expect(count(add(large(data), large(data)))).toBe(2);
    expect(count(add(large(data), large(data.slice())))).toBe(3);
  });

  test('shares what forward and backward compute twice', () => {
    const w = parameter('w', [4, 4, 3, 3]);
    const vector = parameter('v', [4]);
    const picture = input('p', [1, 4, 4, 4]);
    const y = silu(groupNorm(conv2d(picture, w, undefined, { padding: 1 }), vector, vector, 2));
    const graph: Graph = new Map([['w', grad(sum(square(y)), [w])[0]!]]);
    expect(countNodes(commonSubexpressions(graph))).toBeLessThan(countNodes(graph));
  });
});

describe('sliceWeights', () => {
  const x = input('x', [2, 3, 4]);
  const [weight, bias] = [parameter('w', [4, 6]), parameter('b', [6])];
  const feeds = new Map([
    ['x', values([2, 3, 4], 'any', 1)],
    ['w', values([4, 6], 'any', 2)],
    ['b', values([6], 'any', 3)],
  ]);

  test('turns halves of a layer into layers of half the width', () => {
    const whole = add(matmul(x, weight), bias);
    const y = mul(sliceAxis(whole, 2, 0, 3), sliceAxis(whole, 2, 3, 3));
    const after = sliceWeights(one(y));
    expectSameResults(one(y), after, 1e-12, feeds);
    const products = topologicalOrder(after.values()).filter(({ op }) => op === 'MatMul');
    expect(products.map(({ shape }) => shape)).toEqual([
      [2, 3, 3],
      [2, 3, 3],
    ]);
    const parts = (of: Graph): Tensor[] => grad(sum(of.get('y')!), [weight, bias]);
    const named = (list: Tensor[]): Graph => new Map(list.map((part, i) => [`g${i}`, part]));
    expectSameResults(named(parts(one(y))), named(parts(after)), 1e-12, feeds);
  });

  test('leaves alone slices of tokens, of batched products and of plain sums', () => {
    const batched = matmul(x, parameter('v', [2, 4, 6]));
    for (const y of [
      sliceAxis(matmul(x, weight), 1, 0, 2),
      sliceAxis(batched, 2, 0, 3),
      sliceAxis(add(x, parameter('c', [4])), 2, 0, 2),
    ]) {
      expect(sliceWeights(one(y)).get('y')).toBe(y);
    }
  });
});

describe('foldConstants', () => {
  const x = input('x', [2]);
  const resultOf = (graph: Graph): unknown => {
    const y = graph.get('y')!;
    return y.op === 'Constant' ? y.attributes.value : y.op;
  };

  test('computes constants in the dtype of the node', () => {
    expect(resultOf(foldConstants(one(add(filled(0.1), 0.2))))).toEqual({
      dtype: 'f32',
      shape: [],
      data: Float32Array.of(Math.fround(0.1) + Math.fround(0.2)),
    });
    expect(resultOf(foldConstants(one(cast(filled(-1.5, [2]), 'i64'))))).toMatchObject({
      data: BigInt64Array.of(-1n, -1n),
    });
    expect(resultOf(foldConstants(one(cast(filled(0.1), 'f16'))))).toMatchObject({
      data: Uint16Array.of(0x2e66),
    });
    expect(resultOf(foldConstants(one(equal(indices([1, 2]), indices([2])))))).toMatchObject({
      dtype: 'bool',
      data: Uint8Array.of(0, 1),
    });
  });

  test('folds chains and leaves what depends on an input', () => {
    const folded = foldConstants(one(mul(x, exp(add(filled(1), 2)))));
    expect(opsOf(folded)).toEqual(['Input', 'Constant', 'Mul']);
  });

  test('keeps to the limit, StopGradient and integers out of range', () => {
    expect(resultOf(foldConstants(one(expand(filled(1), [40, 40]))))).toBe('Expand');
    expect(resultOf(foldConstants(one(expand(filled(1), [40, 40])), { limit: 1600 }))).not.toBe(
      'Expand',
    );
    expect(resultOf(foldConstants(one(sum(filled(1, [5]))), { limit: 4 }))).toBe('ReduceSum');
    expect(resultOf(foldConstants(one(stopGradient(filled(1)))))).toBe('StopGradient');
    expect(resultOf(foldConstants(one(cast(filled(1e30), 'i64'))))).toBe('Cast');
    expect(resultOf(foldConstants(one(cast(filled(3e9), 'i32'))))).toBe('Cast');
  });
});

/** What each graph becomes, as the list of its operations. */
describe('simplify', () => {
  const x = input('x', [2, 3]);
  const s = input('s', []);
  const row = input('r', [3]);
  const flat = input('f', [6]);
  const flag = input('c', [2, 3], 'bool');
  const whole = input('i', [2, 3], 'i64');
  const half = input('h', [2, 3], 'f16');
  const cases: [string, Tensor, string[]][] = [
    ['x + 0', add(x, 0), ['Input']],
    ['0 + x', add(0, x), ['Input']],
    ['x + zeros that stretch it', add(row, filled(0, [2, 3])), ['Input', 'Expand']],
    ['integer x + 0', add(whole, 0), ['Input']],
    ['x + −y', add(x, neg(row)), ['Input', 'Input', 'Sub']],
    ['−x + y', add(neg(x), row), ['Input', 'Input', 'Sub']],
    ['x − 0', sub(x, 0), ['Input']],
    ['0 − x', sub(0, x), ['Input', 'Neg']],
    ['x − −y', sub(x, neg(row)), ['Input', 'Input', 'Add']],
    ['x · 1', mul(x, 1), ['Input']],
    ['x · 1 through an Expand', mul(x, expand(filled(1), [2, 3])), ['Input']],
    ['x · 0', mul(x, 0), ['Constant', 'Expand']],
    ['x · −1', mul(-1, x), ['Input', 'Neg']],
    ['x · 2 · 3', mul(mul(x, 2), 3), ['Input', 'Constant', 'Mul']],
    ['2 · (3 · x) · 4', mul(mul(2, mul(3, x)), 4), ['Input', 'Constant', 'Mul']],
    ['−x · 2', mul(neg(x), 2), ['Input', 'Constant', 'Mul']],
    [
      'factors that underflow stay',
      mul(mul(x, 1e-30), 1e-30),
      ['Input', 'Constant', 'Mul', 'Constant', 'Mul'],
    ],
    [
      'integer factors stay',
      mul(mul(whole, 2), 3),
      ['Input', 'Constant', 'Mul', 'Constant', 'Mul'],
    ],
    ['x / 1', div(x, 1), ['Input']],
    ['x⁰', pow(x, 0), ['Constant', 'Expand']],
    ['x¹', pow(x, 1), ['Input']],
    ['x²', pow(x, 2), ['Input', 'Mul']],
    ['−−x', neg(neg(x)), ['Input']],
    ['−(x − y)', neg(sub(x, row)), ['Input', 'Input', 'Sub']],
    ['|−x|', abs(neg(x)), ['Input', 'Abs']],
    ['||x||', abs(abs(x)), ['Input', 'Abs']],
    ['relu relu', relu(relu(x)), ['Input', 'Relu']],
    ['not not', not(not(flag)), ['Input']],
    ['max of one', maximum(x, x), ['Input']],
    ['where of a literal', where(filled(0, [], 'bool'), x, row), ['Input', 'Expand']],
    ['where of one', where(flag, s, s), ['Input', 'Expand']],
    ['a choice stays', where(flag, x, row), ['Input', 'Input', 'Input', 'Where']],
    ['Expand before broadcasting', add(x, expand(s, [2, 3])), ['Input', 'Input', 'Add']],
    [
      'Expand that makes the shape stays',
      add(s, expand(row, [2, 3])),
      ['Input', 'Input', 'Expand', 'Add'],
    ],
    ['cast there and back', cast(cast(x, 'f64'), 'f32'), ['Input']],
    ['cast up twice', cast(cast(half, 'f32'), 'f64'), ['Input', 'Cast']],
    ['a rounding cast stays', cast(cast(x, 'f16'), 'f32'), ['Input', 'Cast', 'Cast']],
    ['a truncating cast stays', cast(cast(x, 'i64'), 'f32'), ['Input', 'Cast', 'Cast']],
    ['transposed back', transpose(transpose(x, [1, 0]), [1, 0]), ['Input']],
    [
      'transposed twice',
      transpose(transpose(input('t', [2, 3, 4]), [1, 2, 0]), [1, 2, 0]),
      ['Input', 'Transpose'],
    ],
    ['transposed unit axes', transpose(input('u', [2, 1, 3]), [1, 0, 2]), ['Input', 'Reshape']],
    ['reshape of reshape', reshape(reshape(x, [6]), [3, 2]), ['Input', 'Reshape']],
    ['reshaped back', reshape(reshape(x, [6]), [2, 3]), ['Input']],
    ['expand of expand', expand(expand(s, [3]), [2, 3]), ['Input', 'Expand']],
    ['expand to its own shape', node('Expand', [x], { shape: [2, 3] }), ['Input']],
    ['slice of slice', sliceAxis(sliceAxis(flat, 0, 1, 5), 0, 1, 2, 2), ['Input', 'Slice']],
    ['slice of steps', slice(slice(flat, [1], [3], [2]), [2], [2], [-1]), ['Input', 'Slice']],
    ['reversed twice', slice(slice(flat, [5], [6], [-1]), [5], [6], [-1]), ['Input']],
    ['slice inside a pad', sliceAxis(pad(flat, [2], [1]), 0, 3, 2), ['Input', 'Slice']],
    ['slice that undoes a pad', sliceAxis(pad(flat, [2], [1]), 0, 2, 6), ['Input']],
    ['slice of padding stays', sliceAxis(pad(flat, [2], [1]), 0, 1, 3), ['Input', 'Pad', 'Slice']],
    ['slice of one part', sliceAxis(concat([flat, row, flat], 0), 0, 6, 3), ['Input']],
    [
      'slice across parts stays',
      sliceAxis(concat([flat, row], 0), 0, 5, 2),
      ['Input', 'Input', 'Concat', 'Slice'],
    ],
    ['concat of concat', concat([flat, concat([row, flat], 0)], 0), ['Input', 'Input', 'Concat']],
    ['pad of pad', pad(pad(flat, [1], [0]), [1], [2]), ['Input', 'Pad']],
    [
      'pads of two values stay',
      pad(pad(flat, [1], [0]), [1], [2], 'constant', 1),
      ['Input', 'Pad', 'Pad'],
    ],
    ['sum of axes of size 1', sum(input('u', [2, 1]), [1]), ['Input', 'Reshape']],
    ['mean of no axes', mean(x, []), ['Input']],
    ['max of size 1 and 3', max(input('u', [1, 3]), [0, 1], true), ['Input', 'ReduceMax']],
    ['sum of sum', sum(sum(x, [0])), ['Input', 'ReduceSum', 'Reshape']],
    ['sum of max stays', sum(max(x, [0])), ['Input', 'ReduceMax', 'ReduceSum']],
    ['stopGradient stays', stopGradient(x), ['Input', 'StopGradient']],
  ];
  for (const [name, y, ops] of cases) {
    test(name, () => {
      const before = one(y);
      const after = simplify(before);
      verifyGraph(after);
      expect(opsOf(after)).toEqual(ops);
      const feeds = new Map(
        topologicalOrder([y])
          .filter(({ op }) => op === 'Input')
          .map((leaf) => [
            (leaf.attributes as { name: string }).name,
            values(
              leaf.shape,
              leaf.dtype === 'bool' ? 'bool' : leaf.dtype === 'i64' ? { from: -3, to: 3 } : 'any',
              5,
            ),
          ]),
      );
      const [[old], [fresh]] = [interpret(before, feeds), interpret(after, feeds)];
      expect(relativeError(fresh!, old!)).toBeLessThanOrEqual(1e-7);
    });
  }

  test('shrinks the gradient of attention', () => {
    const tokens = parameter('tokens', [1, 4, 8]);
    const y = attention(tokens, tokens, tokens, { heads: 2, causal: true });
    const graph = commonSubexpressions(new Map([['g', grad(mean(square(y)), [tokens])[0]!]]));
    const feeds = new Map([['tokens', values([1, 4, 8], 'any', 4)]]);
    const after = simplify(graph);
    expect(countNodes(after)).toBeLessThan(countNodes(graph));
    expect(relativeError(interpret(after, feeds)[0]!, interpret(graph, feeds)[0]!)).toBeLessThan(
      1e-7,
    );
  });
});

describe('rewrite', () => {
  test('keeps every object of a graph that no rule changes', () => {
    const x = input('x', [2]);
    const y = add(exp(x), 1);
    expect(rewrite(one(y), () => undefined).get('y')).toBe(y);
  });

  test('gives a rule each node once, with rewritten inputs', () => {
    const x = input('x', [2]);
    const y = add(neg(x), neg(x));
    const seen: string[] = [];
    const after = rewrite(one(y), (current) => {
      seen.push(current.op);
      return current.op === 'Neg' ? exp(current.inputs[0]!) : undefined;
    });
    expect(seen).toEqual(['Input', 'Neg', 'Neg', 'Add']);
    expect(opsOf(after)).toEqual(['Input', 'Exp', 'Exp', 'Add']);
  });

  test('reaches the bottom of a chain of 20,000 nodes', () => {
    let y: Tensor = input('x', [1]);
    for (let i = 0; i < 20_000; i++) y = neg(y);
    expect(simplify(one(y)).get('y')!.op).toBe('Input');
    expect(countNodes(commonSubexpressions(one(y)))).toBe(20_001);
  });

  test('refuses a replacement of another shape or dtype, and rules that never end', () => {
    const y = exp(input('x', [2]));
    expect(() => rewrite(one(y), ({ op }) => (op === 'Exp' ? filled(1) : undefined))).toThrow(
      'internal: rewrite: a rule replaced Exp f32[2] by Constant f32[]',
    );
    const swap = ({ op, inputs }: Tensor): Tensor | undefined =>
      op === 'Exp' ? neg(inputs[0]!) : op === 'Neg' ? exp(inputs[0]!) : undefined;
    expect(() => rewriteToFixpoint(one(y), swap)).toThrow(
      'internal: rewrite: no fixpoint after 50 sweeps',
    );
  });
});
