/** @file Usage errors in the house form, in the language of the user. */
import { MaliangError } from '../core/errors.js';
import type { Say } from './messages.js';
import { printable, quoteForShell } from './printable.js';

export interface UsageProblem {
  /** The option, word or thing that is wrong. */
  readonly where: string;
  readonly expected: string;
  /** As typed; control characters are escaped here. Left out: nothing was given. */
  readonly got?: string;
  /** The next step; without one, where to read the help. */
  readonly next?: string;
}

const longest = 80;

/** `where: expected X, got Y. Next step.` with code USAGE. */
export function usageError(say: Say, problem: UsageProblem): MaliangError {
  const { where, expected, got, next = say('usage.see') } = problem;
  const shown = got === undefined ? say('usage.nothing') : printable(shorten(got));
  return new MaliangError(
    'USAGE',
    say('usage.form', { where: printable(shorten(where)), expected, got: shown, next }),
  );
}

/** A command line that draws exactly these words. */
export function drawExample(say: Say, words: string): string {
  return `${say('program')} -- ${quoteForShell(shorten(words))}`;
}

/** Where the help is, and how to draw the words instead. */
export function helpOrDraw(say: Say, words: string): string {
  return `${say('usage.see')} ${say('usage.drawNext', { example: drawExample(say, words) })}`;
}

function shorten(text: string): string {
  return text.length > longest ? `${text.slice(0, longest)}…` : text;
}
