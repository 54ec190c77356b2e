/** @file The sessions of a pipeline: loaded when first needed, the least recently used ones given up. */
import { complain } from '../core/errors.js';
import type { TensorData } from '../core/tensor-data.js';
import type { Graph } from '../graph/tensor.js';
import { withBuiltParameters } from '../models/built-parameters.js';
import type { Engine, RemoteSession } from '../runtime/engine.js';
import { orAborted } from '../runtime/or-aborted.js';
import type { Values } from '../runtime/session.js';
import type { ModelPart } from './model-part.js';

/** What to run: a part of the model in one static form. */
export interface Job {
  readonly part: ModelPart;
  /** Names the form among those of the part, such as its sizes. */
  readonly form: string;
  readonly build: () => Graph;
  readonly feeds: Values;
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
  readonly #engine: Engine;
  readonly #onLoad: ((part: string) => void) | undefined;
  readonly #warnings = new Set<string>();
  #untold: string[] = [];
  /** Least recently used first. */
  readonly #entries = new Map<string, Entry>();

  constructor(engine: Engine, onLoad?: (part: string) => void) {
    this.#engine = engine;
    this.#onLoad = onLoad;
  }

  /**
   * Runs a part, loading the form first if need be. An abort rejects at once; a load that has
   * begun goes on, for the next run. Throws what `Engine` throws.
   */
  async run(job: Job): Promise<ReadonlyMap<string, TensorData>> {
    const { feeds, signal } = job;
    const entry = this.#entryOf(job);
    entry.users++;
    try {
      const session = await orAborted('generate', entry.session, signal);
      return await session.run(feeds, { signal });
    } finally {
      entry.users--;
      this.#giveUp(job.part);
    }
  }

  #entryOf({ part, form, build }: Job): Entry {
    const key = `${part.name}/${form}`;
    const entry = this.#entries.get(key) ?? this.#load(key, part, build);
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return entry;
  }

  #load(key: string, part: ModelPart, build: () => Graph): Entry {
    this.#onLoad?.(part.name);
    const session = this.#engine.load(withBuiltParameters(build(), part.builds ?? new Map()), {
      weights: part.weights,
    });
    session.then(
      ({ warnings }) => this.#warn(warnings),
      () => this.#entries.delete(key),
    );
    return { key, part: part.name, session, users: 0 };
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

  /** Disposes idle forms of a part beyond the number it may keep. */
  #giveUp(part: ModelPart): void {
    const forms = [...this.#entries.values()].filter((entry) => entry.part === part.name);
    let surplus = forms.length - (bytesOf(part) > largePartBytes ? 1 : 4);
    for (const entry of forms) {
      if (surplus <= 0) return;
      if (entry.users > 0) continue;
      surplus--;
      this.#entries.delete(entry.key);
      entry.session.then((session) => session.dispose()).catch(() => undefined);
    }
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
