/** @file Best of N: candidates with seeds of their own, weak ones given up early, the rest judged, ranked and reported. */
import { complain, type MaliangError } from '../core/errors.js';
import type { JudgedValue, RankedCandidate } from '../metrics/ranking.js';
import type { Pixels } from './decode-latents.js';
import type { GenerateOptions } from './generation-request.js';
import { type Judgement, type Judging, judge, type Panel, type PanelScores } from './judging.js';
import type { GeneratedImage, GenerationEvent, TextToImage } from './text-to-image.js';

/** Gives up weak candidates by their previews; saves time and may lose the best one. */
export interface EarlyRejection {
  /** Share of the steps after which previews are judged, between 0 and 1. Default 0.5. */
  readonly after?: number | undefined;
  /** Share of the candidates that go on, above 0 up to 1. Default 0.5; never fewer than are kept. */
  readonly survivors?: number | undefined;
}

export interface BestOfOptions extends Omit<GenerateOptions, 'num'> {
  /** Candidates; candidate i has seed S + i. 1 to 1,000. */
  readonly n: number;
  /** Pictures to keep, 1 to n. Default 1. */
  readonly keep?: number | undefined;
  readonly panel: Panel;
  /** How much each judge counts by its name, default 1. */
  readonly weights?: Readonly<Record<string, number>> | undefined;
  /** Prompts the pictures must not fit better: a judge's value is then its margin over the best of them. */
  readonly nearMisses?: readonly string[] | undefined;
  /** Off by default. */
  readonly earlyRejection?: EarlyRejection | undefined;
}

/** A candidate in the report: enough to draw it again. */
export interface ReportedCandidate {
  /** From 1, the best; those given up early come last. */
  readonly rank: number;
  readonly isKept: boolean;
  readonly seed: number | bigint;
  readonly variationSeed: number | bigint | undefined;
  /** The step after which it was given up; undefined when it was drawn to the end. */
  readonly rejectedAfter: number | undefined;
  /** Mean z-score, of its preview when it was given up. */
  readonly combined: number;
  readonly scores: Readonly<Record<string, JudgedValue>>;
}

export interface BestOfReport {
  readonly prompt: string;
  readonly nearMisses: readonly string[];
  readonly judges: readonly Omit<PanelScores, 'values'>[];
  /** Best first. */
  readonly candidates: readonly ReportedCandidate[];
}

/** `ranking` comes last; `finished` pictures are best first, the kept ones before the others. */
export type BestOfEvent =
  | GenerationEvent
  | { readonly kind: 'rejected'; readonly image: number; readonly step: number }
  | {
      readonly kind: 'ranking';
      readonly report: BestOfReport;
      readonly kept: readonly GeneratedImage[];
      readonly finished: readonly GeneratedImage[];
    };

type StepOf = Extract<GenerationEvent, { kind: 'step' }>;

/** A candidate on its way. */
interface Candidate {
  readonly image: number;
  readonly seed: number | bigint;
  readonly variationSeed: number | bigint | undefined;
  readonly events: AsyncGenerator<GenerationEvent, void, undefined>;
  picture?: GeneratedImage;
}

interface Rejected {
  readonly candidate: Candidate;
  readonly step: number;
  readonly ranked: RankedCandidate;
}

/**
 * Draws `n` candidates and keeps the best by the mean of the judges' z-scores. Events of candidates
 * are those of `TextToImage.stream`. Throws USAGE for options that do not fit, what `stream`
 * throws, and what the judges throw.
 */
export async function* bestOf(
  pipe: TextToImage,
  prompt: string,
  options: BestOfOptions,
): AsyncGenerator<BestOfEvent, void, undefined> {
  const { n, keep, panel, weights, nearMisses, earlyRejection, ...asked } = checked(options);
  const judging = { panel, prompts: [prompt, ...nearMisses], weights, signal: asked.signal };
  const { warnings, pictures } = await pipe.candidates(prompt, { ...asked, num: n });
  const candidates: Candidate[] = pictures.map((picture, image) => ({ image, ...picture }));
  const rejected: Rejected[] = [];
  try {
    for (const message of warnings) yield { kind: 'warning', message };
    if (earlyRejection) {
      rejected.push(...(yield* rejectWeak(candidates, judging, { keep, ...earlyRejection })));
    }
    const gone = new Set(rejected.map(({ candidate }) => candidate));
    const finalists = candidates.filter((candidate) => !gone.has(candidate));
    for (const candidate of finalists) yield* toEnd(candidate);
    const drawn = finalists.map(({ picture }) => picture!);
    const judgement = await judge(drawn, judging);
    for (const message of judgement.warnings) yield { kind: 'warning', message };
    const { ranked } = judgement;
    const report = reportOf({ judging, judgement, finalists, rejected, keep });
    const finished = ranked.map(({ index }) => drawn[index]!);
    yield { kind: 'ranking', report, kept: finished.slice(0, keep), finished };
  } finally {
    for (const { events } of candidates) await events.return();
  }
}

