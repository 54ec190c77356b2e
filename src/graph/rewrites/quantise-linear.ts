/** @file Linear layers in 8 bits: products with stored weights, where enough rows share them to pay. */
import { int8Matmul } from '../build.js';
import { rewrite } from '../rewrite.js';
import { type Graph, type Tensor, topologicalOrder } from '../tensor.js';

/** Fewer rows or features than this stay exact: conditions of few rows steer everything. */
const fewestRows = 16;
const fewestFeatures = 16;

/** Nodes that do not depend on any input. */
function storedNodes(graph: Graph): Set<Tensor> {
  const stored = new Set<Tensor>();
  for (const node of topologicalOrder(graph.values())) {
    const isLeaf = node.inputs.length === 0;
    const isStored = isLeaf ? node.op !== 'Input' : node.inputs.every((one) => stored.has(one));
    if (isStored) stored.add(node);
  }
  return stored;
}

/** Turns `x·W` and `x·W + b` with stored W and b into products in 8 bits. Not exact. */
export function quantiseLinear(graph: Graph): Graph {
  const stored = storedNodes(graph);
  return rewrite(graph, (node) => {
    const [x, weight] = node.inputs as [Tensor, Tensor];
    if (node.op === 'Add' && x.op === 'Int8MatMul' && x.inputs.length === 2) {
      const isBias = stored.has(weight) && weight.shape.join() === `${x.shape.at(-1)}`;
      return isBias ? int8Matmul(x.inputs[0]!, x.inputs[1]!, weight) : undefined;
    }
    if (node.op !== 'MatMul' || node.dtype !== 'f32') return undefined;
    if (!stored.has(weight) || weight.shape.length !== 2 || stored.has(x)) return undefined;
    const rows = x.shape.slice(0, -1).reduce((product, size) => product * size, 1);
    const isSmall = rows < fewestRows || weight.shape[0]! < fewestFeatures;
    return isSmall ? undefined : int8Matmul(x, weight);
  });
}
