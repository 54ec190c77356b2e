/** @file Rows of a picture graph: which rows of its sources some rows of a node need, and the graph that computes just those. */
import { internal } from '../core/errors.js';
import { floatTensor } from '../core/tensor-data.js';
import * as g from './build.js';
import type { Op } from './ops.js';
import { resizeMatrix } from './resize-matrix.js';
import {
  type Graph,
  input,
  node as makeNode,
  type Tensor,
  type TensorOf,
  topologicalOrder,
} from './tensor.js';

/** Rows of a picture [n, c, h, w]; `to` lies outside. */
export interface Rows {
  readonly from: number;
  readonly to: number;
}

/** What is known before a band is computed. */
export interface BandSources {
  /** Pictures whose rows are fed, by the input that takes them. */
  readonly stored: ReadonlyMap<Tensor, string>;
  /** Group norms by the prefix of the inputs `mean` and `scale` that hold their statistics. */
  readonly norms: ReadonlyMap<Tensor, string>;
}

export interface Band {
  /** The rows asked for, [n, c, rows, w]. */
  readonly output: Tensor;
  /** Rows of the stored pictures it reads, by input. */
  readonly reads: ReadonlyMap<string, Rows>;
  /** Bands of one target with the same key have the same graph. */
  readonly key: string;
}

/** Operations whose value at a pixel needs that pixel only. */
const pointwise: ReadonlySet<Op> = new Set<Op>([
  ...(['Neg', 'Abs', 'Exp', 'Tanh', 'Sigmoid', 'Softplus', 'Relu', 'Gelu', 'QuickGelu'] as const),
  ...(['Silu', 'Clip', 'Round', 'Add', 'Sub', 'Mul', 'Div'] as const),
]);

/** Whether rows of the node can be computed from rows of its inputs. */
export function isBandable({ op }: Tensor): boolean {
  return pointwise.has(op) || op === 'Conv' || op === 'Resize' || op === 'GroupNorm';
}

/** The nodes a target is computed from, down to `stops`, which are not among them; leaves neither. */
export function computedFor(target: Tensor, stops: ReadonlyMap<Tensor, unknown>): Tensor[] {
  const seen = new Set<Tensor>();
  const visit = [target];
  for (let at = visit.pop(); at; at = visit.pop()) {
    if (seen.has(at) || stops.has(at)) continue;
    seen.add(at);
    visit.push(...at.inputs);
  }
  return topologicalOrder([target]).filter((one) => seen.has(one));
}

/** The graph of rows of `target`. What neither is stored nor depends on it is used whole. */
export function bandOf(target: Tensor, rows: Rows, { stored, norms }: BandSources): Band {
  const order = computedFor(target, stored);
  const pictures = new Set<Tensor>(stored.keys());
  for (const node of order) if (node.inputs.some((one) => pictures.has(one))) pictures.add(node);
  const needs = new Map<Tensor, Rows>([[target, rows]]);
  for (const node of order.toReversed()) {
    const own = needs.get(node);
    if (!own || stored.has(node)) continue;
    for (const source of node.inputs) {
      if (pictures.has(source)) needs.set(source, hull(needs.get(source), sourceRows(node, own)));
    }
  }
  const built = new Map<Tensor, Tensor>();
  const key: string[] = [];
  const reads = new Map<string, Rows>();
  for (const [picture, name] of stored) {
    const own = needs.get(picture);
    if (!own) continue;
    reads.set(name, own);
    built.set(picture, input(name, picture.shape.with(2, own.to - own.from)));
  }
  for (const node of order) {
    const own = needs.get(node);
    if (!own || built.has(node)) continue;
    const take = (source: Tensor, wanted: Rows): Tensor => {
      if (!pictures.has(source)) return source;
      const { from } = needs.get(source)!;
      key.push(`${wanted.from - from}+${wanted.to - wanted.from}`);
      return g.sliceAxis(built.get(source)!, 2, wanted.from - from, wanted.to - wanted.from);
    };
    built.set(node, bandNode(node, own, { take, norm: norms.get(node), key }));
  }
  return { output: built.get(target)!, reads, key: key.join() };
}

function hull(a: Rows | undefined, b: Rows): Rows {
  return a ? { from: Math.min(a.from, b.from), to: Math.max(a.to, b.to) } : b;
}

/** Rows of the picture a node reads, padding left out. */
function sourceRows(node: Tensor, rows: Rows): Rows {
  if (node.op === 'Conv') {
    const { from, to } = convReach(node, rows);
    return { from: Math.max(from, 0), to: Math.min(to, node.inputs[0]!.shape[2]!) };
  }
  return node.op === 'Resize' ? resizeReach(node, rows) : rows;
}

/** Rows a convolution looks at; those below 0 and beyond the height are padding. */
function convReach({ inputs, attributes }: TensorOf<'Conv'>, { from, to }: Rows): Rows {
  const { stride, padding, dilation } = attributes;
  const first = from * stride[0] - padding[0];
  const reach = dilation[0] * (inputs[1]!.shape[2]! - 1) + 1;
  return { from: first, to: first + (to - from - 1) * stride[0] + reach };
}

/** Whole factor of an enlargement that repeats pixels. */
function repeatsOf({ inputs, attributes, shape }: TensorOf<'Resize'>): number | undefined {
  const [rows, columns] = [shape[2]! / inputs[0]!.shape[2]!, shape[3]! / inputs[0]!.shape[3]!];
  const isWhole = Number.isInteger(rows) && Number.isInteger(columns);
  return attributes.mode === 'nearest' && isWhole ? rows : undefined;
}

