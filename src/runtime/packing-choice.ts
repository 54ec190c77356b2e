/** @file Whether ONNX Runtime copies the weights of linear layers into the order its product reads them in. */
import { fixedTensors } from '../graph/rewrites/fixed.js';
import { type Graph, topologicalOrder } from '../graph/tensor.js';
import { tensorByteCount, type Weights } from './prepared-store.js';

/** Weights of less than this are packed whatever it gains: the copy is small. */
const leastBytes = 256e6;
/** A row's share of reordering a weight at every product: 1/4 of the time at 77 rows, as measured. */
const rowsToHide = 18;
/** Share of the linear layers' time that mapped weights may cost. */
const mostLoss = 0.05;

/**
 * Packed weights are a copy in memory, made at every load. Unpacked ones stay mapped and are
 * reordered panel by panel at every product, which tall products hide. False where that costs
 * the linear layers of a large model little.
 */
export function packingPays(graph: Graph, weights: Weights): boolean {
  const fixed = fixedTensors(graph, (name) => weights.has(name));
  let [bytes, values, products] = [0, 0, 0];
  for (const { op, inputs, shape } of topologicalOrder(graph.values())) {
    if (op === 'Int8MatMul') return true; // Its kernel has no other way.
    const weight = inputs[1];
    if (op !== 'MatMul' || weight?.shape.length !== 2 || !fixed.has(weight)) continue;
    const count = weight.shape[0]! * weight.shape[1]!;
    const rows = shape.slice(0, -1).reduce((product, size) => product * size, 1);
    bytes += tensorByteCount(weight);
    values += count;
    products += count * rows;
  }
  return bytes < leastBytes || (rowsToHide * values) / products > mostLoss;
}
