/** @file Layer norm scaled and shifted by a condition (adaLN, Peebles & Xie 2023), with diffusers' names. */
import * as g from '../graph/build.js';
import type { Tensor } from '../graph/tensor.js';
import { linear } from './layers.js';
import type { Scope } from './scope.js';

/** SiLU and a linear layer: condition [n, d] -> `parts` tensors [n, 1, width]. */
export function modulation(
  scope: Scope,
  condition: Tensor,
  width: number,
  parts: number,
): readonly Tensor[] {
  const all = linear(scope.child('linear'), g.silu(condition), parts * width);
  return g.split(g.reshape(all, [condition.shape[0]!, 1, parts * width]), parts);
}

/** x [n, t, c] · (1 + scale) + shift. */
export function modulate(x: Tensor, scale: Tensor, shift: Tensor): Tensor {
  return g.add(g.mul(x, g.add(scale, 1)), shift);
}
