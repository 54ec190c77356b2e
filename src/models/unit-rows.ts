/** @file Embeddings brought to length 1, as all models do that compare them by cosines. */
import * as g from '../graph/build.js';
import type { Tensor } from '../graph/tensor.js';

/** Rows scaled to length 1. */
export function unitRows(x: Tensor): Tensor {
  return g.div(x, g.sqrt(g.sum(g.square(x), [-1], true)));
}
