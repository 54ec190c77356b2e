/** @file `maliang evaluate`: figures of two folders of pictures. */
import { resolve } from 'node:path';
import { type Evaluation, evaluateFolders, type Figure } from '../metrics/evaluate-folders.js';
import type { EvaluateOptions, EvaluationProgress } from '../metrics/evaluation-request.js';
import { printTable } from './columns.js';
import type { Command } from './main.js';
import type { Say } from './messages.js';
import type { OptionValues } from './option-table.js';
import { printable } from './printable.js';
import { Progress } from './progress.js';
import { readPromptFile } from './prompt-file.js';
import { absoluteSeed } from './seed-option.js';
import type { Terminal } from './terminal.js';
import { usageError } from './usage.js';

export const evaluate: Command = async ({ words, values }, terminal, { signal }) => {
  const watcher = new StageWatcher(terminal, values.quiet === true);
  const request = await readRequest(words, values, terminal);
  let evaluation: Evaluation;
  try {
    const onProgress = (progress: EvaluationProgress): void => watcher.report(progress);
    evaluation = await evaluateFolders({ ...request, signal, onProgress });
  } finally {
    watcher.end();
  }
  for (const warning of evaluation.warnings) noteWarning(warning, terminal);
  if (values.json) terminal.print(JSON.stringify(recordOf(evaluation)));
  else printEvaluation(evaluation, terminal);
  return 0;
};

async function readRequest(
  words: readonly string[],
  values: OptionValues,
  { say, folder }: Terminal,
): Promise<EvaluateOptions> {
  const where = `${say('program')} evaluate`;
  if (words.length > 0) {
    throw usageError(say, { where, expected: say('usage.noWords'), got: words[0]! });
  }
  const { real, fake, prompts, features, metrics, resize, bootstrap, batch, threads } = values;
  const seed = absoluteSeed(values, say);
  if (real === undefined || fake === undefined) {
    const given = real === undefined ? fake : real;
    const got = given === undefined ? {} : { got: real === undefined ? '--fake' : '--real' };
    throw usageError(say, { where, expected: say('usage.folders'), ...got });
  }
  return {
    real: resolve(folder, real),
    fake: resolve(folder, fake),
    features: features === undefined ? undefined : resolve(folder, features),
    prompts: prompts === undefined ? undefined : await readPromptFile(resolve(folder, prompts)),
    ...{ metrics, resize, seed, bootstrap, batch, threads },
  };
}

/** What `--json` prints; fields may be added, never renamed. */
function recordOf({ figures, ...rest }: Evaluation) {
  return { figures: figures.map(figureRecord), ...rest };
}

/** JSON leaves out what is undefined, so a missing interval says so itself. */
function figureRecord({ interval, ...figure }: Figure) {
  return { ...figure, interval: interval ?? null };
}

function printEvaluation(evaluation: Evaluation, terminal: Terminal): void {
  const { say } = terminal;
  const { figures, features, resize } = evaluation;
  const head = [
    say('evaluate.figure'),
    say('evaluate.value'),
    say('evaluate.interval'),
    say('evaluate.samples'),
  ];
  printTable([head, ...figures.map((figure) => cellsOf(figure, say))], terminal);
  const { kind, source, size, sha256, pictureSize: side } = features;
  terminal.print();
  const hash = sha256.slice(0, 12);
  terminal.print(say('evaluate.network', { kind, source: printable(source), size, hash }));
  terminal.print(say('evaluate.resized', { side, rule: resize }));
}

function cellsOf({ name, value, interval, samples }: Figure, say: Say): string[] {
  const range = interval
    ? say('evaluate.range', { low: digits(interval.low), high: digits(interval.high) })
    : '–';
  const { real, fake } = samples;
  return [name, digits(value), range, real === undefined ? `${fake}` : `${real} / ${fake}`];
}

/** Five digits, small numbers without an exponent. */
function digits(value: number): string {
  if (value === 0) return '0';
  return Math.abs(value) < 1e-3 ? value.toFixed(7) : `${Number(value.toPrecision(5))}`;
}

function noteWarning(warning: string, terminal: Terminal): void {
  const label = terminal.style('stderr', 'yellow', `${terminal.say('warning.label')}:`);
  terminal.note(`${label} ${printable(warning)}`);
}

/** Turns reports into progress; each stage has a pace of its own. */
class StageWatcher {
  readonly #terminal: Terminal;
  readonly #isQuiet: boolean;
  #progress: Progress;
  #stage: EvaluationProgress['stage'] | undefined;

  constructor(terminal: Terminal, isQuiet: boolean) {
    this.#terminal = terminal;
    this.#isQuiet = isQuiet;
    this.#progress = new Progress(terminal);
  }

  report({ stage, done, total }: EvaluationProgress): void {
    if (this.#isQuiet) return;
    if (stage !== this.#stage) {
      this.#progress.clear();
      this.#progress = new Progress(this.#terminal);
      this.#stage = stage;
    }
    this.#progress.report({ label: this.#labelOf(stage), done, total });
  }

  end(): void {
    this.#progress.clear();
  }

  #labelOf(stage: EvaluationProgress['stage']): string {
    const { say } = this.#terminal;
    if (stage === 'real' || stage === 'fake') return say(`evaluate.${stage}`);
    return say('evaluate.metric', { metric: stage });
  }
}
