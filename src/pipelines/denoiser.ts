/** @file The denoiser as the callback samplers know: guidance inside, one picture at a time. */
import { type FloatTensor, floatTensor } from '../core/tensor-data.js';
import type { Graph } from '../graph/tensor.js';
import type { Denoise } from '../schedulers/sampler.js';
import type { Conditioning } from './encode-prompt.js';
import { type Guidance, guide } from './guidance.js';
import { concatenated, repeatedRow } from './rows.js';
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
  /** Whether the network itself is told the guidance scale, so that no negative side is run. */
  isToldGuidance(denoiser: D): boolean;
  /** Feeds that stay the same in every step; the first axis counts rows. */
  conditions(denoiser: D, rows: readonly DenoiserRow[], guidance: Guidance): Feeds;
  /** Inputs sample [n, c, h, w], timesteps [n] and one per condition; output `output`. */
  graph(denoiser: D, shape: readonly number[], conditions: Feeds): Graph;
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
  readonly signal?: AbortSignal | undefined;
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
  const { latentShape, positives, negative, guidance, extraChannels, signal } = options;
  const rows = negative ? [negative, ...positives] : positives;
  const n = rows.length;
  const kind = kinds[denoiser.className] as DenoiserKind<Denoiser>;
  const conditions = kind.conditions(denoiser, rows, guidance);
  const [channels, height, width] = latentShape;
  const extra = (extraChannels?.length ?? 0) / (height * width);
  const shape = [n, channels + extra, height, width];
  const sizes = [...conditions.values()].map((condition) => condition.shape.join('x'));
  const form = [shape.join('x'), ...sizes].join(', ');
  return async (x, timestep) => {
    const row = extraChannels ? concatenated([x, extraChannels]) : x;
    const outputs = await sessions.run({
      part: denoiser,
      form,
      build: () => kind.graph(denoiser, shape, conditions),
      feeds: new Map([
        ...conditions,
        ['sample', floatTensor(repeatedRow(row, n), shape)],
        ['timesteps', floatTensor(new Float32Array(n).fill(timestep), [n])],
      ]),
      signal,
    });
    const { data } = floatOutput(outputs, 'output');
    if (!negative) return data;
    const [unconditional, ...texts] = split(data, n) as [Float32Array, ...Float32Array[]];
    const clauses = texts.map((text, i) => ({ text, weight: positives[i]!.weight }));
    return guide(unconditional, clauses, guidance);
  };
}

function split(values: Float32Array, parts: number): Float32Array[] {
  const length = values.length / parts;
  return Array.from({ length: parts }, (_, i) => values.subarray(i * length, (i + 1) * length));
}
