/** @file Every option of every command: how it is written, what it takes, where it belongs. */
import { type MetricName, metricNames } from '../metrics/metric-names.js';
import { type JudgeValue, readJudges, writtenJudges } from './judge-option.js';
import type { MessageKey } from './messages.js';

export const commandNames = [
  'generate',
  'again',
  'info',
  'rank',
  'caption',
  'evaluate',
  'models',
  'train',
  'doctor',
  'samplers',
] as const;
export type CommandName = (typeof commandNames)[number];

/** Reads a value; a message key with its values says what was expected instead. */
export type ReadValue<T> = (text: string) => T | Expectation;

export class Expectation {
  readonly key: MessageKey;
  readonly values: Readonly<Record<string, string | number>>;

  constructor(key: MessageKey, values: Readonly<Record<string, string | number>> = {}) {
    this.key = key;
    this.values = values;
  }
}

interface OptionRow<T> {
  /** True for options that may be given several times; their value is a list. */
  readonly isRepeatable?: boolean;
  readonly commands: readonly CommandName[];
  /** What the help shows for the value; none for a switch. */
  readonly value?: string;
  readonly short?: string;
  readonly read: ReadValue<T>;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

const drawing = ['generate', 'again'] as const;
const training = ['train'] as const;
const both = ['generate', 'again', 'train'] as const;
const hub = ['generate', 'again', 'models'] as const;
const measuring = ['evaluate'] as const;
const judging = ['generate', 'again', 'rank'] as const;
const choosing = ['generate', 'again'] as const;

/** In the order the help lists them. */
export const optionTable = {
  seed: row(['generate', 'again', 'evaluate'], readSeed, 'N'),
  num: row(drawing, wholeNumber(1, 1000), 'N'),
  'best-of': row(choosing, wholeNumber(1, 1000), 'N'),
  keep: row(choosing, wholeNumber(1, 1000), 'N'),
  judge: row(judging, readJudgeList, 'LIST'),
  'near-miss': { ...row(judging, someText, 'TEXT'), isRepeatable: true as const },
  early: row(choosing, always),
  sheet: row(choosing, someText, 'FILE'),
  captioner: row(['generate', 'again', 'caption'], someText, 'MODEL'),
  begin: row(['caption'], someText, 'TEXT'),
  beams: row(['caption'], wholeNumber(1, 16), 'N'),
  steps: row(drawing, wholeNumber(1, 1000), 'N'),
  guidance: row(drawing, number(0, 100), 'X'),
  negative: row(drawing, (value) => value, 'TEXT'),
  size: row(drawing, readSize, 'WxH'),
  init: row(drawing, someText, 'IMAGE'),
  strength: row(drawing, number(0, 1), 'X'),
  mask: row(drawing, someText, 'IMAGE'),
  'mask-blur': row(drawing, number(0, 1000), 'PX'),
  'only-masked': row(drawing, wholeNumber(0, 16_384), 'PX'),
  vary: row(drawing, someText, 'IMAGE'),
  'variation-seed': row(drawing, wholeNumber(0, Number.MAX_SAFE_INTEGER), 'N'),
  'variation-strength': row(drawing, number(0, 1), 'X'),
  sampler: row(drawing, someText, 'NAME'),
  schedule: row(drawing, someText, 'NAME'),
  'clip-skip': row(drawing, wholeNumber(0, 100), 'N'),
  'guidance-rescale': row(drawing, number(0, 1), 'X'),
  syntax: row(drawing, oneOf('a1111', 'plain'), 'NAME'),
  noise: row(drawing, oneOf('cpu', 'cuda'), 'NAME'),
  device: row(
    [...drawing, 'rank', 'caption'],
    oneOf('cpu', 'cuda', 'webgpu', 'coreml', 'dml'),
    'NAME',
  ),
  tile: row(drawing, oneOf('auto', 'never', 'always'), 'WHEN'),
  'low-memory': row(drawing, always),
  precision: row(drawing, oneOf('f32', 'int8'), 'NAME'),
  fast: row(drawing, always),
  'preview-decoder': row(drawing, someText, 'PATH'),
  model: row(['generate', 'again', 'doctor'], someText, 'MODEL'),
  vae: row(drawing, someText, 'PATH'),
  lora: { ...row(drawing, readLora, 'FILE:WEIGHT'), isRepeatable: true as const },
  embedding: { ...row(drawing, someText, 'FILE'), isRepeatable: true as const },
  prediction: row(drawing, readPrediction, 'TYPE'),
  revision: row(hub, someText, 'NAME'),
  variant: row(hub, readVariant, 'NAME'),
  offline: row([...drawing, 'rank', 'caption'], always),
  yes: row([...hub, 'rank', 'caption'], always),
  real: row(measuring, someText, 'FOLDER'),
  fake: row(measuring, someText, 'FOLDER'),
  features: row(measuring, someText, 'PATH'),
  metrics: row(measuring, readMetrics, 'LIST'),
  resize: row(measuring, oneOf('clean', 'legacy', 'clip'), 'RULE'),
  prompts: row(measuring, someText, 'FILE'),
  bootstrap: row(measuring, wholeNumber(0, 100_000), 'N'),
  batch: row(measuring, wholeNumber(1, 1024), 'N'),
  config: row(training, someText, 'FILE'),
  resume: row(training, always),
  out: row(both, someText, 'PATH'),
  format: row(drawing, oneOf('png', 'jpeg', 'webp'), 'NAME'),
  quality: row(drawing, readQuality, 'N'),
  metadata: row(drawing, oneOf('full', 'minimal', 'mark'), 'LEVEL'),
  alt: row(drawing, someText, 'TEXT'),
  threads: row([...both, 'rank', 'caption', 'evaluate'], wholeNumber(1, 1024), 'N'),
  json: row(
    ['generate', 'again', 'info', 'rank', 'caption', 'evaluate', 'models', 'samplers'],
    always,
  ),
  quiet: row(['generate', 'again', 'rank', 'caption', 'evaluate', 'models', 'train'], always),
  help: { ...row(commandNames, always), short: 'h' },
  version: { ...row(commandNames, always), short: 'v' },
} as const satisfies Record<string, OptionRow<unknown>>;

export type OptionName = keyof typeof optionTable;
export const optionNames = Object.keys(optionTable) as OptionName[];

/** The options that were given, read. */
export type OptionValues = {
  -readonly [K in OptionName]?: (typeof optionTable)[K] extends { readonly isRepeatable: true }
    ? readonly Read<K>[]
    : Read<K>;
};

type Read<K extends OptionName> = Exclude<ReturnType<(typeof optionTable)[K]['read']>, Expectation>;

/** The row of an option, its value type aside. */
export function optionRow(name: OptionName): OptionRow<unknown> {
  return optionTable[name];
}

/** `--seed N` or `--json`, as the help and messages show it. */
export function optionUsage(name: OptionName): string {
  const { value } = optionRow(name);
  return value === undefined ? `--${name}` : `--${name} ${value}`;
}

function row<T>(
  commands: readonly CommandName[],
  read: ReadValue<T>,
  value?: string,
): OptionRow<T> {
  return { commands, read, ...(value === undefined ? {} : { value }) };
}

function wholeNumber(min: number, max: number): ReadValue<number> {
  return (text) => {
    const value = Number(text);
    const isWhole = /^\d{1,16}$/.test(text) && Number.isSafeInteger(value);
    if (isWhole && value >= min && value <= max) return value;
    return new Expectation('usage.wholeNumber', { min, max });
  };
}

function number(min: number, max: number): ReadValue<number> {
  return (text) => {
    const value = Number(text);
    if (/^\d+(\.\d*)?$|^\.\d+$/.test(text) && value >= min && value <= max) return value;
    return new Expectation('usage.number', { min, max });
  };
}

/** So many seeds after or before that of the picture to draw again. */
export class SeedShift {
  readonly by: number;

