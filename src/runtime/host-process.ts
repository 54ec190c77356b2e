/** @file One child process of an engine, from its start to its end. */
import { type ChildProcess, fork } from 'node:child_process';
import { existsSync } from 'node:fs';
import type { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { complain, internal, MaliangError } from '../core/errors.js';
import type { Done, Reply, Request } from './messages.js';

interface Waiter {
  readonly resolve: (done: Done) => void;
  readonly reject: (reason: unknown) => void;
}

const nothing = { outputs: new Map(), warnings: [] } as const;

/** Characters of the child's error output that are kept for messages. */
const tailLength = 2000;

/** The compiled child, also when this file runs from its source. */
function hostFile(): string {
  const here = fileURLToPath(new URL('./host.js', import.meta.url));
  if (existsSync(here)) return here;
  const built = fileURLToPath(new URL('../../dist/runtime/host.js', import.meta.url));
  if (existsSync(built)) return built;
  throw complain('RUNTIME', {
    where: 'engine',
    expected: `the compiled ${built}`,
    got: 'nothing there',
    next: 'Run `npm run build`.',
  });
}

/**
 * Takes one request at a time. An idle child does not keep the parent alive: descriptor 4 and the
 * message channel close when the parent ends, however it ends, and the child ends with them.
 */
export class HostProcess {
  /** Settles when ONNX Runtime is loaded, or cannot be. */
  readonly ready: Promise<unknown>;
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  #waiter: Waiter | undefined;
  #errorTail = '';
  #death: MaliangError | undefined;

  constructor() {
    this.#child = fork(hostFile(), [], {
      serialization: 'advanced',
      execArgv: [],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc', 'pipe'],
    });
    const { stderr, stdio } = this.#child;
    stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#errorTail = (this.#errorTail + text).slice(-tailLength);
    });
    for (const pipe of [stderr, stdio[4]] as (Socket | null | undefined)[]) {
      pipe?.on('error', () => undefined).unref();
    }
    this.#child.on('message', (reply: Reply) => this.#settle(reply));
    this.#ended = new Promise((resolve) => {
      const end = (how: string): void => {
        this.#die(how);
        resolve();
      };
      this.#child.once('exit', (code, signal) => end(signal ?? `exit code ${code}`));
      this.#child.once('error', (error) => end(error.message));
    });
    this.ready = this.#wait();
    this.ready.catch(() => undefined);
    this.#child.unref();
  }

  get isAlive(): boolean {
    return this.#death === undefined;
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Rejects with RUNTIME_EXITED when the child ends. */
  request(request: Request): Promise<Done> {
    if (this.#death) return Promise.reject(this.#death);
    const done = this.#wait();
    this.#child.send(request, (error) => {
      if (error) this.#die(error.message);
    });
    return done;
  }

  /** Kills the child, whatever it computes, and waits until it is gone. */
  end(): Promise<void> {
    this.#child.ref();
    this.#child.kill('SIGKILL');
    return this.#ended;
  }

  /** The next reply; the parent stays alive until it comes. */
  #wait(): Promise<Done> {
    if (this.#waiter) throw internal('engine', 'two requests at a time');
    this.#child.channel?.ref();
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject };
    });
  }

  #settle(reply: Reply): void {
    const waiter = this.#waiter;
    this.#waiter = undefined;
    this.#child.channel?.unref();
    if (reply.kind === 'failed') waiter?.reject(new MaliangError(reply.code, reply.message));
    else waiter?.resolve(reply.kind === 'done' ? reply : { kind: 'done', ...nothing });
  }

  #die(how: string): void {
    const lastWords = this.#errorTail.trim().split('\n').at(-1);
    this.#death ??= complain('RUNTIME_EXITED', {
      where: 'engine',
      expected: 'the computing process to go on',
      got: lastWords ? `${how} (${lastWords})` : how,
    });
    this.#waiter?.reject(this.#death);
    this.#waiter = undefined;
  }
}
