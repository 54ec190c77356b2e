import { expect, it } from 'vitest';
import { evaluationPrompts } from '../data/evaluation-prompts.js';
import { evaluationReport, reportTable } from './evaluation-report.js';

/** Every fourth prompt, so one style, with the ranks given in turn. */
const ranks = [1, 9, 4, 1, 700];
const placings = evaluationPrompts
  .filter((_, at) => at % 4 === 0)
  .map((prompt, at) => ({
    prompt,
    seed: at,
    rank: ranks[at % ranks.length]!,
    candidates: 1493,
    nearest: [],
  }));

it('reports in all, by language, by the styles that occur, and the misses from the worst', () => {
  const { overall, parts, misses } = evaluationReport(placings);
  expect(overall.top5.successes).toBe(15);
  expect(parts.map(({ name, top5 }) => `${name} ${top5.successes}/${top5.trials}`)).toEqual([
    'en 12/19',
    'zh 3/6',
    'glossy 3D 15/25',
  ]);
  expect(misses).toHaveLength(10);
  expect(misses[0]!.rank).toBe(700);
  expect(misses.at(-1)!.rank).toBe(9);
});

it('prints a table', () => {
  expect(reportTable(evaluationReport(placings))).toMatchInlineSnapshot(`
    "| pictures | n | first | in the first five | 95 % interval of that | mean rank | median |
    |---|---|---|---|---|---|---|
    | all | 25 | 10 | 15 | 41–77 % | 143.0 | 4 |
    | en | 19 | 8 | 12 | 41–81 % | 113.7 | 4 |
    | zh | 6 | 2 | 3 | 19–81 % | 235.8 | 6.5 |
    | glossy 3D | 25 | 10 | 15 | 41–77 % | 143.0 | 4 |"
  `);
});

it('refuses to report nothing', () => {
  expect(() => evaluationReport([])).toThrow(/trials at least 1/);
});
