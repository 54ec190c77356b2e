/** @file The sessions of a pipeline: loaded when first needed, the least recently used ones given up. */
import { complain } from '../core/errors.js';
import type { TensorData } from '../core/tensor-data.js';
import type { Graph } from '../graph/tensor.js';
import { withBuiltParameters } from '../models/built-parameters.js';
import type { Engine, RemoteSession } from '../runtime/engine.js';
import { orAborted } from '../runtime/or-aborted.js';
import type { RowTraffic } from '../runtime/row-store.js';
import type { Values } from '../runtime/session.js';
import type { ModelPart } from './model-part.js';
import { loadOptions, plainMode, type RunMode } from './run-mode.js';

/** What to run: a part of the model in one static form. */
export interface Job {
  readonly part: ModelPart;
  /** Names the form among those of the part, such as its sizes. */
  readonly form: string;
  readonly build: () => Graph;
  readonly feeds: Values;
  /** Rows of pictures kept in the engine; such forms give their memory back after each run. */
  readonly rows?: RowTraffic | undefined;
  /** Forms of the part to keep loaded. Default: one of a large part, four of a small one. */
  readonly keep?: number | undefined;
  /** Whether linear layers are quantised in this form. Default false. */
  readonly isQuantised?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

interface Entry {
  readonly key: string;
  readonly part: string;
  readonly session: Promise<RemoteSession>;
  users: number;
}

/** A part above this size is kept in one form only, smaller ones in four. */
const largePartBytes = 2 ** 29;

export class SessionCache {
  readonly mode: RunMode;
  readonly #engine: Engine;
  readonly #onLoad: ((part: string) => void) | undefined;
  readonly #warnings = new Set<string>();
  #untold: string[] = [];
  /** Least recently used first. */
  readonly #entries = new Map<string, Entry>();

  constructor(engine: Engine, onLoad?: (part: string) => void, mode: RunMode = plainMode) {
    this.#engine = engine;
    this.#onLoad = onLoad;
    this.mode = mode;
  }

  /** Parts that are loaded now, one entry per form. */
  get loaded(): readonly string[] {
    return [...this.#entries.values()].map(({ part }) => part);
  }

  /**
   * Runs a part, loading the form first if need be. An abort rejects at once; a load that has
   * begun goes on, for the next run. Throws what `Engine` throws.
   */
  async run(job: Job): Promise<ReadonlyMap<string, TensorData>> {
    const { feeds, signal, rows } = job;
    const entry = this.#entryOf(job);
    entry.users++;
    try {
      const session = await orAborted('generate', entry.session, signal);
      return await session.run(feeds, { signal, rows });
    } finally {
      entry.users--;
      void this.#dispose(this.#surplus(job, 0));
    }
  }

  /** See `Engine.newStore`. */
  newStore(): number {
    return this.#engine.newStore();
  }

  dropStores(stores: readonly number[]): Promise<void> {
    return this.#engine.dropStores(stores);
  }

  #entryOf(job: Job): Entry {
    const key = `${job.part.name}/${job.form}`;
    const entry = this.#entries.get(key) ?? this.#load(key, job);
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return entry;
  }

  #load(key: string, job: Job): Entry {
    const { part } = job;
    // Bands take many forms; the first one tells.
    if (!job.rows || !this.loaded.includes(part.name)) this.#onLoad?.(part.name);
    const session = this.mode.lowMemory
      ? this.#dispose(this.#surplus(job, 1)).then(() => this.#sessionOf(job))
      : this.#sessionOf(job);
    session.then(
      ({ warnings }) => this.#warn(warnings),
      () => this.#entries.delete(key),
    );
    return { key, part: part.name, session, users: 0 };
  }

  #sessionOf({ part, build, rows, isQuantised = false }: Job): Promise<RemoteSession> {
    return this.#engine.load(withBuiltParameters(build(), part.builds ?? new Map()), {
      weights: part.weights,
      ...(rows && { returnsMemory: true }),
      ...loadOptions(this.mode, isQuantised),
    });
  }

  /** What loads had to do without since the last call; every message once. */
  takeWarnings(): string[] {
    const untold = this.#untold;
    this.#untold = [];
    return untold;
  }

  #warn(messages: readonly string[]): void {
    for (const message of messages) {
      if (this.#warnings.has(message)) continue;
      this.#warnings.add(message);
      this.#untold.push(message);
    }
  }

  /** Forms that go when `coming` more of the job's part are loaded; in low memory all other parts too. */
  #surplus({ part, keep }: Job, coming: number): Entry[] {
    const { lowMemory } = this.mode;
    const all = [...this.#entries.values()];
    const forms = all.filter((entry) => entry.part === part.name);
    const fallback = lowMemory || bytesOf(part) > largePartBytes ? 1 : 4;
    const most = (keep ?? fallback) - coming;
    const old = forms.slice(0, Math.max(0, forms.length - most));
    return lowMemory ? [...old, ...all.filter((entry) => entry.part !== part.name)] : old;
  }

  async #dispose(entries: readonly Entry[]): Promise<void> {
    const idle = entries.filter(({ users }) => users === 0);
    for (const { key } of idle) this.#entries.delete(key);
    await Promise.allSettled(idle.map(async ({ session }) => (await session).dispose()));
  }
}

function bytesOf(part: ModelPart): number {
  let bytes = 0;
  for (const { begin, end } of part.weights.values()) bytes += end - begin;
  return bytes;
}

/** The f32 output `name` of a run. */
export function floatOutput(
  outputs: ReadonlyMap<string, TensorData>,
  name: string,
): Extract<TensorData, { dtype: 'f32' }> {
  const value = outputs.get(name);
  if (value?.dtype === 'f32') return value;
  throw complain('RUNTIME', { where: name, expected: 'an f32 output', got: `${value?.dtype}` });
}
