/** @file `maliang train`: one training run from a configuration file, stopped and resumed at will. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { readJson } from '../hub/local-folder.js';
import { checkpointFile } from '../train/checkpoint.js';
import type { ObjectiveName } from '../train/objectives.js';
import type { StepReport } from '../train/training-run.js';
import type { Interruption } from './interruption.js';
import { nearest } from './nearest.js';
import type { Invocation } from './parse.js';
import { shortPath } from './picture-file.js';
import { quoteForShell } from './printable.js';
import { Progress } from './progress.js';
import type { Terminal } from './terminal.js';
import { helpOrDraw, usageError } from './usage.js';

const objectiveNames = [
  'autoencoder',
  'clip',
  'draft',
  'diffusion',
] as const satisfies ObjectiveName[];
const lineEveryMs = 30_000;

/** Where a run lies and how to call it again. */
interface RunPlace {
  readonly threads: number | undefined;
  readonly objective: ObjectiveName;
  readonly config: string;
  readonly folder: string;
}

export async function train(
  invocation: Invocation,
  terminal: Terminal,
  { signal }: Interruption,
): Promise<number> {
  const { values } = invocation;
  const place = readPlace(invocation, terminal);
  const json = await readJson(resolve(terminal.folder, place.config));
  const shown = shortPath(resolve(terminal.folder, place.folder), terminal.folder);
  const { objective } = place;
  if (!values.quiet) terminal.note(terminal.say('train.start', { objective, folder: shown }));
  const watcher = new StepWatcher(terminal, values.quiet === true);
  const { objectives } = await import('../train/objectives.js');
  try {
    await objectives[objective](
      values.threads === undefined ? json : { ...json, threads: values.threads },
      {
        folder: resolve(terminal.folder, place.folder),
        resume: values.resume === true,
        signal,
        onStep: (report) => watcher.onStep(report),
        onProgress: (what, done, total) => watcher.onProgress(what, done, total),
      },
    );
  } catch (error) {
    watcher.end();
    if (signal.aborted) noteHowToResume(place, watcher.step, terminal);
    throw error;
  }
  watcher.end();
  const { step } = watcher;
  terminal.print(
    step === 0
      ? terminal.say('train.was-done', { folder: shown })
      : terminal.say('train.done', { step, folder: shown }),
  );
  return 0;
}

function readPlace({ words, values }: Invocation, { say }: Terminal): RunPlace {
  const [word, extra] = words;
  const objective = objectiveNames.find((name) => name === word);
  if (!objective) {
    const expected = say('usage.objective', { choices: objectiveNames.join(', ') });
    const where = `${say('program')} train`;
    if (word === undefined) throw usageError(say, { where, expected });
    const suggestion = nearest(word, objectiveNames);
    const next = suggestion
      ? say('usage.meant', { suggestion })
      : helpOrDraw(say, `train ${words.join(' ')}`);
    throw usageError(say, { where, expected, got: word, next });
  }
  if (extra !== undefined) {
    const where = `${say('program')} train ${objective}`;
    throw usageError(say, { where, expected: say('usage.noWords'), got: extra });
  }
  if (values.config === undefined) {
    const example = `${say('program')} train ${objective} --config assets/recipe/${objective}.json`;
    throw usageError(say, {
      where: `${say('program')} train ${objective}`,
      expected: say('usage.config'),
      next: say('usage.configNext', { example }),
    });
  }
  const { config, threads } = values;
  return { objective, config, threads, folder: values.out ?? join('runs', objective) };
}

/** The checkpoint is what the run saved on its way out. */
function noteHowToResume(place: RunPlace, step: number, terminal: Terminal): void {
  const { objective, config, folder, threads } = place;
  if (!existsSync(join(resolve(terminal.folder, folder), checkpointFile))) return;
  const { say } = terminal;
  const program = say('program');
  const paths = `--config ${quoteForShell(config)} --out ${quoteForShell(folder)}`;
  const limit = threads === undefined ? '' : ` --threads ${threads}`;
  const command = `${program} train ${objective} ${paths}${limit} --resume`;
  terminal.note(say('train.stopped', { step, folder }));
  terminal.note(say('train.resume', { command }));
}

/** Turns reports of a run into progress. */
class StepWatcher {
  /** The last step done. */
  step = 0;
  readonly #terminal: Terminal;
  readonly #isQuiet: boolean;
  #progress: Progress;
  #stage = '';
  /** Images per second, smoothed. */
  #rate = 0;

  constructor(terminal: Terminal, isQuiet: boolean) {
    this.#terminal = terminal;
    this.#isQuiet = isQuiet;
    this.#progress = new Progress(terminal, lineEveryMs);
  }

  onStep({ step, totalSteps, images, values, stepMs }: StepReport): void {
    this.step = step;
    const rate = (images / step / Math.max(stepMs, 1)) * 1000;
    this.#rate = this.#rate === 0 ? rate : this.#rate * 0.9 + rate * 0.1;
    const { say } = this.#terminal;
    const label = say('train.step', { step, total: totalSteps });
    const pace = say('train.rate', { rate: this.#rate.toPrecision(3) });
    const detail = `loss ${(values.loss ?? Number.NaN).toFixed(4)}  ${pace}`;
    this.#report('steps', { label, done: step, total: totalSteps, detail });
  }

  onProgress(label: string, done: number, total: number): void {
    this.#report(label, { label, done, total });
  }

  end(): void {
    this.#progress.clear();
  }

  /** Each stage has a pace of its own, so its progress starts anew. */
  #report(stage: string, state: Parameters<Progress['report']>[0]): void {
    if (this.#isQuiet) return;
    if (stage !== this.#stage) {
      this.#progress.clear();
      this.#progress = new Progress(this.#terminal, lineEveryMs);
      this.#stage = stage;
    }
    this.#progress.report(state);
  }
}
