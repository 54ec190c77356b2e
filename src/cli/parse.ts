/** @file Reads the command line: which command, which words, which options. */
import { parseArgs } from 'node:util';
import type { Say } from './messages.js';
import { nearest } from './nearest.js';
import {
  type CommandName,
  commandNames,
  Expectation,
  type OptionName,
  type OptionValues,
  optionNames,
  optionRow,
} from './option-table.js';
import { drawExample, helpOrDraw, usageError } from './usage.js';

export interface Invocation {
  readonly command: CommandName;
  /** True when the command was named and not implied by a prompt. */
  readonly isNamed: boolean;
  /** What follows the command; the words of the prompt for `generate`. */
  readonly words: readonly string[];
  readonly values: OptionValues;
}

type Token = NonNullable<ReturnType<typeof parseArgs>['tokens']>[number];
type OptionToken = Extract<Token, { kind: 'option' }>;

const parseOptions = Object.fromEntries(
  optionNames.map((name) => {
    const { value, short } = optionRow(name);
    const type: 'string' | 'boolean' = value === undefined ? 'boolean' : 'string';
    return [name, short === undefined ? { type } : { type, short }];
  }),
);

/**
 * Reads arguments. The first word before any `--` names a command if it is one; otherwise all
 * words are a prompt. Throws USAGE.
 */
export function parseCommandLine(args: readonly string[], say: Say): Invocation {
  const { tokens } = parseArgs({
    args: [...args],
    options: parseOptions,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const given = tokens.filter((token) => token.kind === 'option');
  for (const { name, index } of given) requireKnown(name, args[index]!, say);
  const words = tokens.flatMap((token) => (token.kind === 'positional' ? [token.value] : []));
  const isPrompt = tokens.find(({ kind }) => kind !== 'option')?.kind === 'option-terminator';
  const isHelp = !isPrompt && words[0] === 'help' && words.length <= 2;
  const [first, ...rest] = isHelp ? words.slice(1) : words;
  const named = isPrompt || first === undefined ? undefined : commandOf(first, rest, say);
  if (isHelp && (named || first === undefined)) {
    const command = named ?? 'generate';
    return { command, isNamed: named !== undefined, words: [], values: { help: true } };
  }
  const command = named ?? 'generate';
  const values = readOptions(given, command, say);
  return { command, isNamed: named !== undefined, words: named ? rest : words, values };
}

/** The command the first word names. A lone word that is nearly one is refused. */
function commandOf(first: string, rest: readonly string[], say: Say): CommandName | undefined {
  const command = commandNames.find((name) => name === first);
  if (command || rest.length > 0 || /\s/.test(first)) return command;
  const suggestion = nearest(first, commandNames);
  if (suggestion === undefined) return undefined;
  throw usageError(say, {
    where: say('program'),
    expected: say('usage.command'),
    got: first,
    next: say('usage.commandNext', { suggestion, example: drawExample(say, first) }),
  });
}

function requireKnown(name: string, argument: string, say: Say): void {
  if (optionNames.some((known) => known === name)) return;
  const typed = argument.replace(/=.*$/s, '');
  const suggestion = nearest(typed.replace(/^-+/, ''), optionNames);
  throw usageError(say, {
    where: say('program'),
    expected: say('usage.knownOption'),
    got: typed,
    next: suggestion
      ? say('usage.meant', { suggestion: `--${suggestion}` })
      : helpOrDraw(say, argument),
  });
}

function readOptions(given: readonly OptionToken[], command: CommandName, say: Say): OptionValues {
  const values: Partial<Record<OptionName, unknown>> = {};
  for (const token of given) {
    const name = token.name as OptionName;
    requireOptionOf(command, name, say);
    const { isRepeatable } = optionRow(name);
    if (isRepeatable) {
      const before = (values[name] ?? []) as readonly unknown[];
      values[name] = [...before, readValue(token, name, say)];
      continue;
    }
    if (name in values) {
      const expected = say('usage.once');
      throw usageError(say, { where: `--${name}`, expected, got: say('usage.twice') });
    }
    values[name] = readValue(token, name, say);
  }
  return values as OptionValues;
}

function requireOptionOf(command: CommandName, name: OptionName, say: Say): void {
  const [owner] = optionRow(name).commands;
  if (optionRow(name).commands.includes(command)) return;
  const commandLine = (of: string | undefined): string => `${say('program')} ${of}`;
  throw usageError(say, {
    where: commandLine(command),
    expected: say('usage.optionOf', { command: commandLine(command) }),
    got: `--${name}`,
    next: say('usage.belongs', { option: `--${name}`, command: commandLine(owner) }),
  });
}

function readValue({ value, inlineValue }: OptionToken, name: OptionName, say: Say): unknown {
  const row = optionRow(name);
  const where = `--${name}`;
  if (row.value === undefined) {
    if (value === undefined) return row.read('');
    throw usageError(say, { where, expected: say('usage.noValue'), got: value });
  }
  if (value === undefined) throw usageError(say, { where, expected: say('usage.value') });
  if (!inlineValue && /^--[a-z]/.test(value)) {
    const next = say('usage.valueNext', { option: where, got: value });
    throw usageError(say, { where, expected: say('usage.value'), got: value, next });
  }
  const read = row.read(value);
  if (!(read instanceof Expectation)) return read;
  throw usageError(say, {
    where,
    expected: say(read.key, read.values),
    got: JSON.stringify(value),
  });
}
