/** @file The result of evaluating a model on fixed prompts: in all, per language, per style, misses. */
import type { EvaluationPrompt } from '../data/evaluation-prompts.js';
import { captionLanguages, pictogramStyles } from '../data/styles.js';
import { type Placing, type RetrievalSummary, summarise } from './pictogram-retrieval.js';

/** A picture drawn for a prompt, and where the right concept stood. */
export interface PromptPlacing extends Placing {
  readonly prompt: EvaluationPrompt;
  readonly seed: number;
}

export interface EvaluationReport {
  readonly overall: RetrievalSummary;
  /** By language and by style, in their order; only those that occur. */
  readonly parts: readonly (RetrievalSummary & { readonly name: string })[];
  /** Pictures whose concept is not among the first five, worst first. */
  readonly misses: readonly PromptPlacing[];
}

/** Throws USAGE when there is nothing to report. */
export function evaluationReport(placings: readonly PromptPlacing[]): EvaluationReport {
  const part = (name: string, isIn: (prompt: EvaluationPrompt) => boolean) => {
    const inside = placings.filter(({ prompt }) => isIn(prompt));
    return inside.length === 0 ? [] : [{ name, ...summarise(inside) }];
  };
  return {
    overall: summarise(placings),
    parts: [
      ...captionLanguages.flatMap((name) => part(name, ({ language }) => language === name)),
      ...pictogramStyles.flatMap((name) => part(name, ({ style }) => style === name)),
    ],
    misses: placings.filter(({ rank }) => rank > 5).sort((a, b) => b.rank - a.rank),
  };
}

/** The report as a Markdown table with one row in all and one per part. */
export function reportTable({ overall, parts }: EvaluationReport): string {
  const lines = [{ name: 'all', ...overall }, ...parts].map(
    ({ name, top1, top5, meanRank, medianRank }) => {
      const percent = (share: number): string => (100 * share).toFixed(0);
      const interval = `${percent(top5.low)}–${percent(top5.high)} %`;
      const cells = [name, top5.trials, top1.successes, top5.successes, interval];
      return `| ${[...cells, meanRank.toFixed(1), medianRank].join(' | ')} |`;
    },
  );
  const head = ['pictures', 'n', 'first', 'in the first five', '95 % interval of that'];
  return [
    `| ${[...head, 'mean rank', 'median'].join(' | ')} |`,
    '|---|---|---|---|---|---|---|',
    ...lines,
  ].join('\n');
}
