/** @file The threads of a training run: each takes micro-batches of a step, then a share of the update. */
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { complain, internal, MaliangError } from '../core/errors.js';
import type { TensorData } from '../core/tensor-data.js';
import { type OptimizerState, type StepOptions, sharedVector } from './adamw.js';
import { ParameterLayout } from './flat-parameters.js';
import type { GradientModel } from './gradient-session.js';
import type { StepReply, StepRequest, WorkerStart } from './step-messages.js';
import { evenShare, type OptimizerName, shareUpdate } from './update-shares.js';

export interface CrewOptions {
  /** Micro-batches of a step: more workers than these would idle. */
  readonly microBatches: number;
  /** Cores to use, default all. */
  readonly threads?: number | undefined;
  /** Default adamw. */
  readonly optimizer?: OptimizerName;
}

/** Loss and reports of a step, averaged over its micro-batches, and the norm of its gradient. */
export interface StepGradient {
  readonly values: Readonly<Record<string, number>>;
  readonly norm: number;
}

/** Feeds of micro-batch `part` of the present step. */
export type MakePart = (part: number) => Promise<ReadonlyMap<string, TensorData>>;

/** The compiled worker, also when this file runs from its source. */
function workerFile(): string {
  const here = fileURLToPath(new URL('./step-worker.js', import.meta.url));
  if (existsSync(here)) return here;
  return fileURLToPath(new URL('../../dist/train/step-worker.js', import.meta.url));
}

/**
 * Workers side by side on one core each use the machine better than one whose operations are
 * spread over all cores. Micro-batch p goes to worker p mod n, and sums are taken in that order,
 * so the result depends on nothing but the number of threads.
 */
export class StepCrew implements AsyncDisposable {
  readonly #workers: readonly StepWorker[];
  readonly #microBatches: number;
  readonly #length: number;

  private constructor(workers: readonly StepWorker[], microBatches: number, length: number) {
    this.#workers = workers;
    this.#microBatches = microBatches;
    this.#length = length;
  }

  /** Loads the model in every worker; they change `state`, which must lie in shared memory. */
  static async create(
    parts: GradientModel,
    state: OptimizerState,
    { microBatches, threads = availableParallelism(), optimizer = 'adamw' }: CrewOptions,
  ): Promise<StepCrew> {
    const { length } = state.parameters;
    const count = Math.min(microBatches, threads);
    const gradients = Array.from({ length: count }, () => sharedVector(length));
    const shared = { parts, threads: Math.floor(threads / count), state, gradients };
    const shares = shareUpdate(new ParameterLayout(parts.parameters), optimizer, count);
    const workers = shares.map((share, index) => new StepWorker({ ...shared, index, share }));
    const crew = new StepCrew(workers, microBatches, length);
    try {
      await Promise.all(workers.map(({ ready }) => ready));
      return crew;
    } catch (cause) {
      await crew.dispose();
      throw cause;
    }
  }

  /** Sums the gradients of one step. When it throws, no worker is at work and no parameter moved. */
  async gradient(makePart: MakePart): Promise<StepGradient> {
    const count = this.#microBatches;
    const totals: Record<string, number> = {};
    await this.#all(async (worker, index) => {
      for (let part = index; part < count; part += this.#workers.length) {
        const feeds = await makePart(part);
        const reply = await worker.ask({ kind: 'gradient', feeds, isFirst: part === index });
        if (reply.kind !== 'values') throw internal('step', reply.kind);
        for (const [name, value] of Object.entries(reply.values)) {
          totals[name] = (totals[name] ?? 0) + value / count;
        }
      }
    });
    const workers = this.#workers.length;
    const total = await this.#squares((index) => {
      const range = evenShare(this.#length, index, workers);
      return { kind: 'sum', range, workers };
    });
    return { values: totals, norm: Math.sqrt(total) / count };
  }

  /**
   * Moves parameters, moments and averages along the gradient of this step. When it throws, nothing
   * moved: TRAINING when Muon finds no finite direction.
   */
  async update(options: StepOptions): Promise<void> {
    const { gradientScale, step } = options;
    const squares = await this.#squares(() => ({ kind: 'prepare', gradientScale }));
    if (!Number.isFinite(squares)) {
      const [expected, got] = ['a finite update', `one of norm ${Math.sqrt(squares)}`];
      throw complain('TRAINING', { where: `training step ${step}`, expected, got });
    }
    await this.#all((worker) => worker.ask({ kind: 'update', options }));
  }

  async dispose(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.end()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  /** Waits for every worker, also when one fails: then the first failure is thrown. */
  async #all<T>(work: (worker: StepWorker, index: number) => Promise<T>): Promise<T[]> {
    const results = await Promise.allSettled(this.#workers.map(work));
    return results.map((result) => {
      if (result.status === 'rejected') throw result.reason;
      return result.value;
    });
  }

  /** Adds up what the workers answer, in their order. */
  async #squares(request: (index: number) => StepRequest): Promise<number> {
    const squares = await this.#all(async (worker, index) => {
      const reply = await worker.ask(request(index));
      return reply.kind === 'squares' ? reply.squares : Number.NaN;
    });
    return squares.reduce((sum, part) => sum + part, 0);
  }
}

interface Waiter {
  readonly resolve: (reply: StepReply) => void;
  readonly reject: (reason: unknown) => void;
  readonly reply: Promise<StepReply>;
}

/** One thread. It must never be terminated while it computes: ONNX Runtime would abort the process. */
class StepWorker {
  /** Resolves when its model is loaded. */
  readonly ready: Promise<StepReply>;
  readonly #thread: Worker;
  #waiter: Waiter | undefined;
  #death: MaliangError | undefined;

  constructor(start: WorkerStart) {
    this.#thread = new Worker(workerFile(), { workerData: start });
    this.#thread.on('message', (reply: StepReply) => this.#settle(reply));
    this.#thread.on('error', (cause) => this.#die(cause));
    this.#thread.on('exit', () => this.#die('its thread ended'));
    this.ready = this.#wait();
    this.ready.catch(() => undefined);
  }

  ask(request: StepRequest): Promise<StepReply> {
    if (this.#death) return Promise.reject(this.#death);
    const reply = this.#wait();
    this.#thread.postMessage(request);
    return reply;
  }

  /** Frees the model and waits until the thread is gone. */
  async end(): Promise<void> {
    await this.#waiter?.reply.catch(() => undefined);
    if (this.#death) return;
    const gone = new Promise((resolve) => {
      this.#thread.once('exit', resolve);
    });
    await this.ask({ kind: 'end' }).catch(() => undefined);
    const [expected, got] = ['a live run', 'a disposed one'];
    this.#death ??= complain('DISPOSED', { where: 'training', expected, got });
    await gone;
  }

  #wait(): Promise<StepReply> {
    let settle: Pick<Waiter, 'resolve' | 'reject'> | undefined;
    const reply = new Promise<StepReply>((resolve, reject) => {
      settle = { resolve, reject };
    });
    this.#waiter = { ...settle!, reply };
    return reply;
  }

  #settle(reply: StepReply): void {
    const waiter = this.#waiter;
    this.#waiter = undefined;
    if (reply.kind === 'failed') waiter?.reject(new MaliangError(reply.code, reply.message));
    else waiter?.resolve(reply);
  }

  #die(cause: unknown): void {
    const got = cause instanceof Error ? cause.message : String(cause);
    this.#death ??= complain('RUNTIME_EXITED', {
      where: 'training',
      expected: 'its threads to go on',
      got,
    });
    this.#waiter?.reject(this.#death);
    this.#waiter = undefined;
  }
}
