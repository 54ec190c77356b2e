/** @file Makes a graph ready to run with fixed weights: rewritten, and what weights alone decide computed once and mapped. */
import { complain, MaliangError } from '../core/errors.js';
import { type Dtype, dtypeBytes, type TensorData } from '../core/tensor-data.js';
import { emitOnnx } from '../graph/emit.js';
import { blockedConvolutions } from '../graph/rewrites/blocked-convolutions.js';
import { type RewriteMode, rewriteForInference } from '../graph/rewrites/for-inference.js';
import { hoistFixed } from '../graph/rewrites/hoist-fixed.js';
import { type StoredView, viewStored } from '../graph/rewrites/stored-views.js';
import type { Graph, Tensor } from '../graph/tensor.js';
import { channelBlock } from './channel-block.js';
import type { PreparedSettings } from './prepared-settings.js';
import {
  findPrepared,
  locateParts,
  type PreparedPart,
  requireRoom,
  tensorByteCount,
  trimPrepared,
  type Weights,
  writePrepared,
} from './prepared-store.js';
import { LocalSession } from './session.js';
import { type TensorInFile, weightsInFiles } from './weights.js';

export interface Preparation {
  readonly rewrites: RewriteMode;
  /** Undefined computes everything at every load. */
  readonly prepared: PreparedSettings | undefined;
  readonly threads: number | undefined;
  /** Whether the device computes convolutions over blocks of channels: only the processor does. */
  readonly blocksChannels: boolean;
}

export interface ReadyGraph {
  readonly graph: Graph;
  readonly weights: Weights;
  /** Why prepared weights are not kept, where they should be. */
  readonly warnings: readonly string[];
}

/**
 * Whether parts are prepared or computed by ONNX Runtime at every load changes no result of a small model; in a
 * large one convolutions over blocks of channels differ by rounding from those ONNX Runtime makes itself.
 */
export async function readyToRun(
  given: Graph,
  stored: Weights,
  preparation: Preparation,
): Promise<ReadyGraph> {
  const { rewrites, threads, blocksChannels } = preparation;
  const isStored = (name: string): boolean => stored.has(name);
  const rewritten = rewriteForInference(given, rewrites, isStored);
  const isLarge = preparation.prepared && bytesOf(stored) >= preparation.prepared.fromBytes;
  const prepared = isLarge ? preparation.prepared : undefined;
  const isWorth = (part: Tensor): boolean => tensorByteCount(part) >= prepared!.partBytes;
  const block = prepared && blocksChannels ? await channelBlock() : undefined;
  const blocked =
    block === undefined ? rewritten : blockedConvolutions(rewritten, { isStored, block, isWorth });
  const { graph, views } = viewStored(blocked, isStored);
  const weights = withViews(stored, views);
  if (!prepared) return { graph, weights, warnings: [] };
  const hoisted = hoistFixed(graph, {
    isStored: (name) => weights.has(name),
    isConverted: ({ attributes, dtype }) => weights.get(attributes.name)?.dtype !== dtype,
    isWorth,
  });
  try {
    const files = await keepParts(hoisted.parts, weights, { prepared, threads });
    return { graph: hoisted.graph, weights: new Map([...weights, ...files]), warnings: [] };
  } catch (cause) {
    if (!(cause instanceof MaliangError)) throw cause;
    return { graph, weights, warnings: [`Prepared weights are not kept: ${cause.message}`] };
  }
}

function bytesOf(weights: Weights): number {
  let bytes = 0;
  for (const { begin, end } of weights.values()) bytes += end - begin;
  return bytes;
}

function withViews(stored: Weights, views: ReadonlyMap<string, StoredView>): Weights {
  const all = new Map(stored);
  for (const [name, { of, start, count }] of views) {
    const whole = stored.get(of)!;
    const size = dtypeBytes[whole.dtype as Dtype];
    const begin = whole.begin + start * size;
    all.set(name, { ...whole, shape: [count], begin, end: begin + count * size });
  }
  return all;
}

/** Every part out of its file, computed and written one after another where there is none. */
async function keepParts(
  parts: ReadonlyMap<string, Tensor>,
  weights: Weights,
  { prepared, threads }: { prepared: PreparedSettings; threads: number | undefined },
): Promise<Map<string, TensorInFile>> {
  const located = await locateParts(parts, weights, prepared.folder);
  const found = new Map<string, TensorInFile>();
  const missing: [string, PreparedPart][] = [];
  for (const [name, part] of located) {
    const file = await findPrepared(part);
    if (file) found.set(name, file);
    else missing.push([name, part]);
  }
  if (missing.length === 0) return found;
  requireWithin(prepared, located.values());
  await requireRoom(prepared.folder, byteSum(missing.map(([, part]) => part)));
  await inPairs(missing, async ([name, part]) => {
    found.set(name, await writePrepared(part, () => compute(part.tensor, weights, threads)));
  });
  await trimPrepared(prepared, new Set([...located.values()].map(({ path }) => path)));
  return found;
}

/** Two at a time: while the disk takes one part, the next is computed. After a failure none is begun. */
async function inPairs<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const waiting = [...items];
  const lane = async (): Promise<void> => {
    try {
      for (let next = waiting.shift(); next; next = waiting.shift()) await work(next);
    } catch (cause) {
      waiting.length = 0;
      throw cause;
    }
  };
  const ends = await Promise.allSettled([lane(), lane()]);
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
}

function byteSum(parts: Iterable<PreparedPart>): number {
  let bytes = 0;
  for (const { tensor } of parts) bytes += tensorByteCount(tensor);
  return bytes;
}

/** Throws DISK_FULL when one model's parts are more than the cache may hold. */
function requireWithin({ folder, limitBytes }: PreparedSettings, parts: Iterable<PreparedPart>) {
  const bytes = byteSum(parts);
  if (bytes <= limitBytes) return;
  throw complain('DISK_FULL', {
    where: folder,
    expected: `at most ${limitBytes / 1e9} GB`,
    got: `${(bytes / 1e9).toFixed(1)} GB for this model`,
    next: 'Raise MALIANG_PREPARED_GB, or set MALIANG_PREPARED=off.',
  });
}

/** A session of its own: its memory is free again before the next. */
async function compute(
  part: Tensor,
  weights: Weights,
  threads: number | undefined,
): Promise<TensorData> {
  const model = emitOnnx(new Map([['prepared', part]]), { weights: weightsInFiles(weights) });
  await using session = await LocalSession.create(model, { threads, isPlain: true });
  return (await session.run(new Map())).get('prepared')!;
}
