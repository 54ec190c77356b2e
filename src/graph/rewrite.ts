/** @file Bottom-up rewriting of a graph by one rule, iterative because graphs are deep. */
import { type Graph, node as makeNode, type Tensor, topologicalOrder } from './tensor.js';

/** Gives a replacement for a node whose inputs are already rewritten, or undefined to keep it. */
export type RewriteRule = (node: Tensor) => Tensor | undefined;

function withInputs(tensor: Tensor, inputs: readonly Tensor[]): Tensor {
  if (inputs.every((source, i) => source === tensor.inputs[i])) return tensor;
  return makeNode(tensor.op, inputs, tensor.attributes as never);
}

/** A replacement may itself contain nodes the rule wants; it is rewritten until nothing changes. */
export function rewrite(graph: Graph, rule: RewriteRule): Graph {
  const done = new Map<Tensor, Tensor>();
  const settle = (roots: Iterable<Tensor>): void => {
    for (const tensor of topologicalOrder(roots)) {
      if (done.has(tensor)) continue;
      const rebuilt = withInputs(
        tensor,
        tensor.inputs.map((source) => done.get(source)!),
      );
      const replacement = rule(rebuilt);
      if (!replacement || replacement === rebuilt) {
        done.set(tensor, rebuilt);
        done.set(rebuilt, rebuilt);
        continue;
      }
      settle([replacement]);
      done.set(tensor, done.get(replacement)!);
      done.set(rebuilt, done.get(replacement)!);
    }
  };
  settle(graph.values());
  return new Map([...graph].map(([name, tensor]) => [name, done.get(tensor)!]));
}