function resizeReach(node: TensorOf<'Resize'>, { from, to }: Rows): Rows {
  const factor = repeatsOf(node);
  if (factor !== undefined) {
    return { from: Math.floor(from / factor), to: Math.floor((to - 1) / factor) + 1 };
  }
  const height = node.inputs[0]!.shape[2]!;
  const matrix = heightMatrix(node);
  const isRead = (column: number): boolean => {
    for (let row = from; row < to; row++) if (matrix[row * height + column] !== 0) return true;
    return false;
  };
  const columns = Array.from({ length: height }, (_, i) => i).filter(isRead);
  return { from: columns[0]!, to: columns.at(-1)! + 1 };
}

/** [height of the output, height of the input]. */
function heightMatrix({ inputs, attributes }: TensorOf<'Resize'>): Float64Array {
  const { mode, size, alignCorners, antialias } = attributes;
  return resizeMatrix(mode, inputs[0]!.shape[2]!, size[0], alignCorners, antialias);
}

interface BandStep {
  /** Rows of an input's band. */
  readonly take: (source: Tensor, rows: Rows) => Tensor;
  readonly norm: string | undefined;
  readonly key: string[];
}

function bandNode(node: Tensor, rows: Rows, step: BandStep): Tensor {
  if (pointwise.has(node.op)) {
    const inputs = node.inputs.map((source) => step.take(source, rows));
    return makeNode(node.op, inputs, node.attributes as never);
  }
  switch (node.op) {
    case 'Conv':
      return convBand(node, rows, step);
    case 'Resize':
      return resizeBand(node, rows, step);
    case 'GroupNorm':
      return normBand(node, rows, step);
    default:
      throw internal('bandOf', `${node.op} needs the whole picture`);
  }
}

function convBand(node: TensorOf<'Conv'>, rows: Rows, { take, key }: BandStep): Tensor {
  const [x, weight, ...bias] = node.inputs as [Tensor, Tensor, ...Tensor[]];
  const { from, to } = convReach(node, rows);
  const [, left, , right] = node.attributes.padding;
  const [top, bottom] = [Math.max(0, -from), Math.max(0, to - x.shape[2]!)];
  key.push(`pad ${top} ${bottom}`);
  const padding = [top, left, bottom, right] as const;
  const seen = take(x, sourceRows(node, rows));
  return makeNode('Conv', [seen, weight, ...bias], { ...node.attributes, padding });
}

function resizeBand(node: TensorOf<'Resize'>, rows: Rows, { take, key }: BandStep): Tensor {
  const reach = resizeReach(node, rows);
  const source = node.inputs[0]!;
  const seen = take(source, reach);
  const count = reach.to - reach.from;
  const width = node.shape[3]!;
  const factor = repeatsOf(node);
  if (factor !== undefined) {
    const large = g.resize(seen, { mode: 'nearest', size: [count * factor, width] });
    const start = rows.from - reach.from * factor;
    key.push(`from ${start}`);
    return g.sliceAxis(large, 2, start, rows.to - rows.from);
  }
  key.push(`at ${rows.from}`);
  const height = source.shape[2]!;
  const matrix = heightMatrix(node);
  const part = new Float32Array((rows.to - rows.from) * count);
  for (let i = 0; i < part.length; i++) {
    const [row, column] = [Math.floor(i / count), i % count];
    part[i] = matrix[(rows.from + row) * height + reach.from + column]!;
  }
  const wide = g.resize(seen, { ...node.attributes, size: [count, width] });
  return g.matmul(g.constant(floatTensor(part, [rows.to - rows.from, count])), wide);
}

/** Normalises by statistics of the whole picture, fed as [groups, 1] each. */
function normBand(node: TensorOf<'GroupNorm'>, rows: Rows, { take, norm }: BandStep): Tensor {
  const [x, scale, bias] = node.inputs as [Tensor, Tensor, Tensor];
  if (norm === undefined) throw internal('bandOf', 'a norm without statistics');
  const { groups } = node.attributes;
  const channels = x.shape[1]!;
  const each = (name: string): Tensor =>
    g.reshape(g.expand(input(`${norm} ${name}`, [groups, 1]), [groups, channels / groups]), [
      1,
      channels,
      1,
      1,
    ]);
  const vector = (values: Tensor): Tensor => g.reshape(values, [1, channels, 1, 1]);
  const centred = g.sub(take(x, rows), each('mean'));
  return g.add(g.mul(centred, g.mul(each('scale'), vector(scale))), vector(bias));
}

/** Mean and summed squared deviation of each group's values: x [1, c, h, w] -> [groups] each. */
export function groupMoments(x: Tensor, groups: number): { mean: Tensor; squares: Tensor } {
  const values = g.reshape(x, [groups, -1]);
  const mean = g.mean(values, [1], true);
  const squares = g.sum(g.square(g.sub(values, mean)), [1]);
  return { mean: g.reshape(mean, [groups]), squares };
}

/** The graph with some nodes replaced by inputs of their shapes. */
export function cutAt(graph: Graph, cuts: ReadonlyMap<Tensor, string>): Graph {
  const built = new Map<Tensor, Tensor>();
  for (const [node, name] of cuts) built.set(node, input(name, node.shape, node.dtype));
  for (const output of graph.values()) {
    for (const node of computedFor(output, built)) {
      const inputs = node.inputs.map((source) => built.get(source)!);
      const isSame = inputs.every((source, i) => source === node.inputs[i]);
      built.set(node, isSame ? node : ({ ...node, inputs } as Tensor));
    }
  }
  return new Map([...graph].map(([name, output]) => [name, built.get(output)!]));
}
