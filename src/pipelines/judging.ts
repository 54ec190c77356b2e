/** @file How a panel of judges ranks the pictures of one prompt, near misses of it included. */
import { type RankedCandidate, rankCandidates } from '../metrics/ranking.js';
import type { Pixels } from './decode-latents.js';

/** 8-bit RGB as judges take it. */
interface JudgedPixels {
  readonly width: number;
  readonly height: number;
  readonly channels: 3;
  /** [height, width, 3]. */
  readonly data: Uint8Array;
}

/** What one judge of a panel says; more is better. */
export interface PanelScores {
  /** Names the value in the report, such as `clip` or `blip-itm`. */
  readonly judge: string;
  /** The id or folder of its model. */
  readonly model: string;
  readonly weightHash: string;
  /** For every picture one value for each prompt; a lone one where the prompt is not read. */
  readonly values: readonly (readonly number[])[];
}

/** `Judges`, or anything that judges in its way. */
export interface Panel {
  score(
    pictures: readonly JudgedPixels[],
    prompts: readonly string[],
    options: { readonly signal?: AbortSignal | undefined },
  ): Promise<{ readonly scores: readonly PanelScores[]; readonly warnings: readonly string[] }>;
}

export interface Judging {
  readonly panel: Panel;
  /** The pictures' own prompt, then its near misses. */
  readonly prompts: readonly string[];
  /** How much each judge counts by its name, default 1. */
  readonly weights: Readonly<Record<string, number>>;
  readonly signal: AbortSignal | undefined;
}

export interface Judgement {
  /** Best first. */
  readonly ranked: readonly RankedCandidate[];
  readonly judges: readonly Omit<PanelScores, 'values'>[];
  readonly warnings: readonly string[];
}

/** Ranks pictures of one prompt; with near misses, by the margin over the best of them. */
export async function judge(pictures: readonly Pixels[], judging: Judging): Promise<Judgement> {
  const { panel, prompts, weights, signal } = judging;
  const images = pictures.map(({ width, height, pixels }) => {
    return { width, height, channels: 3 as const, data: pixels };
  });
  const { scores, warnings } = await panel.score(images, prompts, { signal });
  const values = new Map(scores.map((one) => [one.judge, one.values]));
  const ranked = rankCandidates(values, new Map(Object.entries(weights)));
  const judges = scores.map(({ judge: name, model, weightHash }) => {
    return { judge: name, model, weightHash };
  });
  return { ranked, judges, warnings };
}
