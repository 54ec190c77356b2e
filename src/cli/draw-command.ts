/** @file The command line that draws a picture again. */
import type { GeneratedImage } from '../pipelines/text-to-image.js';
import type { Say } from './messages.js';
import { type LoraValue, type OptionValues, SeedShift } from './option-table.js';
import { parseCommandLine } from './parse.js';
import { quoteForShell } from './printable.js';
import { signed } from './seed-option.js';

type SeedsOfOne = Pick<GeneratedImage, 'seed' | 'variationSeed'>;

/** Where and how to put it: what the picture does not depend on. */
const notInCommand: ReadonlySet<string> = new Set([
  'seed',
  'variation-seed',
  'num',
  'out',
  'format',
  'quality',
  'metadata',
  'alt',
  'best-of',
  'keep',
  'judge',
  'near-miss',
  'early',
  'sheet',
  'captioner',
  'json',
  'quiet',
  'offline',
  'yes',
]);

/** What to write after an option to say its value again, once for each item of a list. */
function optionTexts(value: OptionValues[keyof OptionValues] | bigint): string[] {
  if (value === undefined) return [];
  if (typeof value !== 'object') return [String(value)];
  if (value instanceof SeedShift) return [signed(value)];
  if ('width' in value) return [`${value.width}x${value.height}`];
  if ('names' in value) return [];
  return value.map((item: string | LoraValue) => {
    if (typeof item === 'string') return item;
    return item.weight === 1 ? item.path : `${item.path}:${item.weight}`;
  });
}

/** A command line that draws the same picture: everything asked for but where and how to put it. */
export function commandFor(
  prompt: string,
  { seed, variationSeed }: SeedsOfOne,
  values: OptionValues,
  say: Say,
): string {
  const words = quoteForShell(prompt);
  const isPlain = isReadAsPrompt(prompt, say);
  const parts = [say('program'), ...(isPlain ? [words] : [])];
  parts.push(
    ...[['seed', seed] as const, ['variation-seed', variationSeed] as const].flatMap(optionWords),
    ...optionsForCommand(values),
  );
  return [...parts, ...(isPlain ? [] : ['--', words])].join(' ');
}

/** The options a picture depends on, seeds aside, as they are typed. */
export function optionsForCommand(values: OptionValues): string[] {
  const kept = Object.entries(values).filter(([name]) => !notInCommand.has(name));
  return kept.flatMap(optionWords);
}

function optionWords([name, value]: readonly [
  string,
  OptionValues[keyof OptionValues] | bigint,
]): string[] {
  if (value === true) return [`--${name}`];
  return optionTexts(value).map(
    (text) => `--${name}${text.startsWith('-') ? '=' : ' '}${quoteForShell(text)}`,
  );
}

/** False for prompts that are an option or a command, or nearly one: they need `--` before them. */
function isReadAsPrompt(prompt: string, say: Say): boolean {
  try {
    const { isNamed, words } = parseCommandLine([prompt], say);
    return !isNamed && words.length === 1;
  } catch {
    return false;
  }
}
