/** @file Where the command writes: two streams, what they can show, and how the command was called. */
import { basename, relative } from 'node:path';
import { languageOf, type Say, sayIn } from './messages.js';
import { quoteForShell } from './printable.js';

/** What is used of a Node stream. */
export interface Output {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  write(text: string): unknown;
}

export interface TerminalParts {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: NodeJS.ProcessEnv;
  /** The script as it was called, `process.argv[1]`. */
  readonly script: string;
  readonly folder: string;
  /** Asks whoever sits there; missing when nobody does. */
  readonly ask?: ((question: string, signal: AbortSignal) => Promise<string>) | undefined;
}

type StreamName = 'stdout' | 'stderr';

const styles = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 } as const;

export class Terminal {
  readonly env: NodeJS.ProcessEnv;
  /** The current folder. */
  readonly folder: string;
  readonly say: Say;
  readonly #parts: TerminalParts;

  constructor(parts: TerminalParts) {
    this.#parts = parts;
    this.env = parts.env;
    this.folder = parts.folder;
    this.say = sayIn(languageOf(parts.env), programName(parts));
  }

  /** A line for whoever reads the result. */
  print(line = ''): void {
    this.#parts.stdout.write(`${line}\n`);
  }

  /** A line for whoever watches. */
  note(line = ''): void {
    this.#parts.stderr.write(`${line}\n`);
  }

  /** Characters as they are, such as a picture or a progress line. */
  raw(stream: StreamName, text: string): void {
    this.#parts[stream].write(text);
  }

  /** True when there is somebody to ask. */
  get canAsk(): boolean {
    return this.#parts.ask !== undefined && this.isTerminal('stderr');
  }

  /** Yes or no; an empty answer is `otherwise`. Only where `canAsk`. */
  async agrees(question: string, otherwise: boolean, signal: AbortSignal): Promise<boolean> {
    const answer = (await this.#parts.ask!(question, signal)).trim();
    return answer === '' ? otherwise : /^(?:y|yes|是|好)$/i.test(answer);
  }

  isTerminal(stream: StreamName): boolean {
    return this.#parts[stream].isTTY === true && this.env.TERM !== 'dumb';
  }

  /** True when a line on stderr may be drawn over. */
  get isAnimated(): boolean {
    return this.isTerminal('stderr') && !this.env.CI;
  }

  columns(stream: StreamName): number {
    return this.#parts[stream].columns || 80;
  }

  /** FORCE_COLOR wins over NO_COLOR, as in Node. */
  hasColour(stream: StreamName): boolean {
    const { FORCE_COLOR: force, NO_COLOR: none } = this.env;
    if (force !== undefined) return force !== '0' && force !== 'false';
    return !none && this.isTerminal(stream);
  }

  /** 24-bit colour, announced by the terminal. */
  hasTrueColour(stream: StreamName): boolean {
    const { COLORTERM: announced = '', FORCE_COLOR: force } = this.env;
    return this.hasColour(stream) && (/^(truecolor|24bit)$/i.test(announced) || force === '3');
  }

  /** The text in a style, where the stream shows any. */
  style(stream: StreamName, style: keyof typeof styles, text: string): string {
    return this.hasColour(stream) ? `\u001b[${styles[style]}m${text}\u001b[0m` : text;
  }
}

/** How to call the command again: `maliang`, `npx maliang` or `node …/cli.js`. */
function programName({ env, script, folder }: TerminalParts): string {
  if (env.npm_command === 'exec') return 'npx maliang';
  if (!/\.[cm]?[jt]s$/.test(script)) return 'maliang';
  const path = relative(folder, script);
  const short = path.length < script.length ? path : script;
  return basename(script) === 'cli.js' ? `node ${quoteForShell(short)}` : 'maliang';
}
