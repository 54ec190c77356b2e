/** @file Warnings on stderr. */
import { printable } from './printable.js';
import type { Terminal } from './terminal.js';

export function noteWarning(warning: string, terminal: Terminal): void {
  const label = terminal.style('stderr', 'yellow', `${terminal.say('warning.label')}:`);
  terminal.note(`${label} ${printable(warning)}`);
}
