/** @file Graphs as flat lists, which can be sent to another process however deep they are. */
import { internal } from '../core/errors.js';
import { type Graph, type Tensor, topologicalOrder } from '../graph/tensor.js';

type PackedNode = Omit<Tensor, 'inputs'> & {
  /** Positions of earlier nodes. */
  readonly inputs: readonly number[];
};

export interface PackedGraph {
  /** Inputs before users. */
  readonly nodes: readonly PackedNode[];
  /** Position of each output. */
  readonly outputs: ReadonlyMap<string, number>;
}

export function packGraph(graph: Graph): PackedGraph {
  const order = topologicalOrder(graph.values());
  const positions = new Map(order.map((tensor, i) => [tensor, i]));
  const nodes = order.map((tensor): PackedNode => {
    const { op, attributes, shape, dtype } = tensor;
    return { op, attributes, shape, dtype, inputs: tensor.inputs.map((x) => positions.get(x)!) };
  });
  const outputs = new Map([...graph].map(([name, tensor]) => [name, positions.get(tensor)!]));
  return { nodes, outputs };
}

/** The graph again: equal nodes, shared as they were. */
export function unpackGraph({ nodes, outputs }: PackedGraph): Graph {
  const tensors: Tensor[] = [];
  const at = (position: number): Tensor => {
    const tensor = tensors[position];
    if (!tensor) throw internal('unpackGraph', `no node ${position} yet`);
    return tensor;
  };
  for (const node of nodes) tensors.push({ ...node, inputs: node.inputs.map(at) } as Tensor);
  return new Map([...outputs].map(([name, position]) => [name, at(position)]));
}
