/** @file Takes out of a graph what stored weights alone decide, so that it can be computed once and kept. */
import { rewrite } from '../rewrite.js';
import { type Graph, parameter, type Tensor, type TensorOf, topologicalOrder } from '../tensor.js';
import { fixedTensors, type IsStored } from './fixed.js';

export interface HoistedGraph {
  /** Reads the parts as parameters. */
  readonly graph: Graph;
  /** What to compute, by the name of the parameter that took its place. */
  readonly parts: ReadonlyMap<string, Tensor>;
}

export interface HoistOptions {
  readonly isStored: IsStored;
  /** Whether a parameter lies in its file as another dtype, so that reading it is a computation. */
  readonly isConverted: (parameter: TensorOf<'Parameter'>) => boolean;
  /** Whether a part is worth keeping. */
  readonly isWorth: (part: Tensor) => boolean;
}

const views: ReadonlySet<string> = new Set(['Parameter', 'Constant', 'Reshape', 'Slice']);

/** Whether it computes nothing: products take turned matrices as they lie. */
const isView = ({ op, shape }: Tensor): boolean =>
  views.has(op) || (op === 'Transpose' && shape.length === 2);

/** The largest fixed parts in which something is computed. */
export function hoistFixed(graph: Graph, options: HoistOptions): HoistedGraph {
  const computed = computedTensors(graph, options);
  const parts = new Map<string, Tensor>();
  const replacements = new Map<Tensor, Tensor>();
  for (const root of rootsOf(graph, computed)) {
    if (!options.isWorth(root)) continue;
    const name = `prepared ${parts.size}`;
    parts.set(name, root);
    replacements.set(root, parameter(name, root.shape, root.dtype));
  }
  return { graph: rewrite(graph, (_, original) => replacements.get(original)), parts };
}

/** Fixed tensors with more than a change of shape below them. */
function computedTensors(graph: Graph, { isStored, isConverted }: HoistOptions): Set<Tensor> {
  const fixed = fixedTensors(graph, isStored);
  const computed = new Set<Tensor>();
  const withParameters = new Set<Tensor>();
  for (const tensor of topologicalOrder(graph.values())) {
    if (!fixed.has(tensor)) continue;
    const isParameter = tensor.op === 'Parameter';
    const has = isParameter || tensor.inputs.some((source) => withParameters.has(source));
    if (!has) continue;
    withParameters.add(tensor);
    const isWork = tensor.op === 'Parameter' ? isConverted(tensor) : !isView(tensor);
    if (isWork || tensor.inputs.some((source) => computed.has(source))) computed.add(tensor);
  }
  return computed;
}

/**
 * Computed tensors that the rest of the graph reads. Turned weights are read behind their
 * Transpose, as products take them either way round; rows that lookups find are converted one by
 * one, so their tables stay as they are.
 */
function rootsOf(graph: Graph, computed: ReadonlySet<Tensor>): Set<Tensor> {
  const roots = new Set<Tensor>();
  const visit = (source: Tensor): void => {
    if (!computed.has(source)) return;
    if (source.op === 'Transpose' && source.shape.length === 2) visit(source.inputs[0]!);
    else roots.add(source);
  };
  for (const output of graph.values()) visit(output);
  for (const { op, inputs } of topologicalOrder(graph.values()).filter((t) => !computed.has(t))) {
    inputs.forEach((source, i) => {
      const isTable = op === 'Gather' && i === 0 && source.op === 'Parameter';
      if (!isTable) visit(source);
    });
  }
  return roots;
}
