/** @file Any failure as a message with a next step and an exit code; stacks only for debugging. */
import { internal, MaliangError } from '../core/errors.js';
import { languageOf } from './messages.js';
import { chineseErrors } from './messages-zh.js';
import { printableLines } from './printable.js';
import type { Terminal } from './terminal.js';

/** Prints the error on stderr and returns the exit code. */
export function reportError(error: unknown, terminal: Terminal): number {
  const { say, env } = terminal;
  const known = asMaliangError(error);
  const label = terminal.style('stderr', 'red', `${say('error.label')}:`);
  if (languageOf(env) === 'zh' && known.code !== 'USAGE') {
    terminal.note(`${label} ${chineseErrors[known.code]}`);
    terminal.note(`  ${printableLines(known.message)}`);
  } else {
    terminal.note(`${label} ${printableLines(known.message)}`);
  }
  const isDebug = env.MALIANG_DEBUG === '1';
  if (known.code === 'INTERNAL' && !isDebug) terminal.note(say('error.debug'));
  if (isDebug) terminal.note(printableLines(stackOf(error)));
  return known.exitCode;
}

function asMaliangError(error: unknown): MaliangError {
  if (error instanceof MaliangError) return error;
  return internal('command', error instanceof Error ? error.message : String(error));
}

/** The stacks of an error and of everything that caused it. */
function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? '' : `\ncaused by: ${stackOf(error.cause)}`;
  return `${error.stack ?? error.message}${cause}`;
}
