/** @file Bottom-up rewriting of graphs: every node once, inputs before users. */

import { internal } from '../core/errors.js';
import { describe } from '../core/tensor-data.js';
import { type Graph, type Tensor, topologicalOrder } from './tensor.js';

/**
 * A replacement of the same shape and dtype, or undefined to keep the node. `original` is the node
 * as it was before its inputs were rewritten.
 */
export type RewriteRule = (node: Tensor, original: Tensor) => Tensor | undefined;

/**
 * Applies `rule` to every node, whose inputs are already rewritten, and returns the new outputs.
 * Unchanged parts keep their node objects, so a sweep that changes nothing returns the same
 * tensors. Throws INTERNAL when a replacement has another shape or dtype.
 */
export function rewrite(graph: Graph, rule: RewriteRule): Graph {
  const rewritten = new Map<Tensor, Tensor>();
  for (const tensor of topologicalOrder(graph.values())) {
    const inputs = tensor.inputs.map((source) => rewritten.get(source)!);
    const changed = inputs.some((source, i) => source !== tensor.inputs[i]);
    const current = changed ? ({ ...tensor, inputs } as Tensor) : tensor;
    const replacement = rule(current, tensor) ?? current;
    checkReplacement(current, replacement);
    rewritten.set(tensor, replacement);
  }
  return new Map([...graph].map(([name, output]) => [name, rewritten.get(output)!]));
}

/** Repeats a sweep until nothing changes; throws INTERNAL if that takes more than `most` sweeps. */
export function rewriteToFixpoint(graph: Graph, rule: RewriteRule, most = 50): Graph {
  let current = graph;
  for (let sweep = 0; sweep < most; sweep++) {
    const next = rewrite(current, rule);
    if ([...next].every(([name, output]) => output === current.get(name))) return next;
    current = next;
  }
  throw internal('rewrite', `no fixpoint after ${most} sweeps`);
}

function checkReplacement(before: Tensor, after: Tensor): void {
  if (before.dtype === after.dtype && before.shape.join() === after.shape.join()) return;
  const change = `${before.op} ${describe(before)} by ${after.op} ${describe(after)}`;
  throw internal('rewrite', `a rule replaced ${change}`);
}
