/** @file Finds what a graph computes from stored weights and constants alone, the same at every run. */
import { type Graph, type Tensor, topologicalOrder } from '../tensor.js';

/** Whether a parameter's values lie in a file; others are fed like inputs. */
export type IsStored = (parameter: string) => boolean;

/** Every tensor with neither an input nor a fed parameter below it. */
export function fixedTensors(graph: Graph, isStored: IsStored): Set<Tensor> {
  const fixed = new Set<Tensor>();
  for (const tensor of topologicalOrder(graph.values())) {
    const isLeafFixed =
      tensor.op === 'Parameter' ? isStored(tensor.attributes.name) : tensor.op !== 'Input';
    if (isLeafFixed && tensor.inputs.every((source) => fixed.has(source))) fixed.add(tensor);
  }
  return fixed;
}
