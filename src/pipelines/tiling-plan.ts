/** @file Which part of an autoencoder is computed in bands of rows: all that is larger than the latents. */
import { internal } from '../core/errors.js';
import { elementCount } from '../core/tensor-data.js';
import { computedFor, isBandable } from '../graph/bands.js';
import { type Graph, type Tensor, type TensorOf, topologicalOrder } from '../graph/tensor.js';

/** Bytes to stay within, while the size of the picture allows it. */
export interface TilingLimits {
  /** Of all pictures kept between passes. */
  readonly kept: number;
  /** Of the largest picture inside one band. */
  readonly band: number;
}

export const usualLimits: TilingLimits = { kept: 640 * 2 ** 20, band: 32 * 2 ** 20 };

/** Untiled, nothing larger than this is made. */
const largestUntiled = 320 * 2 ** 20;

export interface Regions {
  /** What the bands start from: computed whole, or the source itself. */
  readonly entries: readonly Tensor[];
  /** What is computed in bands, inputs before users. */
  readonly middle: readonly Tensor[];
  /** What is computed whole from it. */
  readonly exits: readonly Tensor[];
  /** Pictures of the middle that are outputs. */
  readonly results: readonly Tensor[];
}

export const bytesOf = ({ shape }: Tensor): number => 4 * elementCount(shape);

const area = ({ shape }: Tensor): number => (shape.length === 4 ? shape[2]! * shape[3]! : 0);

/** Everything that depends on the source, inputs before users. */
function picturesOf(graph: Graph, source: Tensor): Tensor[] {
  const found = new Set<Tensor>([source]);
  for (const node of topologicalOrder(graph.values())) {
    if (node.inputs.some((one) => found.has(one))) found.add(node);
  }
  return [...found];
}

/** Whether the graph makes something too large to be computed whole without need. */
export function isLarge(graph: Graph, source: Tensor): boolean {
  return picturesOf(graph, source).some((picture) => bytesOf(picture) > largestUntiled);
}

/**
 * Pictures up to the size of the latents are computed whole: there attention looks at all pixels.
 * Undefined where nothing is larger. Throws INTERNAL for graphs whose large part is not bandable.
 */
export function regionsOf(graph: Graph, source: Tensor): Regions | undefined {
  const pictures = picturesOf(graph, source);
  const outputs = new Set(graph.values());
  const smallest = Math.min(...[source, ...outputs].map(area).filter((pixels) => pixels > 0));
  const known = new Set(pictures);
  const sources = (node: Tensor): Tensor[] => node.inputs.filter((one) => known.has(one));
  const isLight = (node: Tensor): boolean =>
    [node, ...sources(node)].every((one) => area(one) <= smallest);
  const before = new Set<Tensor>();
  for (const node of pictures) {
    if (isLight(node) && sources(node).every((one) => before.has(one))) before.add(node);
  }
  const users = new Map<Tensor, Tensor[]>();
  for (const node of pictures) {
    for (const one of sources(node)) users.set(one, [...(users.get(one) ?? []), node]);
  }
  const after = new Set<Tensor>();
  for (const node of pictures.toReversed()) {
    const isLast = (users.get(node) ?? []).every((one) => after.has(one));
    if (node !== source && !before.has(node) && isLight(node) && isLast) after.add(node);
  }
  const middle = pictures.filter(
    (node) => node !== source && !before.has(node) && !after.has(node),
  );
  if (middle.length === 0) return undefined;
  const stranger = middle.find((node) => !isBandable(node));
  if (stranger) throw internal('tiling', `${stranger.op} in the part that is tiled`);
  const inMiddle = new Set(middle);
  const isRead = (node: Tensor): boolean =>
    (users.get(node) ?? []).some((one) => inMiddle.has(one));
  return {
    entries: [source, ...before].filter((node, i, all) => isRead(node) && all.indexOf(node) === i),
    middle,
    exits: middle.filter((node) => (users.get(node) ?? []).some((one) => after.has(one))),
    results: middle.filter((node) => outputs.has(node)),
  };
}

/** One walk over the bands of a picture. */
export interface Pass {
  readonly target: Tensor;
  /** Norms whose statistics it takes. */
  readonly norms: readonly TensorOf<'GroupNorm'>[];
  /** Whether the target stays, so that later passes read it instead of computing it again. */
  readonly isKept: boolean;
  /** Whether its rows are given to the caller. */
  readonly isResult: boolean;
  /** Kept pictures nobody needs afterwards. */
  readonly dying: readonly Tensor[];
  /** Rows of each band. */
  readonly height: number;
}

/**
 * A pass for every picture that is normalised, as a norm needs the statistics of all of it, and one
 * for every exit. A picture that is kept with all that is needed later stays within the limit;
 * others are computed again where they are read.
 */
export function passesOf(
  { entries, middle, exits, results }: Regions,
  limits: TilingLimits = usualLimits,
): Pass[] {
  const norms = middle.filter((node) => node.op === 'GroupNorm');
  const targets = [...new Set([...norms.map(({ inputs }) => inputs[0]!), ...exits, ...results])];
  const ends = [targets[0]!, targets.at(-1)!].map((one) => 1.2 * bytesOf(one));
  const most = Math.max(limits.kept, ...ends);
  let kept = new Set<Tensor>(entries);
  return targets.map((target, i): Pass => {
    const rest = [...targets.slice(i + 1), ...exits.filter((exit) => targets.indexOf(exit) <= i)];
    const isExit = exits.includes(target);
    const isResult = results.includes(target);
    const withTarget = neededBy([target, ...rest], new Set([...kept, target]));
    const bytes = [...withTarget].reduce((sum, one) => sum + bytesOf(one), 0);
    const isRead = neededBy(rest, new Set([...kept, target])).has(target);
    const isKept = !kept.has(target) && (isExit || (!isResult && isRead && bytes <= most));
    const height = bandHeight(target, kept, limits.band);
    const needed = neededBy(rest, isKept ? new Set([...kept, target]) : kept);
    const dying = [...kept].filter((one) => !needed.has(one));
    kept = needed;
    const own = norms.filter(({ inputs }) => inputs[0] === target);
    return { target, norms: own, isKept, isResult, dying, height };
  });
}

/** The kept pictures that targets are computed from. */
function neededBy(targets: readonly Tensor[], kept: ReadonlySet<Tensor>): Set<Tensor> {
  const seen = new Set<Tensor>();
  const visit = [...targets];
  for (let at = visit.pop(); at; at = visit.pop()) {
    if (seen.has(at)) continue;
    seen.add(at);
    if (!kept.has(at)) visit.push(...at.inputs);
  }
  return new Set([...kept].filter((one) => seen.has(one)));
}

/** A multiple of eight rows, at most half of the picture. */
function bandHeight(target: Tensor, kept: ReadonlySet<Tensor>, most: number): number {
  const stops = new Map([...kept].map((one) => [one, true]));
  const height = target.shape[2]!;
  const perRow = computedFor(target, stops)
    .filter((node) => node.shape.length === 4)
    .map((node) => bytesOf(node) / height);
  const eights = Math.floor(most / Math.max(1, ...perRow) / 8);
  return 8 * Math.max(1, Math.min(eights, Math.ceil(height / 16)));
}
