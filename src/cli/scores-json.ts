/** @file What judges said of a picture, as `--json` has it. */
import { type JudgeName, judgeTable } from '../metrics/judge-table.js';
import type { RankedFile } from '../metrics/rank-files.js';

/** Where a judge's value stands in `scores` of `--json`. */
function placeOf(judge: JudgeName): readonly [model: string, value: string] {
  if (judge === 'blip-itc') return ['blip', 'itc'];
  if (judge === 'blip-itm') return ['blip', 'itm'];
  return [judge, judgeTable[judge].unit];
}

/** `{"clip":{"cosine"},"blip":{"itc","itm"}}`. */
export function scoresJson(
  scores: RankedFile['scores'],
): Record<string, Readonly<Record<string, number>>> {
  const record: Record<string, Record<string, number>> = {};
  for (const [judge, { value, margin }] of Object.entries(scores)) {
    const [model, unit] = placeOf(judge as JudgeName);
    record[model] = { ...record[model], [unit]: value };
    if (margin !== undefined) record[model][`${unit}Margin`] = margin;
  }
  return record;
}