  constructor(by: number) {
    this.by = by;
  }
}

/** `7`, or `+1` and `-1`, which only `again` takes. */
function readSeed(text: string): number | SeedShift | Expectation {
  return /^[-+]\d{1,15}$/.test(text)
    ? new SeedShift(Number(text))
    : wholeNumber(0, Number.MAX_SAFE_INTEGER)(text);
}

function readJudgeList(text: string): JudgeValue | Expectation {
  const names = writtenJudges.join(', ');
  return readJudges(text) ?? new Expectation('usage.judges', { names });
}

function readQuality(text: string): number | 'lossless' | Expectation {
  if (text.toLowerCase() === 'lossless') return 'lossless';
  const value = wholeNumber(1, 100)(text);
  return value instanceof Expectation ? new Expectation('usage.quality') : value;
}

/** `128x96`, or `128` for a square. */
function readSize(text: string): Size | Expectation {
  const found = /^(\d{1,4})(?:[x×](\d{1,4}))?$/i.exec(text);
  const width = Number(found?.[1]);
  const height = Number(found?.[2] ?? found?.[1]);
  const fits = (side: number): boolean => side >= 8 && side <= 4096;
  return fits(width) && fits(height) ? { width, height } : new Expectation('usage.size');
}

export interface LoraValue {
  readonly path: string;
  readonly weight: number;
}

/** `style.safetensors` or `style.safetensors:0.8`; drive letters keep their colon. */
function readLora(text: string): LoraValue | Expectation {
  const found = /^(.+):([-+]?(?:\d+\.?\d*|\.\d+))$/.exec(text);
  if (found) return { path: found[1]!, weight: Number(found[2]) };
  return text.length > 0 ? { path: text, weight: 1 } : new Expectation('usage.lora');
}

const predictions = ['epsilon', 'v_prediction', 'sample'] as const;

function readPrediction(text: string): (typeof predictions)[number] | Expectation {
  const found = predictions.find((name) => name === text);
  return found ?? new Expectation('usage.prediction', { names: predictions.join(', ') });
}

function oneOf<const T extends string>(...choices: readonly T[]): ReadValue<T> {
  return (text) =>
    choices.find((choice) => choice === text.toLowerCase()) ??
    new Expectation('usage.oneOf', { choices: choices.join(', ') });
}

/** `fid,kid`: names of metrics, each once. */
function readMetrics(text: string): readonly MetricName[] | Expectation {
  const names = text.toLowerCase().split(',');
  const found = names.flatMap((name) => metricNames.filter((known) => known === name.trim()));
  const isWhole = found.length === names.length && new Set(found).size === found.length;
  return isWhole ? found : new Expectation('usage.metrics', { names: metricNames.join(', ') });
}

function someText(text: string): string | Expectation {
  return text.length > 0 ? text : new Expectation('usage.text');
}

function readVariant(text: string): string | Expectation {
  return /^[\w-]{1,40}$/.test(text) ? text : new Expectation('usage.variant');
}

function always(): true {
  return true;
}
