/** @file A terminal whose output is kept, with the streams' properties as a test wants them. */
import { Terminal } from '../../src/cli/terminal.js';

export interface CapturedOptions {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly env?: NodeJS.ProcessEnv;
  readonly script?: string;
  readonly folder?: string;
  /** Answers to questions, in order. */
  readonly answers?: readonly string[];
}

export interface CapturedTerminal {
  readonly terminal: Terminal;
  readonly stdout: () => string;
  readonly stderr: () => string;
}

export function captureTerminal(options: CapturedOptions = {}): CapturedTerminal {
  const { isTTY, columns, env = {}, script = '/usr/bin/maliang', folder = '/project' } = options;
  const stream = () => {
    let text = '';
    const write = (part: string): void => {
      text += part;
    };
    return { isTTY, columns, write, text: () => text };
  };
  const [stdout, stderr] = [stream(), stream()];
  const answers = options.answers && [...options.answers];
  const ask =
    answers &&
    ((question: string) => {
      stderr.write(question);
      return Promise.resolve(answers.shift() ?? '');
    });
  const terminal = new Terminal({ stdout, stderr, env, script, folder, ask });
  return { terminal, stdout: stdout.text, stderr: stderr.text };
}
