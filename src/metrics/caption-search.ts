/** @file Greedy and beam search over the next token's scores, token for token as transformers 5 `generate` (`_sample`, `_beam_search`). */

export interface SearchOptions {
  /** Tokens a caption begins with, the first one included. */
  readonly start: readonly number[];
  /** Ends a caption. */
  readonly eosId: number;
  /** Captions followed at a time; 1 is greedy. */
  readonly beams: number;
  /** Exponent of the length a summed log-probability is divided by; above 0 favours long captions. */
  readonly lengthPenalty: number;
  /** Ends as soon as there are enough captions; `never` only when no better one can follow. */
  readonly earlyStopping: boolean | 'never';
  /** Tokens before a caption may end, `start` included. */
  readonly minLength: number;
  /** Most tokens, `start` included. */
  readonly maxLength: number;
}

/**
 * Scores of the token after each of the captions, one row of the vocabulary's size each. Caption i
 * continues caption `origins[i]` of the call before.
 */
export type NextScores = (
  captions: readonly (readonly number[])[],
  origins: readonly number[],
) => Promise<readonly Float32Array[]>;

/** The best caption's tokens, `start` and the end token included. */
export function searchCaption(next: NextScores, options: SearchOptions): Promise<number[]> {
  return options.beams === 1 ? greedy(next, options) : beamSearch(next, options);
}

async function greedy(
  next: NextScores,
  { start, eosId, minLength, maxLength }: SearchOptions,
): Promise<number[]> {
  const tokens = [...start];
  while (tokens.length < maxLength) {
    const [scores] = (await next([tokens], [0])) as [Float32Array];
    const isTooShort = tokens.length < minLength;
    let best = -1;
    for (let id = 0; id < scores.length; id++) {
      if (isTooShort && id === eosId) continue;
      if (best === -1 || scores[id]! > scores[best]!) best = id;
    }
    tokens.push(best);
    if (best === eosId) break;
  }
  return tokens;
}

/** A caption under way or done; `score` sums log-probabilities in f32. */
interface Beam {
  readonly tokens: readonly number[];
  readonly score: number;
}
interface Candidate extends Beam {
  /** The running caption it continues. */
  readonly origin: number;
  readonly isEnded: boolean;
}
interface Finished extends Beam {
  readonly isFinished: boolean;
}

/** Far below every sum of log-probabilities. */
const out = -1e9;
const f = Math.fround;

async function beamSearch(next: NextScores, options: SearchOptions): Promise<number[]> {
  const { start, beams, earlyStopping } = options;
  // Only the first counts at the start: all are alike.
  let running: Beam[] = Array.from({ length: beams }, (_, i) => ({
    tokens: start,
    score: i === 0 ? 0 : out,
  }));
  let origins = running.map((_, i) => i);
  let finished: Finished[] = running.map(({ tokens }) => ({
    tokens,
    score: out,
    isFinished: false,
  }));
  for (;;) {
    const scores = await next(
      running.map(({ tokens }) => tokens),
      origins,
    );
    const candidates = bestCandidates(running, scores, options);
    const open = top(candidates.map(withoutEnded), beams);
    running = open;
    origins = open.map(({ origin }) => origin);
    finished = bestFinished(finished, candidates, options);
    const isFull = finished.every(({ isFinished }) => isFinished);
    if (isFull && earlyStopping === true) break;
    if (candidates.every(({ isEnded }) => isEnded)) break;
    if (!canImprove(running[0]!, finished, options)) break;
  }
  return [...finished[0]!.tokens];
}

/** Twice as many as there are beams, so that enough go on when some end. */
function bestCandidates(
  running: readonly Beam[],
  scores: readonly Float32Array[],
  { beams, eosId, minLength, maxLength }: SearchOptions,
): Candidate[] {
  const found: { origin: number; id: number; score: number }[] = [];
  const most = 2 * beams;
  running.forEach(({ tokens, score }, origin) => {
    const logs = logProbabilities(scores[origin]!);
    const isTooShort = tokens.length < minLength;
    for (let id = 0; id < logs.length; id++) {
      const total = isTooShort && id === eosId ? -Infinity : f(logs[id]! + score);
      if (found.length === most && total <= found[most - 1]!.score) continue;
      if (found.length === most) found.pop();
      let at = found.length;
      while (at > 0 && found[at - 1]!.score < total) at--;
      found.splice(at, 0, { origin, id, score: total });
    }
  });
  return found.map(({ origin, id, score }) => {
    const tokens = [...running[origin]!.tokens, id];
    return { origin, tokens, score, isEnded: id === eosId || tokens.length >= maxLength };
  });
}

function withoutEnded(candidate: Candidate): Candidate {
  return { ...candidate, score: f(candidate.score + (candidate.isEnded ? out : 0)) };
}

/** Captions that have just ended among the first `beams` candidates join those that had. */
function bestFinished(
  finished: readonly Finished[],
  candidates: readonly Candidate[],
  { start, beams, lengthPenalty, earlyStopping }: SearchOptions,
): Finished[] {
  const isClosed = earlyStopping === true && finished.every(({ isFinished }) => isFinished);
  const fresh = candidates.map(({ tokens, score, isEnded }, i): Finished => {
    const isFinished = isEnded && i < beams;
    const length = tokens.length - start.length;
    const own = f(score / length ** lengthPenalty);
    const kept = isClosed ? f(own + out) : own;
    return { tokens, score: isFinished ? kept : f(kept + out), isFinished };
  });
  return top([...finished, ...fresh], beams);
}

/** Whether the best running caption could still be worth more than the worst finished one. */
function canImprove(
  best: Beam,
  finished: readonly Finished[],
  { start, maxLength, lengthPenalty, earlyStopping }: SearchOptions,
): boolean {
  const isHopeful = earlyStopping === 'never' && lengthPenalty > 0;
  const length = (isHopeful ? maxLength : best.tokens.length) - start.length;
  const possible = f(best.score / length ** lengthPenalty);
  const worst = Math.min(...finished.map(({ score }) => score));
  return finished.some(({ isFinished }) => possible > (isFinished ? worst : out));
}

/** The highest scores first; of equal ones the earlier. */
function top<T extends Beam>(items: readonly T[], count: number): T[] {
  return [...items].sort((a, b) => b.score - a.score).slice(0, count);
}

function logProbabilities(scores: Float32Array): Float32Array {
  const most = scores.reduce((best, score) => Math.max(best, score), -Infinity);
  let total = 0;
  for (const score of scores) total += Math.exp(score - most);
  const shift = most + Math.log(total);
  return scores.map((score) => score - shift);
}
