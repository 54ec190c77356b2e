/** @file `--best-of`: candidates drawn, judged and reported; the best go on as pictures of `generate`. */
import { resolve } from 'node:path';
import { writeFileAtomically } from '../hub/atomic-file.js';
import type { JudgeName } from '../metrics/judge-table.js';
import { type BestOfEvent, type BestOfReport, bestOf } from '../pipelines/best-of.js';
import { candidateSheet } from '../pipelines/candidate-sheet.js';
import type { GenerateOptions } from '../pipelines/generation-request.js';
import type { GeneratedImage, TextToImage } from '../pipelines/text-to-image.js';
import { printTable } from './columns.js';
import { jsonSeed } from './json-seed.js';
import type { Say } from './messages.js';
import { openJudges } from './open-judges.js';
import type { OptionValues } from './option-table.js';
import { scoresJson } from './scores-json.js';
import type { Terminal } from './terminal.js';
import { usageError } from './usage.js';

/** Options that mean something with --best-of only. */
const parts = ['keep', 'judge', 'near-miss', 'early', 'sheet'] as const;

/** Throws USAGE for options that do not go together. */
export function checkBestOf(values: OptionValues, say: Say): void {
  const n = values['best-of'];
  const part = parts.find((name) => values[name] !== undefined);
  if (n === undefined) {
    if (part === undefined) return;
    throw usageError(say, { where: `--${part}`, expected: say('usage.bestOf') });
  }
  if (values.num !== undefined) {
    throw usageError(say, { where: '--num', expected: say('usage.noNum'), got: `${values.num}` });
  }
  const { keep = 1 } = values;
  if (keep <= n) return;
  throw usageError(say, {
    where: '--keep',
    expected: say('usage.keep', { most: n }),
    got: `${keep}`,
  });
}

/** Draws the candidates of a request. Throws what `bestOf` and `openJudges` throw. */
export async function* drawBest(
  pipeline: TextToImage,
  prompt: string,
  { num: _, ...options }: GenerateOptions,
  { values, terminal, signal }: BestOfContext,
): AsyncGenerator<BestOfEvent, void, undefined> {
  await using panel = await openJudges(values, terminal, signal);
  const nearMisses = values['near-miss'];
  const earlyRejection = values.early ? {} : undefined;
  const { 'best-of': n = 1, keep } = values;
  yield* bestOf(pipeline, prompt, { ...options, n, keep, panel, nearMisses, earlyRejection });
}

export interface BestOfContext {
  readonly values: OptionValues;
  readonly terminal: Terminal;
  readonly signal: AbortSignal;
}

/** All candidates drawn to the end in one picture, where --sheet asks for it. */
export async function writeSheet(
  finished: readonly GeneratedImage[],
  { sheet, keep = 1 }: OptionValues,
  folder: string,
): Promise<void> {
  if (sheet === undefined) return;
  const entries = finished.map((picture, at) => ({ picture, rank: at + 1, isKept: at < keep }));
  await writeFileAtomically(resolve(folder, sheet), candidateSheet(entries));
}

/** The `ranking` of --json; fields may be added, never renamed. */
export function rankingJson({ judges, nearMisses, candidates }: BestOfReport) {
  return {
    judges,
    nearMisses,
    candidates: candidates.map(({ seed, variationSeed, scores, isKept, ...rest }) => ({
      ...rest,
      kept: isKept,
      seed: jsonSeed(seed),
      ...(variationSeed !== undefined && { variationSeed: jsonSeed(variationSeed) }),
      scores: scoresJson(scores as Parameters<typeof scoresJson>[0]),
      z: Object.fromEntries(Object.entries(scores).map(([name, { z }]) => [name, z])),
    })),
  };
}

export function printRanking({ judges, candidates }: BestOfReport, terminal: Terminal): void {
  const { say } = terminal;
  const names = judges.map(({ judge }) => judge as JudgeName);
  const head = [say('rank.rank'), say('rank.seed'), ...names, say('rank.combined'), ''];
  const rows = candidates.map(({ rank, seed, scores, combined, isKept, rejectedAfter }) => [
    `${rank}`,
    `${seed}`,
    ...names.map((name) => scores[name]!.value.toFixed(4)),
    combined.toFixed(2),
    remark(isKept, rejectedAfter, say),
  ]);
  printTable([head, ...rows], terminal);
}

function remark(isKept: boolean, rejectedAfter: number | undefined, say: Say): string {
  if (rejectedAfter !== undefined) return say('rank.early', { step: rejectedAfter });
  return isKept ? say('rank.kept') : '';
}
