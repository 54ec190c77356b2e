/** @file Progress on stderr with the time left: one line drawn over in a terminal, few lines elsewhere. */
import type { Say } from './messages.js';
import type { Terminal } from './terminal.js';

export interface ProgressState {
  readonly label: string;
  /** 0 to `total`; a total of 0 shows the label alone. */
  readonly done: number;
  readonly total: number;
  /** Shown after the bar, such as a loss. */
  readonly detail?: string;
}

const redrawMs = 80;
const barWidth = 20;

export class Progress {
  readonly #terminal: Terminal;
  readonly #lineEveryMs: number;
  readonly #now: () => number;
  #startedAt: number | undefined;
  #startedDone = 0;
  #shownAt: number;
  #isDrawn = false;

  /** `lineEveryMs`: how often a log gets a line; the first one comes after that time. */
  constructor(terminal: Terminal, lineEveryMs = 10_000, now = () => performance.now()) {
    this.#terminal = terminal;
    this.#lineEveryMs = lineEveryMs;
    this.#now = now;
    this.#shownAt = terminal.isAnimated ? Number.NEGATIVE_INFINITY : now();
  }

  report(state: ProgressState): void {
    const now = this.#now();
    if (this.#startedAt === undefined && state.total > 0) {
      this.#startedAt = now;
      this.#startedDone = state.done;
    }
    const isLast = state.done === state.total && this.#isDrawn;
    const wait = this.#terminal.isAnimated ? redrawMs : this.#lineEveryMs;
    if (now - this.#shownAt < wait && !isLast) return;
    this.#shownAt = now;
    const line = this.#line(state, now);
    if (this.#terminal.isAnimated) this.#draw(line);
    else this.#terminal.note(line);
  }

  /** Takes the drawn line away; what is printed next stands in its place. */
  clear(): void {
    if (this.#isDrawn) this.#terminal.raw('stderr', '\r\u001b[K');
    this.#isDrawn = false;
  }

  #draw(line: string): void {
    this.#isDrawn = true;
    this.#terminal.raw('stderr', `\r\u001b[K${line}`);
  }

  #line(state: ProgressState, now: number): string {
    const { label, done, total, detail } = state;
    if (total === 0) return label;
    const share = Math.min(1, done / total);
    const filled = Math.round(share * barWidth);
    const bar = '█'.repeat(filled) + '░'.repeat(barWidth - filled);
    const left = this.#estimate(state, now);
    const { say } = this.#terminal;
    const parts = [
      label,
      ...(this.#terminal.isAnimated && this.#terminal.columns('stderr') >= 60 ? [bar] : []),
      `${Math.floor(share * 100)}%`,
      ...(detail ? [detail] : []),
      ...(left === undefined ? [] : [say('progress.left', { time: duration(left, say) })]),
    ];
    return parts.join('  ');
  }

  /** From the mean pace since the first report with a total; undefined until one step is timed. */
  #estimate({ done, total }: ProgressState, now: number): number | undefined {
    const advanced = done - this.#startedDone;
    if (advanced <= 0 || this.#startedAt === undefined) return undefined;
    return ((now - this.#startedAt) / advanced) * (total - done);
  }
}

/** `8 s`, `3 min 5 s` or `2 h 10 min`. */
export function duration(ms: number, say: Say): string {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  if (seconds < 60) return say('time.seconds', { s: seconds });
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return say('time.minutes', { m: minutes, s: seconds % 60 });
  return say('time.hours', { h: Math.floor(minutes / 60), m: minutes % 60 });
}
