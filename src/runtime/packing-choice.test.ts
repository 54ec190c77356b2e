import { expect, it } from 'vitest';
import * as g from '../graph/build.js';
import { quantiseLinear } from '../graph/rewrites/quantise-linear.js';
import { type Graph, input, parameter } from '../graph/tensor.js';
import { packingPays } from './packing-choice.js';
import type { Weights } from './prepared-store.js';

const large = 8200; // 8,200² values of f32 are 269 MB.

/** One linear layer of `width` features over `rows` rows. */
function linear(rows: number, width: number): Graph {
  const weight = g.transpose(parameter('weight', [width, width]), [1, 0]);
  return new Map([['y', g.matmul(input('x', [rows, width]), weight)]]);
}
const stored = new Map([['weight', {}]]) as unknown as Weights;

it.each([
  ['large and tall', linear(1024, large), stored, false],
  ['large, with the rows of a prompt', linear(77, large), stored, true],
  ['large, with just enough rows', linear(360, large), stored, false],
  ['large, with hardly enough rows', linear(359, large), stored, true],
  ['small', linear(4096, 512), stored, true],
  ['fed at every run', linear(1024, large), new Map(), true],
  ['in 8 bits', quantiseLinear(linear(1024, large)), stored, true],
] as const)('weights that are %s', (_, graph, weights, pays) => {
  expect(packingPays(graph, weights)).toBe(pays);
});
