/** @file Finds the model a command is to use; one of the hub is downloaded with its size said first and progress shown. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { DownloadPlan } from '../hub/fetch-model.js';
import { parseModelId } from '../hub/model-id.js';
import { type ResolveOptions, resolveModel } from '../hub/resolve-model.js';
import { byteSize } from './byte-size.js';
import type { OptionValues } from './option-table.js';
import { printable } from './printable.js';
import { Progress } from './progress.js';
import type { Terminal } from './terminal.js';

/** What to give to `fromPretrained`. */
export interface FoundModel {
  /** Undefined: the built-in model. */
  readonly path: string | undefined;
  readonly revision?: string | undefined;
  readonly variant?: string | undefined;
  readonly offline?: boolean;
}

/** The model of `--model`, on this disk when this returns. A path that exists wins over an id and `builtin`. */
export async function locateModel(
  { model, revision, variant, offline, yes, quiet }: OptionValues,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<FoundModel> {
  const path = model && resolve(terminal.folder, model);
  if (model === 'builtin' && !existsSync(path!)) return { path: undefined };
  if (!model || existsSync(path!) || !parseModelId(model)) return { path, revision, variant };
  const isQuiet = quiet === true;
  await using download = new ShownDownload(model, { terminal, signal, isQuiet, isAgreed: yes });
  await resolveModel(model, { revision, variant, offline, ...download.options });
  return { path: model, revision, variant, offline: true };
}

/** A model named by another option than --model, as a path or an id that is on this disk when this returns. */
export async function locateNamed(
  model: string,
  { revision: _, variant: __, ...values }: OptionValues,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<string> {
  return (await locateModel({ ...values, model }, terminal, signal)).path ?? model;
}

/** The folder of a model without downloading anything. */
export async function cachedModelPath(model: string, { folder, env }: Terminal): Promise<string> {
  const path = resolve(folder, model);
  if (existsSync(path) || !parseModelId(model)) return path;
  return (await resolveModel(model, { offline: true, env })).path;
}

interface Watch {
  readonly terminal: Terminal;
  readonly signal: AbortSignal;
  readonly isQuiet: boolean;
  /** True: not asked. */
  readonly isAgreed?: boolean | undefined;
}

/** What is shown of a download on stderr. */
export class ShownDownload implements AsyncDisposable {
  readonly #id: string;
  readonly #watch: Watch;
  readonly #progress: Progress;
  #hasBegun = false;

  constructor(id: string, watch: Watch) {
    this.#id = printable(id);
    this.#watch = watch;
    this.#progress = new Progress(watch.terminal);
  }

  get options(): ResolveOptions {
    const { terminal, signal, isQuiet } = this.#watch;
    const { say } = terminal;
    return {
      signal,
      env: terminal.env,
      confirm: (plan) => this.#confirm(plan),
      onProgress: ({ doneBytes, totalBytes }) => {
        if (isQuiet || !this.#hasBegun) return;
        const detail = say('models.pace', {
          done: byteSize(doneBytes),
          total: byteSize(totalBytes),
        });
        const label = say('models.loading', { id: this.#id });
        this.#progress.report({ label, done: doneBytes, total: totalBytes, detail });
      },
      onWait: (file) => {
        if (isQuiet) return;
        this.#progress.clear();
        terminal.note(say('models.waiting', { file: printable(file) }));
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#progress.clear();
    const { terminal, signal } = this.#watch;
    if (this.#hasBegun && signal.aborted) terminal.note(terminal.say('models.loadedSoFar'));
  }

  async #confirm({ fileCount, totalBytes, missingBytes }: DownloadPlan): Promise<boolean> {
    const { terminal, signal, isQuiet, isAgreed } = this.#watch;
    const { say } = terminal;
    const isAsked = terminal.canAsk && !isAgreed;
    const [size, missing] = [byteSize(totalBytes), byteSize(missingBytes)];
    const text = say('models.size', { id: this.#id, size, files: fileCount, missing });
    if (!isQuiet || isAsked) terminal.note(text);
    if (isAsked && !(await terminal.agrees(say('models.askPull'), true, signal))) return false;
    this.#hasBegun = true;
    return true;
  }
}
