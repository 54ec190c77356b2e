/** @file Removes work that algebra shows to be needless: neutral elements, undone and repeated steps. */
import type { Op } from '../ops.js';
import { rewriteToFixpoint } from '../rewrite.js';
import type { Graph, Tensor, TensorOf } from '../tensor.js';
import { arithmeticRules, type SimplifyRules } from './simplify-arithmetic.js';
import { layoutRules } from './simplify-layout.js';

const rules: SimplifyRules = { ...arithmeticRules, ...layoutRules };

/**
 * Applies the identities until none fits. Results keep their values up to rounding where constant
 * factors merge, and up to the sign of zero; values times a literal 0 are taken as finite.
 */
export function simplify(graph: Graph): Graph {
  return rewriteToFixpoint(graph, (node) => {
    const rule = rules[node.op] as ((node: TensorOf<Op>) => Tensor | undefined) | undefined;
    return rule?.(node as TensorOf<Op>);
  });
}
