/** @file The command: reads the arguments, runs one command, ends with an exit code. */
import { MaliangError } from '../core/errors.js';
import { helpText } from './help.js';
import { Interruption } from './interruption.js';
import type { CommandName } from './option-table.js';
import { type Invocation, parseCommandLine } from './parse.js';
import { reportError } from './report-error.js';
import type { Terminal } from './terminal.js';
import { packageVersion } from './version.js';

/** A command; it returns the exit code. */
export type Command = (
  invocation: Invocation,
  terminal: Terminal,
  interruption: Interruption,
) => Promise<number>;

/** Loaded when asked for, so that `--help` reads no more than it shows. */
const commands: Readonly<Record<CommandName, () => Promise<Command>>> = {
  generate: async () => (await import('./generate.js')).generate,
  again: async () => (await import('./again.js')).again,
  info: async () => (await import('./info.js')).info,
  rank: async () => (await import('./rank.js')).rank,
  caption: async () => (await import('./caption.js')).caption,
  evaluate: async () => (await import('./evaluate.js')).evaluate,
  models: async () => (await import('./models.js')).models,
  train: async () => (await import('./train.js')).train,
  doctor: async () => (await import('./doctor.js')).doctor,
  samplers: async () => (await import('./samplers.js')).samplers,
};

/** Runs `maliang` with these arguments. Never throws. */
export async function main(args: readonly string[], terminal: Terminal): Promise<number> {
  if (args.length === 0) {
    terminal.note(helpText(terminal));
    return 2;
  }
  using interruption = new Interruption(terminal);
  try {
    const invocation = parseCommandLine(args, terminal.say);
    const { command, isNamed, values } = invocation;
    if (values.help) {
      terminal.print(helpText(terminal, isNamed ? command : undefined));
      return 0;
    }
    if (values.version) {
      terminal.print(packageVersion());
      return 0;
    }
    const run = await commands[command]();
    return await run(invocation, terminal, interruption);
  } catch (error) {
    if (interruption.exitCode !== undefined && isCancellation(error)) {
      terminal.note(terminal.say('note.cancelled'));
      return interruption.exitCode;
    }
    return reportError(error, terminal);
  }
}

function isCancellation(error: unknown): boolean {
  return error instanceof MaliangError && error.code === 'CANCELLED';
}