/** Runs a candidate to its end, or through the step `until` says. */
async function* toEnd(
  candidate: Candidate,
  until?: (event: StepOf) => boolean,
): AsyncGenerator<BestOfEvent, StepOf | undefined, undefined> {
  const { events } = candidate;
  for (;;) {
    const { value: event, done } = await events.next();
    if (done) return undefined;
    if (event.kind === 'image') candidate.picture = event.picture;
    yield event;
    if (event.kind === 'step' && until?.(event)) return event;
  }
}

/** Draws every candidate part of the way, judges the previews and gives up the weakest. */
async function* rejectWeak(
  candidates: readonly Candidate[],
  judging: Judging,
  { keep, after = 0.5, survivors = 0.5 }: EarlyRejection & { readonly keep: number },
): AsyncGenerator<BestOfEvent, Rejected[], undefined> {
  const previews: Pixels[] = [];
  let reached = 0;
  for (const candidate of candidates) {
    // At the last step nothing is saved by giving up.
    const isThere = ({ step, steps }: StepOf): boolean =>
      step < steps && step >= Math.ceil(after * steps);
    const event = yield* toEnd(candidate, isThere);
    if (!event) return [];
    previews.push(await event.preview());
    reached = event.step;
  }
  const { ranked } = await judge(previews, judging);
  const going = Math.max(keep, Math.ceil(survivors * candidates.length));
  const rejected: Rejected[] = [];
  for (const place of ranked.slice(going)) {
    const candidate = candidates[place.index]!;
    await candidate.events.return();
    rejected.push({ candidate, step: reached, ranked: place });
    yield { kind: 'rejected', image: candidate.image, step: reached };
  }
  return rejected;
}

interface Outcome {
  readonly judging: Judging;
  readonly judgement: Judgement;
  readonly finalists: readonly Candidate[];
  readonly rejected: readonly Rejected[];
  readonly keep: number;
}

function reportOf({ judging, judgement, finalists, rejected, keep }: Outcome): BestOfReport {
  const [prompt, ...nearMisses] = judging.prompts as [string, ...string[]];
  const drawn = judgement.ranked.map(({ index, rank, combined, scores }): ReportedCandidate => {
    const { seed, variationSeed } = finalists[index]!;
    const isKept = rank <= keep;
    return { rank, isKept, seed, variationSeed, rejectedAfter: undefined, combined, scores };
  });
  const givenUp = rejected.map(({ candidate, step, ranked: place }, at): ReportedCandidate => {
    const { seed, variationSeed } = candidate;
    const { combined, scores } = place;
    const rank = drawn.length + at + 1;
    return { rank, isKept: false, seed, variationSeed, rejectedAfter: step, combined, scores };
  });
  return {
    prompt,
    nearMisses,
    judges: judgement.judges,
    candidates: [...drawn, ...givenUp],
  };
}

interface Checked extends BestOfOptions {
  readonly keep: number;
  readonly weights: Readonly<Record<string, number>>;
  readonly nearMisses: readonly string[];
}

function checked(options: BestOfOptions): Checked {
  const { n, keep = 1, weights = {}, nearMisses = [], earlyRejection } = options;
  if (!(Number.isInteger(n) && n >= 1 && n <= 1000)) {
    throw misuse('n', 'a whole number from 1 to 1000', n);
  }
  if (!(Number.isInteger(keep) && keep >= 1 && keep <= n)) {
    throw misuse('keep', `a whole number from 1 to ${n}`, keep);
  }
  const { after = 0.5, survivors = 0.5 } = earlyRejection ?? {};
  if (!(after > 0 && after < 1))
    throw misuse('earlyRejection.after', 'a number between 0 and 1', after);
  if (!(survivors > 0 && survivors <= 1)) {
    throw misuse('earlyRejection.survivors', 'a number above 0, up to 1', survivors);
  }
  return { ...options, keep, weights, nearMisses };
}

function misuse(where: string, expected: string, got: unknown): MaliangError {
  const next = 'Leave it out to use the default.';
  return complain('USAGE', { where: `best of: ${where}`, expected, got: `${got}`, next });
}
