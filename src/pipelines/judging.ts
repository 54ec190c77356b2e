/** @file What a judge of pictures is, and how a panel of them ranks the candidates of one prompt. */
import { type RankedCandidate, rankCandidates } from '../metrics/ranking.js';
import type { Pixels } from './decode-latents.js';

/** Gives pictures of one prompt a number each; more is better. */
export interface Judge {
  /** Names the value in the report, such as `clip` or `blip-itm`. */
  readonly name: string;
  /** Of the weights it judges with, where there are any. */
  readonly weightsHash?: string | undefined;
  /** False for judges of looks alone: near misses do not change what they say. */
  readonly readsPrompt: boolean;
  /** One number a picture. */
  values(
    pictures: readonly Pixels[],
    prompt: string,
    options?: { readonly signal?: AbortSignal | undefined },
  ): Promise<readonly number[]>;
}

export interface Panel {
  readonly judges: readonly Judge[];
  readonly weights: Readonly<Record<string, number>>;
  readonly nearMisses: readonly string[];
  readonly signal: AbortSignal | undefined;
}

/** Ranks pictures of one prompt, best first; with near misses, by the margin over the best of them. */
export async function judge(
  pictures: readonly Pixels[],
  prompt: string,
  { judges, weights, nearMisses, signal }: Panel,
): Promise<RankedCandidate[]> {
  const values = new Map<string, readonly number[]>();
  for (const one of judges) {
    const own = await one.values(pictures, prompt, { signal });
    const others: (readonly number[])[] = [];
    for (const miss of one.readsPrompt ? nearMisses : []) {
      others.push(await one.values(pictures, miss, { signal }));
    }
    values.set(
      one.name,
      own.map((value, i) =>
        marginOver(
          value,
          others.map((row) => row[i]!),
        ),
      ),
    );
  }
  return rankCandidates(values, new Map(Object.entries(weights)));
}

function marginOver(value: number, others: readonly number[]): number {
  return others.length === 0 ? value : value - Math.max(...others);
}
