/** @file Runs models in a child process, so that the event loop of the caller never waits for a computation. */
import { complain, throwIfAborted } from '../core/errors.js';
import type { TensorData } from '../core/tensor-data.js';
import { type RewriteMode, rewriteModes } from '../graph/rewrites/for-inference.js';
import type { Graph } from '../graph/tensor.js';
import { type Device, devices } from './devices.js';
import { HostProcess } from './host-process.js';
import type { Request } from './messages.js';
import { orAborted } from './or-aborted.js';
import { packGraph } from './packed-graph.js';
import { type PreparedSettings, preparedSettings } from './prepared-settings.js';
import type { Preparation } from './prepared-weights.js';
import type { RowTraffic } from './row-store.js';
import type { SessionOptions, Values } from './session.js';
import type { TensorInFile } from './weights.js';

export interface EngineOptions {
  /** Threads for one operation; defaults to all cores. */
  readonly threads?: number | undefined;
  /** Where models run. Default cpu. */
  readonly device?: Device | undefined;
  /**
   * Which convolutions and linear layers take a form that gives the same results, up to rounding,
   * in less time. Default `faster` on the processor, `none` elsewhere; `all` takes them, and keeps
   * prepared weights, at every size: for tests.
   */
  readonly rewrites?: RewriteMode | undefined;
  /** Where what weights alone decide is kept between loads, with rewrites. Default as the environment says. */
  readonly prepared?: PreparedSettings | 'off' | undefined;
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

export interface RunOptions extends CallOptions {
  /** Rows of pictures that stay in the child, see `Engine.newStore`. */
  readonly rows?: RowTraffic | undefined;
}

export interface LoadOptions extends Omit<SessionOptions, 'threads' | 'device'>, CallOptions {
  /** Where the parameters lie, by name; parameters not named are fed like inputs. */
  readonly weights?: ReadonlyMap<string, TensorInFile>;
}

/** A model in the engine's child process. */
export interface RemoteSession extends AsyncDisposable {
  /** What loading had to do without. */
  readonly warnings: readonly string[];
  /**
   * Outputs by name. Rejects with CANCELLED as soon as `signal` aborts, RUNTIME_EXITED when the
   * child ends in the middle, DISPOSED, SHAPE or RUNTIME.
   */
  run(feeds: Values, options?: RunOptions): Promise<ReadonlyMap<string, TensorData>>;
  /** Frees the model; later runs are DISPOSED. */
  dispose(): Promise<void>;
}

/**
 * A queue of loads and runs before one child process.
 *
 * - A run whose signal aborts rejects at once. If it has begun, the child finishes that one call
 *   and drops the result: models stay loaded, and the next run waits no longer than that call.
 *   `dispose` ends even that at once.
 * - When the child dies, what it was doing rejects with RUNTIME_EXITED; the next run starts a new
 *   child and loads its model again.
 * - The child ends with the parent, however the parent ends.
 */
export class Engine implements AsyncDisposable {
  readonly #threads: number | undefined;
  readonly #device: Device | undefined;
  readonly #preparation: Preparation;
  #host: HostProcess;
  #tail: Promise<unknown> = Promise.resolve();
  #sessions = 0;
  #stores = 0;
  #isDisposed = false;

  private constructor(options: EngineOptions) {
    const { threads, device } = options;
    this.#preparation = preparationOf(options);
    this.#threads = threads;
    this.#device = device;
    this.#host = new HostProcess();
  }

  /**
   * Starts the child at once; its first load waits until it is up. Throws USAGE on a bad thread
   * count or setting, RUNTIME when the compiled child is missing.
   */
  static start(options: EngineOptions = {}): Engine {
    const { threads, device, rewrites } = options;
    if (threads !== undefined && !(Number.isInteger(threads) && threads >= 1 && threads <= 1024)) {
      throw complain('USAGE', {
        where: 'engine',
        expected: 'threads as a whole number from 1 to 1024',
        got: `${threads}`,
        next: 'Leave it out to use all cores.',
      });
    }
    if (device !== undefined && !devices.includes(device)) {
      throw complain('USAGE', {
        where: 'engine',
        expected: `device as one of ${devices.join(', ')}`,
        got: `${device}`,
        next: 'Leave it out to use the processor.',
      });
    }
    if (rewrites !== undefined && !rewriteModes.includes(rewrites)) {
      throw complain('USAGE', {
        where: 'engine',
        expected: `rewrites as one of ${rewriteModes.join(', ')}`,
        got: `${rewrites}`,
      });
    }
    return new Engine(options);
  }

