/** @file Places of candidates by several judges, whose values have units of their own: mean of z-scores within the set. */
import { complain } from '../core/errors.js';

/** Values of one judge, one for each candidate; more is better. */
export type JudgeValues = readonly number[];

/** What one judge said of one candidate. */
export interface JudgedValue {
  readonly value: number;
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
  values: ReadonlyMap<K, JudgeValues>,
  weights: ReadonlyMap<K, number> = new Map(),
): RankedCandidate<K>[] {
  requireKnown([...weights.keys()], [...values.keys()]);
  const count = [...values.values()][0]?.length ?? 0;
  const columns = [...values].map(([judge, column]) => {
    requireColumn(judge, column, count);
    return { judge, column, z: zScores(column), weight: weightOf(judge, weights) };
  });
  const total = columns.reduce((sum, { weight }) => sum + weight, 0);
  const candidates = Array.from({ length: count }, (_, index) => ({
    index,
    combined: columns.reduce((sum, { z, weight }) => sum + z[index]! * weight, 0) / (total || 1),
    scores: Object.fromEntries(
      columns.map(({ judge, column, z }) => [judge, { value: column[index]!, z: z[index]! }]),
    ) as Record<K, JudgedValue>,
  }));
  candidates.sort((a, b) => b.combined - a.combined || a.index - b.index);
  return candidates.map((candidate, at) => ({ ...candidate, rank: at + 1 }));
}

/** (x − mean) / population standard deviation. */
export function zScores(values: JudgeValues): number[] {
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

function requireColumn(judge: string, column: JudgeValues, count: number): void {
  if (column.length !== count) {
    const [expected, got] = [`${count} values of each judge`, `${column.length} of ${judge}`];
    throw complain('USAGE', { where: 'ranking', expected, got, next: 'Judge every candidate.' });
  }
  const at = column.findIndex((value) => !Number.isFinite(value));
  if (at < 0) return;
  throw complain('DATA', {
    where: `ranking: ${judge}`,
    expected: 'a number for every candidate',
    got: `${column[at]} for candidate ${at + 1}`,
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
