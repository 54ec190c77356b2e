/** @file The denoiser as the callback samplers know: guidance inside, one picture at a time. */
import { type FloatTensor, floatTensor } from '../core/tensor-data.js';
import type { Graph } from '../graph/tensor.js';
import type { Denoise } from '../schedulers/sampler.js';
import type { Conditioning } from './encode-prompt.js';
import type { CallTally, FastPlan } from './fast-plan.js';
import { type Guidance, guide } from './guidance.js';
import { concatenated, repeatedRow } from './rows.js';
import { inPrecision } from './run-mode.js';
import { sd3Kind } from './sd3-denoiser.js';
import { floatOutput, type SessionCache } from './session-cache.js';
import type { Denoiser } from './text-to-image-model.js';
import { unetKind } from './unet-denoiser.js';

/** One row of the denoiser's batch: a text and the numbers told with it. */
export interface DenoiserRow extends Conditioning {
  /** SDXL's sizes, crop corner and score; see `timeIdsOf`. */
  readonly timeIds: readonly number[];
}

/** A text the denoiser is guided towards, by its share. */
export interface WeightedRow extends DenoiserRow {
  readonly weight: number;
}

/** What a denoiser class is given and how its graph is built; one row per class in `kinds`. */
export interface DenoiserKind<D> {
  /** Skip connections, between which features can be kept from step to step. */
  branches(denoiser: D): number;
  /** Whether the network itself is told the guidance scale, so that no negative side is run. */
  isToldGuidance(denoiser: D): boolean;
  /** Feeds that stay the same in every step; the first axis counts rows. */
  conditions(denoiser: D, rows: readonly DenoiserRow[], guidance: Guidance): Feeds;
  /**
   * Inputs sample [n, c, h, w], timesteps [n] and one per condition; output `output`. With a depth
   * the features below a skip connection are the output `deep`, or in the shallow form an input.
   */
  graph(denoiser: D, shape: readonly number[], conditions: Feeds, depth?: Depth): Graph;
}

/** Where a network is cut in two, and which half it is. */
export interface Depth {
  readonly branch: number;
  readonly isShallow: boolean;
}

export type Feeds = ReadonlyMap<string, FloatTensor>;

const kinds: { readonly [C in Denoiser['className']]: DenoiserKind<Denoiser & { className: C }> } =
  {
    UNet2DConditionModel: unetKind,
    SD3Transformer2DModel: sd3Kind,
  };

export interface DenoiserOptions {
  /** [channels, height, width]. */
  readonly latentShape: readonly [number, number, number];
  /** One, or the clauses of a composed prompt. */
  readonly positives: readonly WeightedRow[];
  /** Present when there is guidance. */
  readonly negative: DenoiserRow | undefined;
  readonly guidance: Guidance;
  /** Further input channels [c·h·w], the same in every step. */
  readonly extraChannels?: Float32Array | undefined;
  readonly plan?: FastPlan | undefined;
  /** Counts the calls. */
  readonly tally?: CallTally | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Skip connections of a denoiser; none where it is no UNet. */
export function branchesOf(denoiser: Denoiser): number {
  return (kinds[denoiser.className] as DenoiserKind<Denoiser>).branches(denoiser);
}

/** Whether a run needs the unconditional side: not up to a scale of 1, nor when the denoiser is told the scale. */
export function isGuided(denoiser: Denoiser, { scale }: Guidance): boolean {
  const kind = kinds[denoiser.className] as DenoiserKind<Denoiser>;
  return scale > 1 && !kind.isToldGuidance(denoiser);
}

/** The denoiser of one picture: x [c·h·w] in, raw model output after guidance out. */
export function guidedDenoiser(
  denoiser: Denoiser,
  sessions: SessionCache,
  options: DenoiserOptions,
): Denoise {
  const { positives, negative, guidance, tally } = options;
  const plan = options.plan?.isExact ? undefined : options.plan;
  const call = (rows: readonly DenoiserRow[]): RowsCall =>
    rowsCall(denoiser, sessions, rows, { ...options, plan });
  // One text at a time where memory counts, or where rows come and go.
  const isSplit = plan !== undefined || sessions.mode.lowMemory;
  const texts = isSplit ? positives.map((row) => call([row])) : [];
  const unsaid = isSplit && negative ? call([negative]) : undefined;
  const together = isSplit ? undefined : call(negative ? [negative, ...positives] : positives);
  const isComposed = positives.length > 1 || positives[0]?.weight !== 1;
  return async (x, timestep, index) => {
    const isGuided = negative !== undefined && (!plan || isComposed || plan.isGuided(index));
    const isFull = plan?.isFull(index) ?? true;
    const each = isGuided && unsaid ? [unsaid, ...texts] : texts;
    const outputs = together ? await together(x, timestep, isFull) : [];
    for (const one of each) outputs.push(...(await one(x, timestep, isFull)));
    if (tally && negative && !isGuided) tally.unguided++;
    if (!isGuided) return outputs[0]!;
    const [unconditional, ...said] = outputs as [Float32Array, ...Float32Array[]];
    const clauses = said.map((text, i) => ({ text, weight: positives[i]!.weight }));
    return guide(unconditional, clauses, guidance);
  };
}

/** Runs some rows as one batch; gives the output of each. */
type RowsCall = (x: Float32Array, timestep: number, isFull: boolean) => Promise<Float32Array[]>;

function rowsCall(
  denoiser: Denoiser,
  sessions: SessionCache,
  rows: readonly DenoiserRow[],
  { latentShape, guidance, extraChannels, plan, tally, signal }: DenoiserOptions,
): RowsCall {
  const n = rows.length;
  const kind = kinds[denoiser.className] as DenoiserKind<Denoiser>;
  const conditions = kind.conditions(denoiser, rows, guidance);
  const [channels, height, width] = latentShape;
  const extra = (extraChannels?.length ?? 0) / (height * width);
  const shape = [n, channels + extra, height, width];
  const sizes = [...conditions.values()].map((condition) => condition.shape.join('x'));
  const form = [shape.join('x'), ...sizes].join(', ');
  const isCached = plan !== undefined && plan.interval > 1;
  const { mode } = sessions;
  let deep: FloatTensor | undefined;
  return async (x, timestep, isFull) => {
    const row = extraChannels ? concatenated([x, extraChannels]) : x;
    const isShallow = isCached && !isFull && deep !== undefined;
    const depth = isCached ? { branch: plan.branch, isShallow } : undefined;
    const half = depth && `, ${isShallow ? 'above' : 'and'} ${depth.branch}`;
    const feeds = new Map([
      ...conditions,
      ['sample', floatTensor(repeatedRow(row, n), shape)],
      ['timesteps', floatTensor(new Float32Array(n).fill(timestep), [n])],
    ]);
    const outputs = await sessions.run({
      part: denoiser,
      form: `${form}${half ?? ''}`,
      build: () => inPrecision(kind.graph(denoiser, shape, conditions, depth), mode),
      feeds: isShallow ? feeds.set('deep', deep!) : feeds,
      keep: isCached ? 2 : undefined,
      isQuantised: mode.precision === 'int8',
      signal,
    });
    if (isCached && !isShallow) deep = floatOutput(outputs, 'deep');
    if (tally) tally[isShallow ? 'shallow' : 'full'] += n;
    return split(floatOutput(outputs, 'output').data, n);
  };
}

function split(values: Float32Array, parts: number): Float32Array[] {
  const length = values.length / parts;
  return Array.from({ length: parts }, (_, i) => values.subarray(i * length, (i + 1) * length));
}
