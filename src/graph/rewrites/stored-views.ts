/** @file Rows and other shapes of stored parameters as parameters of their own: ranges of bytes, not copies. */
import { elementCount } from '../../core/tensor-data.js';
import { rewrite } from '../rewrite.js';
import { type Graph, parameter, type Tensor, type TensorOf } from '../tensor.js';
import type { IsStored } from './fixed.js';

/** A stretch of a stored parameter, in elements. */
export interface StoredView {
  readonly of: string;
  readonly start: number;
  readonly count: number;
}

export interface ViewedGraph {
  readonly graph: Graph;
  /** By the name of the parameter that took a view's place. */
  readonly views: ReadonlyMap<string, StoredView>;
}

/** First row of a slice along axis 0 alone; undefined for other slices. */
function firstRow({ inputs, attributes }: TensorOf<'Slice'>): number | undefined {
  const { shape } = inputs[0]!;
  const { starts, sizes, steps } = attributes;
  const isWhole = sizes.every((size, axis) => axis === 0 || size === shape[axis]);
  return isWhole && steps.every((step) => step === 1) ? starts[0] : undefined;
}

/** Replaces reshapes of stored parameters, and their slices along the first axis. */
export function viewStored(graph: Graph, isStored: IsStored): ViewedGraph {
  const views = new Map<string, StoredView>();
  const viewOf = (source: Tensor): StoredView | undefined => {
    if (source.op !== 'Parameter') return undefined;
    const { name } = source.attributes;
    const count = elementCount(source.shape);
    return views.get(name) ?? (isStored(name) ? { of: name, start: 0, count } : undefined);
  };
  const viewed = (node: Tensor, view: StoredView): Tensor => {
    const end = view.start + view.count;
    const name = `${view.of}[${view.start}:${end}] as [${node.shape}]`;
    views.set(name, view);
    return parameter(name, node.shape, node.dtype);
  };
  const after = rewrite(graph, (node) => {
    const whole = node.inputs[0] && viewOf(node.inputs[0]);
    if (!whole) return undefined;
    if (node.op === 'Reshape') return viewed(node, whole);
    const row = node.op === 'Slice' ? firstRow(node) : undefined;
    if (row === undefined) return undefined;
    const start = whole.start + row * elementCount(node.inputs[0]!.shape.slice(1));
    return viewed(node, { of: whole.of, start, count: elementCount(node.shape) });
  });
  return { graph: after, views };
}
