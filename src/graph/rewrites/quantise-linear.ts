import type { Graph } from '../tensor.js';
export function quantiseLinear(graph: Graph): Graph {
  return graph;
}
