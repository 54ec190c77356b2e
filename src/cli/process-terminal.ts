/** @file The terminal of this process: its streams, its folder, and its last words. */
import { writeError } from '../hub/atomic-file.js';
import { reportError } from './report-error.js';
import { Terminal } from './terminal.js';

export function processTerminal(): Terminal {
  const { stdout, stderr, env, argv } = process;
  const terminal = new Terminal({
    stdout,
    stderr,
    env,
    script: argv[1] ?? 'maliang',
    folder: currentFolder(),
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

/** The current folder; where it was when somebody has deleted it. */
function currentFolder(): string {
  try {
    return process.cwd();
  } catch {
    return process.env.PWD ?? '/';
  }
}
