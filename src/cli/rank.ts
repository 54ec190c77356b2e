/** @file `maliang rank "prompt" FILES`: which picture fits the words best. */

import type { JudgeName } from '../metrics/judge-table.js';
import { type RankedFile, rankFiles } from '../metrics/rank-files.js';
import { isBlank, spelledOut } from './blank-text.js';
import { printTable } from './columns.js';
import type { Command } from './main.js';
import type { Say } from './messages.js';
import { noteWarning } from './note-warning.js';
import { openJudges } from './open-judges.js';
import { shortPath } from './picture-file.js';
import { picturePaths } from './picture-paths.js';
import { printableJson } from './printable.js';
import { Progress } from './progress.js';
import { scoresJson } from './scores-json.js';
import type { Terminal } from './terminal.js';
import { usageError } from './usage.js';

/** From here on a second lane is worth loading the model twice. */
const manyFiles = 48;

export const rank: Command = async ({ words, values }, terminal, { signal }) => {
  const { say, folder } = terminal;
  const [prompt, files] = promptAndFiles(words, say);
  const paths = await picturePaths(files, folder);
  const progress = new Progress(terminal);
  const onPictures = (done: number): void => {
    if (!values.quiet) progress.report({ label: say('rank.judging'), done, total: paths.length });
  };
  const { threads, device = 'cpu' } = values;
  const lanes = paths.length < manyFiles || threads === 1 || device !== 'cpu' ? 1 : 2;
  await using judges = await openJudges(values, terminal, signal, lanes);
  try {
    const nearMisses = values['near-miss'];
    const found = await rankFiles(judges, prompt, paths, { nearMisses, signal, onPictures });
    progress.clear();
    for (const warning of found.warnings) noteWarning(warning, terminal);
    if (values.json) terminal.print(printableJson(recordOf(found.ranking, found.warnings)));
    else printRanking(found.ranking, judges.names, terminal);
  } finally {
    progress.clear();
  }
  return 0;
};

function promptAndFiles(words: readonly string[], say: Say): [string, readonly string[]] {
  const [prompt = '', ...files] = words;
  if (!isBlank(prompt) && files.length > 0) return [prompt, files];
  const where = `${say('program')} rank`;
  const next = say('usage.promptNext', { example: `${where} "a red apple" a.png b.png` });
  const got = words.length === 0 ? {} : { got: spelledOut(words.join(' ')) };
  throw usageError(say, { where, expected: say('usage.promptAndFiles'), ...got, next });
}

/** What `--json` prints; fields may be added, never renamed. */
function recordOf(ranking: readonly RankedFile[], warnings: readonly string[]) {
  const entries = ranking.map(({ path, rank: place, scores, combined }) => {
    return { path, rank: place, scores: scoresJson(scores), combined };
  });
  return { ranking: entries, warnings };
}

function printRanking(
  ranking: readonly RankedFile[],
  names: readonly JudgeName[],
  terminal: Terminal,
): void {
  const { say, folder } = terminal;
  const head = [say('rank.rank'), ...names, say('rank.combined'), say('rank.file')];
  const rows = ranking.map(({ rank: place, scores, combined, path }) => [
    `${place}`,
    ...names.map((name) => scores[name].value.toFixed(4)),
    combined.toFixed(2),
    shortPath(path, folder),
  ]);
  printTable([head, ...rows], terminal);
}
