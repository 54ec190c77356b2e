/** @file Ctrl-C and kill: the first signal asks the work to stop, the second ends the process. */
import type { Terminal } from './terminal.js';

/** Exit codes are 128 plus the number of the signal. */
const exitCodes = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;
type SignalName = keyof typeof exitCodes;

export class Interruption {
  readonly #controller = new AbortController();
  readonly #terminal: Terminal;
  #received: SignalName | undefined;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
    for (const name of Object.keys(exitCodes)) process.on(name, this.#onSignal);
  }

  /** Aborts with the first signal. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** What the process should end with; undefined while nobody interrupted it. */
  get exitCode(): number | undefined {
    return this.#received && exitCodes[this.#received];
  }

  [Symbol.dispose](): void {
    for (const name of Object.keys(exitCodes)) process.off(name, this.#onSignal);
  }

  readonly #onSignal = (name: SignalName): void => {
    if (this.#received) this.#dieOf(name);
    this.#received = name;
    if (this.#terminal.isTerminal('stderr')) {
      this.#terminal.note(`\n${this.#terminal.say('note.stopping')}`);
    }
    this.#controller.abort();
  };

  /** As if nobody had listened: `process.exit` would wait for threads that compute, and abort. */
  #dieOf(name: SignalName): void {
    this[Symbol.dispose]();
    process.kill(process.pid, name);
  }
}
