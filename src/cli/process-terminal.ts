/** @file The terminal of this process: its streams, its folder, and its last words. */
import { cancelled } from '../core/errors.js';
import { writeError } from '../hub/atomic-file.js';
import { reportError } from './report-error.js';
import { Terminal } from './terminal.js';

export function processTerminal(): Terminal {
  const { stdin, stdout, stderr, env, argv } = process;
  const terminal = new Terminal({
    stdout,
    stderr,
    env,
    script: argv[1] ?? 'maliang',
    folder: currentFolder(),
    ask: stdin.isTTY ? askOnStderr : undefined,
  });
  // A reader that went away is no error; a full disk is one.
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') return;
    const exitCode = reportError(writeError('stdout', error), terminal);
    process.once('exit', () => {
      process.exitCode = exitCode;
    });
  });
  stderr.on('error', () => undefined);
  process.on('uncaughtException', (error) => process.exit(reportError(error, terminal)));
  return terminal;
}

/** The line typed after a question. Ctrl-C stays a signal, for the line is read as the terminal gives it. */
async function askOnStderr(question: string, signal: AbortSignal): Promise<string> {
  const { createInterface } = await import('node:readline/promises');
  const lines = createInterface({ input: process.stdin, output: process.stderr, terminal: false });
  try {
    return await lines.question(question, { signal });
  } catch {
    throw cancelled('question', signal);
  } finally {
    lines.close();
  }
}

/** The current folder; where it was when somebody has deleted it. */
function currentFolder(): string {
  try {
    return process.cwd();
  } catch {
    return process.env.PWD ?? '/';
  }
}