  /** Process id of the child, while it has one. */
  get pid(): number | undefined {
    return this.#host.isAlive ? this.#host.pid : undefined;
  }

  /** Resolves when ONNX Runtime is loaded in the child; rejects with RUNTIME when it cannot be. */
  async whenReady(): Promise<void> {
    await this.#host.ready;
  }

  /**
   * Loads a model; the child writes its ONNX form and maps its weights. Rejects with RUNTIME when
   * ONNX Runtime refuses it or a weight file, DEVICE when the device is not there.
   */
  async load(graph: Graph, options: LoadOptions = {}): Promise<RemoteSession> {
    const { signal, weights = new Map(), ...sessionOptions } = options;
    const id = this.#sessions++;
    const threaded = { ...sessionOptions, threads: this.#threads, device: this.#device };
    const packed = packGraph(graph);
    const preparation = this.#preparation;
    const load: Request = {
      ...{ kind: 'load', session: id, graph: packed, weights, preparation },
      options: threaded,
    };
    let warnings: readonly string[] = [];
    let loadedIn: HostProcess | undefined;
    let isDisposed = false;
    const ensureLoaded = async (host: HostProcess): Promise<void> => {
      if (loadedIn === host) return;
      warnings = (await host.request(load)).warnings;
      loadedIn = host;
    };
    const run = (feeds: Values, runOptions: RunOptions = {}) =>
      this.#inTurn(async (host) => {
        if (isDisposed) throw disposed('session');
        await ensureLoaded(host);
        const request = { kind: 'run', session: id, feeds, rows: runOptions.rows } as const;
        return (await host.request(request)).outputs;
      }, runOptions.signal);
    const dispose = async (): Promise<void> => {
      if (isDisposed || this.#isDisposed) return;
      isDisposed = true;
      await this.#release(id, () => loadedIn);
    };
    try {
      await this.#inTurn(ensureLoaded, signal);
    } catch (cause) {
      dispose().catch(() => undefined); // A cancelled load may still come to its end.
      throw cause;
    }
    return { run, dispose, warnings, [Symbol.asyncDispose]: dispose };
  }

  /** A number for a picture that runs keep in the child; a child that dies takes it along. */
  newStore(): number {
    return this.#stores++;
  }

  /** Gives up pictures kept in the child, in its turn. */
  async dropStores(stores: readonly number[]): Promise<void> {
    if (stores.length === 0 || this.#isDisposed) return;
    const turn = this.#tail.then(async () => {
      if (this.#host.isAlive) await this.#host.request({ kind: 'drop', stores });
    });
    this.#tail = turn.catch(() => undefined);
    await this.#tail;
  }

  /** Ends the child and gives all memory back; pending work rejects. Safe to call twice. */
  async dispose(): Promise<void> {
    this.#isDisposed = true;
    await this.#host.end();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  /** Frees a session, in its turn, unless its child is gone anyway. */
  #release(session: number, loadedIn: () => HostProcess | undefined): Promise<unknown> {
    const turn = this.#tail.then(async () => {
      const host = loadedIn();
      if (host?.isAlive) await host.request({ kind: 'release', session });
    });
    this.#tail = turn.catch(() => undefined);
    return this.#tail;
  }

  /** Calls `work` when all work before it has ended; the promise itself follows `signal` at once. */
  #inTurn<T>(work: (host: HostProcess) => Promise<T>, signal?: AbortSignal): Promise<T> {
    const turn = this.#tail.then(async () => {
      throwIfAborted('engine', signal);
      const host = await this.#liveHost();
      return work(host);
    });
    this.#tail = turn.catch(() => undefined);
    return orAborted('engine', turn, signal).catch((cause: unknown) => {
      throw this.#isDisposed && !signal?.aborted ? disposed('engine') : cause;
    });
  }

  async #liveHost(): Promise<HostProcess> {
    if (this.#isDisposed) throw disposed('engine');
    if (!this.#host.isAlive) this.#host = new HostProcess();
    await this.#host.ready;
    return this.#host;
  }
}

function preparationOf(options: EngineOptions): Preparation {
  const { threads, device = 'cpu' } = options;
  const { rewrites = device === 'cpu' ? 'faster' : 'none' } = options;
  const given = options.prepared ?? preparedSettings();
  const settings = given === 'off' || rewrites === 'none' ? undefined : given;
  const prepared = settings && {
    ...settings,
    ...(rewrites === 'all' ? { fromBytes: 0, partBytes: 0 } : {}),
  };
  return { rewrites, prepared, threads, blocksChannels: device === 'cpu' };
}

function disposed(where: string): Error {
  return complain('DISPOSED', { where, expected: 'a live object', got: 'a disposed one' });
}
