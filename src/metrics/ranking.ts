/** @file Places of candidates by several judges, whose values have units of their own: mean of z-scores within the set. */
import { complain } from '../core/errors.js';

/**
 * Values of one judge: for each candidate that for its prompt, then those for near misses of it.
 * More is better.
 */
export type JudgeRows = readonly (readonly number[])[];

/** What one judge said of one candidate. */
export interface JudgedValue {
  readonly value: number;
  /** How far it is above the best near miss, where there are any; it then ranks instead of the value. */
  readonly margin?: number;
  /** Standard deviations above the mean of the set; 0 when all are alike. */
  readonly z: number;
}

export interface RankedCandidate<K extends string = string> {
  /** Its place in what was given. */
  readonly index: number;
  /** From 1, the best. Candidates alike keep the order they came in. */
  readonly rank: number;
  /** Mean of the z-scores, weighted; 0 is the middle of the set. */
  readonly combined: number;
  readonly scores: Readonly<Record<K, JudgedValue>>;
}

/**
 * Ranks candidates of **one** prompt, best first: values of different prompts do not compare.
 * `weights` says how much a judge counts, default 1. Throws USAGE when judges disagree on how many
 * candidates there are, for a weight of no judge or below 0; DATA for a value that is no number.
 */
export function rankCandidates<K extends string>(
  values: ReadonlyMap<K, JudgeRows>,
  weights: ReadonlyMap<K, number> = new Map(),
): RankedCandidate<K>[] {
  requireKnown([...weights.keys()], [...values.keys()]);
  const count = [...values.values()][0]?.length ?? 0;
  const columns = [...values].map(([judge, rows]) => {
    requireRows(judge, rows, count);
    return { judge, rows, z: zScores(rows.map(rankedValue)), weight: weightOf(judge, weights) };
  });
  const total = columns.reduce((sum, { weight }) => sum + weight, 0);
  const candidates = Array.from({ length: count }, (_, index) => ({
    index,
    combined: columns.reduce((sum, { z, weight }) => sum + z[index]! * weight, 0) / (total || 1),
    scores: Object.fromEntries(
      columns.map(({ judge, rows, z }) => [judge, judged(rows[index]!, z[index]!)]),
    ) as Record<K, JudgedValue>,
  }));
  candidates.sort((a, b) => b.combined - a.combined || a.index - b.index);
  return candidates.map((candidate, at) => ({ ...candidate, rank: at + 1 }));
}

/** The value, or its margin over the best near miss. */
function rankedValue([own, ...nearMisses]: readonly number[]): number {
  return nearMisses.length === 0 ? own! : own! - Math.max(...nearMisses);
}

function judged(row: readonly number[], z: number): JudgedValue {
  return row.length > 1 ? { value: row[0]!, margin: rankedValue(row), z } : { value: row[0]!, z };
}

/** (x − mean) / population standard deviation. */
export function zScores(values: readonly number[]): number[] {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  const deviation = Math.sqrt(variance);
  // Below the rounding of the values themselves there is no difference to scale up.
  const isFlat = deviation <= 1e-12 * Math.max(1e-30, Math.abs(mean));
  return values.map((value) => (isFlat ? 0 : (value - mean) / deviation));
}

function requireKnown(weighted: readonly string[], judges: readonly string[]): void {
  const stranger = weighted.find((judge) => !judges.includes(judge));
  if (stranger === undefined) return;
  const [expected, got] = [`weights of ${judges.join(', ')}`, `one of ${stranger}`];
  throw complain('USAGE', { where: 'ranking', expected, got, next: 'Check the spelling.' });
}

function requireRows(judge: string, rows: JudgeRows, count: number): void {
  if (rows.length !== count) {
    const [expected, got] = [`${count} values of each judge`, `${rows.length} of ${judge}`];
    throw complain('USAGE', { where: 'ranking', expected, got, next: 'Judge every candidate.' });
  }
  const at = rows.findIndex((row) => row.length === 0 || !row.every(Number.isFinite));
  if (at < 0) return;
  throw complain('DATA', {
    where: `ranking: ${judge}`,
    expected: 'a number for every candidate',
    got: `${rows[at]!.join(', ') || 'none'} for candidate ${at + 1}`,
    next: 'Leave the candidate or the judge out.',
  });
}

function weightOf<K extends string>(judge: K, weights: ReadonlyMap<K, number>): number {
  const weight = weights.get(judge) ?? 1;
  if (Number.isFinite(weight) && weight >= 0) return weight;
  const [expected, got] = ['a weight of 0 or more', `${weight}`];
  throw complain('USAGE', {
    where: `ranking: ${judge}`,
    expected,
    got,
    next: 'Leave it out for 1.',
  });
}
