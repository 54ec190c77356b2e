/** @file Models for the engine's tests: one that computes for a while, one with weights in a file. */
import * as g from '../../src/graph/build.js';
import { type Graph, input, parameter } from '../../src/graph/tensor.js';
import type { Values } from '../../src/runtime/session.js';

const side = 512;

/** `products` matrix products one after the other, about 2 ms each; ones give ones. */
export function slowModel(products: number): Graph {
  const x = input('x', [side, side]);
  let y = x;
  for (let i = 0; i < products; i++) y = g.mul(g.matmul(y, x), 1 / side);
  return new Map([['y', y]]);
}

export const slowFeeds: Values = new Map([
  ['x', { dtype: 'f32', shape: [side, side], data: new Float32Array(side * side).fill(1) }],
]);

/** x [1, n] times the weight `w` [n, n]. */
export function weightedModel(n: number): Graph {
  return new Map([['y', g.matmul(input('x', [1, n]), parameter('w', [n, n]))]]);
}

export const weightedFeeds = (n: number): Values =>
  new Map([['x', { dtype: 'f32', shape: [1, n], data: new Float32Array(n).fill(1) }]]);
