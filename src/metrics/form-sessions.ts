/** @file The sessions of one model, a static form each, loaded into the engine when first needed. */
import type { TensorData } from '../core/tensor-data.js';
import type { Graph } from '../graph/tensor.js';
import type { Engine, RemoteSession } from '../runtime/engine.js';
import type { Values } from '../runtime/session.js';
import type { TensorInFile } from '../runtime/weights.js';

/** One run of a model in one static form. */
export interface FormRun {
  /** Names the form among those of the model, such as its sizes. */
  readonly form: string;
  readonly build: () => Graph;
  readonly feeds: Values;
  readonly signal?: AbortSignal | undefined;
}

export class FormSessions {
  readonly #engine: Engine;
  readonly #weights: ReadonlyMap<string, TensorInFile>;
  readonly #sessions = new Map<string, Promise<RemoteSession>>();

  constructor(engine: Engine, weights: ReadonlyMap<string, TensorInFile>) {
    this.#engine = engine;
    this.#weights = weights;
  }

  has(form: string): boolean {
    return this.#sessions.has(form);
  }

  /** Outputs by name. Throws what `Engine` throws. */
  async run({ form, build, feeds, signal }: FormRun): Promise<ReadonlyMap<string, TensorData>> {
    const known = this.#sessions.get(form);
    const session = known ?? this.#engine.load(build(), { weights: this.#weights });
    if (!known) {
      this.#sessions.set(form, session);
      session.catch(() => this.#sessions.delete(form));
    }
    return (await session).run(feeds, { signal });
  }

  /** Frees every form. */
  async dispose(): Promise<void> {
    const sessions = [...this.#sessions.values()];
    this.#sessions.clear();
    for (const session of sessions) await (await session.catch(() => undefined))?.dispose();
  }
}

/** The f32 values of output `name`. */
export function floatsOf(outputs: ReadonlyMap<string, TensorData>, name: string): Float32Array {
  return outputs.get(name)!.data as Float32Array;
}
