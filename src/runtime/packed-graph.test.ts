import { expect, it } from 'vitest';
import * as g from '../graph/build.js';
import { printGraph } from '../graph/print.js';
import { input, parameter, topologicalOrder } from '../graph/tensor.js';
import { packGraph, unpackGraph } from './packed-graph.js';

it('gives the same graph back after a copy, sharing included', () => {
  const x = input('x', [2, 3]);
  const shared = g.matmul(x, parameter('w', [3, 3]));
  const graph = new Map([
    ['a', g.add(shared, g.filled(2, [1, 3]))],
    ['b', g.softmax(shared)],
  ]);
  const back = unpackGraph(structuredClone(packGraph(graph)));
  expect(printGraph(back)).toBe(printGraph(graph));
  expect(topologicalOrder(back.values())).toHaveLength(topologicalOrder(graph.values()).length);
});

it('takes graphs deeper than the stack', () => {
  let x = input('x', [1]);
  for (let i = 0; i < 50_000; i++) x = g.neg(x);
  const packed = structuredClone(packGraph(new Map([['y', x]])));
  expect(topologicalOrder(unpackGraph(packed).values())).toHaveLength(50_001);
});
