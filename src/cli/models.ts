/** @file `maliang models`: what is in the cache, what a model is made of, downloads and removal. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  cachedSnapshot,
  listCachedModels,
  removeCachedModel,
  requireCachedModel,
} from '../hub/cached-models.js';
import { hubCacheFolder } from '../hub/hub-settings.js';
import { type ModelId, parseModelId } from '../hub/model-id.js';
import { type ModelSummary, summarizeModel } from '../hub/model-summary.js';
import { pullModel } from '../hub/resolve-model.js';
import { byteSize } from './byte-size.js';
import { printTable } from './columns.js';
import type { Interruption } from './interruption.js';
import { ShownDownload } from './models-download.js';
import { nearest } from './nearest.js';
import type { OptionName, OptionValues } from './option-table.js';
import type { Invocation } from './parse.js';
import { printable, quoteForShell } from './printable.js';
import type { Terminal } from './terminal.js';
import { helpOrDraw, usageError } from './usage.js';

interface Order {
  /** The id or path; '' for `list`. */
  readonly name: string;
  readonly values: OptionValues;
  readonly terminal: Terminal;
  readonly signal: AbortSignal;
}

interface Action {
  readonly run: (order: Order) => Promise<void>;
  /** Options the action takes. */
  readonly options: readonly OptionName[];
  readonly takesName: boolean;
}

const actions = {
  list: { run: list, options: ['json'], takesName: false },
  show: { run: show, options: ['json', 'revision'], takesName: true },
  pull: {
    run: pull,
    options: ['json', 'revision', 'variant', 'yes', 'quiet'],
    takesName: true,
  },
  remove: { run: remove, options: ['json', 'yes', 'quiet'], takesName: true },
} as const satisfies Record<string, Action>;

const actionNames = Object.keys(actions) as (keyof typeof actions)[];
const builtInName = 'builtin';
const builtInFolder = fileURLToPath(new URL('../../assets/model', import.meta.url));

export async function models(
  { words, values }: Invocation,
  terminal: Terminal,
  { signal }: Interruption,
): Promise<number> {
  const { say } = terminal;
  const [word, ...rest] = words;
  const action = actionNames.find((name) => name === word);
  if (!action) throw noAction(word, words, terminal);
  const where = `${say('program')} models ${action}`;
  const { run, options, takesName } = actions[action] as Action;
  const name = takesName ? rest.shift() : '';
  if (name === undefined || (takesName && name === '')) {
    throw usageError(say, { where, expected: say('usage.modelName') });
  }
  if (rest.length > 0) {
    throw usageError(say, { where, expected: say('usage.noWords'), got: rest.join(' ') });
  }
  const given = Object.keys(values) as OptionName[];
  const stranger = given.find((option) => !options.includes(option));
  if (stranger !== undefined) {
    const expected = say('usage.optionOf', { command: where });
    throw usageError(say, { where, expected, got: `--${stranger}` });
  }
  await run({ name, values, terminal, signal });
  return 0;
}

function noAction(word: string | undefined, words: readonly string[], { say }: Terminal): Error {
  const where = `${say('program')} models`;
  const expected = say('usage.action', { choices: actionNames.join(', ') });
  if (word === undefined) return usageError(say, { where, expected });
  const suggestion = nearest(word, actionNames);
  const next = suggestion
    ? say('usage.meant', { suggestion })
    : helpOrDraw(say, `models ${words.join(' ')}`);
  return usageError(say, { where, expected, got: word, next });
}

async function list({ values, terminal }: Order): Promise<void> {
  const { say } = terminal;
  const cacheFolder = hubCacheFolder(terminal.env);
  const cached = await listCachedModels(cacheFolder);
  const builtIn = await builtInRow();
  const totalBytes = cached.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  if (values.json) {
    terminal.print(JSON.stringify({ models: [...builtIn, ...cached], cacheFolder, totalBytes }));
    return;
  }
  const heads = ['models.id', 'models.bytes', 'models.used', 'models.revisions'] as const;
  const rows = [...builtIn, ...cached].map(({ id, sizeBytes, lastUsed, revisions }) => [
    id,
    byteSize(sizeBytes),
    lastUsed ? dayOf(lastUsed) : '-',
    revisions.map(({ refs, commit }) => refs.join(' ') || commit.slice(0, 8)).join(', ') || '-',
  ]);
  printTable([heads.map((key) => say(key)), ...rows], terminal);
  const size = byteSize(totalBytes);
  terminal.print(say('models.cache', { folder: printable(cacheFolder), size }));
}

/** The model that comes with the package, where it does. */
async function builtInRow() {
  if (!existsSync(builtInFolder)) return [];
  const { sizeBytes } = await summarizeModel(builtInFolder);
  return [{ id: builtInName, path: builtInFolder, sizeBytes, lastUsed: undefined, revisions: [] }];
}

async function show({ name, values, terminal }: Order): Promise<void> {
  const { path, id, commit } = await placeOf(name, values.revision, terminal);
  const summary = await summarizeModel(path);
  if (values.json) {
    terminal.print(JSON.stringify({ id, path, commit, ...summary }));
    return;
  }
  printSummary(id, path, commit, summary, terminal);
}

interface Place {
  readonly id: string | undefined;
  readonly path: string;
  readonly commit: string | undefined;
}

/** A path that exists, the built-in model, or what the cache has of an id. */
async function placeOf(
  name: string,
  revision: string | undefined,
  terminal: Terminal,
): Promise<Place> {
  const path = resolve(terminal.folder, name);
  const target = existsSync(path) ? undefined : parseModelId(name);
  if (!target) {
    if (revision !== undefined) throw noId('--revision', name, terminal);
    const isBuiltIn = name === builtInName && !existsSync(path);
    if (isBuiltIn) return { id: builtInName, path: builtInFolder, commit: undefined };
    return { id: undefined, path, commit: undefined };
  }
  const { id, file } = target;
  const wanted = revision ?? target.revision;
  const isTwice = target.revision !== undefined && target.revision !== wanted;
  if (isTwice) throw noId('--revision', name, terminal);
  const found = await cachedSnapshot(hubCacheFolder(terminal.env), id, wanted);
  return { id, path: file ? resolve(found.path, file) : found.path, commit: found.commit };
}

function printSummary(
  id: string | undefined,
  path: string,
  commit: string | undefined,
  { className, parts, sizeBytes, licence }: ModelSummary,
  terminal: Terminal,
): void {
  const { say } = terminal;
  const facts = [
    ['models.id', id],
    ['models.class', className],
    ['models.path', path],
    ['models.commit', commit],
    ['models.licence', licence],
    ['models.bytes', byteSize(sizeBytes)],
  ] as const;
  const known = facts.flatMap(([key, value]) => (value === undefined ? [] : [[say(key), value]]));
  printTable(known, terminal);
  terminal.print();
  const heads = ['models.part', 'models.class', 'models.numbers', 'models.bytes'] as const;
  const rows = parts.map((part) => [
    part.variant === undefined ? part.name : `${part.name} (${part.variant})`,
    part.className ?? '-',
    Object.entries(part.dtypes)
      .map(([dtype, count]) => `${dtype} ${countText(count)}`)
      .join(', ') || '-',
    part.files.length === 0 ? '-' : byteSize(part.sizeBytes),
  ]);
  printTable([heads.map((key) => say(key)), ...rows], terminal);
}

async function pull({ name, values, terminal, signal }: Order): Promise<void> {
  const { say } = terminal;
  requireId(name, terminal);
  const { revision, variant, yes } = values;
  const isQuiet = values.quiet === true;
  await using download = new ShownDownload(name, { terminal, signal, isQuiet, isAgreed: yes });
  const model = await pullModel(name, { revision, variant, ...download.options });
  for (const warning of model.warnings) {
    const label = terminal.style('stderr', 'yellow', `${say('warning.label')}:`);
    terminal.note(`${label} ${printable(warning)}`);
  }
  if (values.json) terminal.print(JSON.stringify({ id: model.name, ...model }));
  else if (isQuiet) terminal.print(printable(model.path));
  else terminal.print(say('models.pulled', { id: model.name, path: printable(model.path) }));
}

async function remove({ name, values, terminal, signal }: Order): Promise<void> {
  const { say } = terminal;
  const target = requireId(name, terminal);
  // All of a model is removed: a revision or file beside the id must not be passed over.
  if (target.id !== name) throw noId(`${say('program')} models remove`, name, terminal);
  const cacheFolder = hubCacheFolder(terminal.env);
  const { id, sizeBytes } = await requireCachedModel(cacheFolder, target.id);
  const size = byteSize(sizeBytes);
  if (!values.yes) {
    if (!terminal.canAsk) throw wantsYes(name, terminal);
    const question = say('models.askRemove', { id, size });
    if (!(await terminal.agrees(question, false, signal))) {
      terminal.note(say('models.kept'));
      return;
    }
  }
  const removed = await removeCachedModel(cacheFolder, id);
  if (values.json) terminal.print(JSON.stringify({ removed }));
  else if (!values.quiet) terminal.print(say('models.removed', { id, size }));
}

/** An id of the hub, never a path. */
function requireId(name: string, terminal: Terminal): ModelId {
  const target = parseModelId(name);
  if (target) return target;
  throw noId(`${terminal.say('program')} models`, name, terminal);
}

function noId(where: string, got: string, { say }: Terminal): Error {
  return usageError(say, { where, expected: say('usage.modelId'), got });
}

function wantsYes(name: string, { say }: Terminal): Error {
  const where = `${say('program')} models remove`;
  const example = `${where} ${quoteForShell(name)} --yes`;
  const next = say('usage.yesNext', { example });
  return usageError(say, { where, expected: say('usage.yes'), next });
}

/** In local time, as `2026-11-26`. */
function dayOf(date: Date): string {
  const two = (value: number): string => `${value}`.padStart(2, '0');
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

/** `859.5 M`. */
function countText(count: number): string {
  if (count < 1000) return `${count}`;
  const units = ['k', 'M', 'G'];
  const power = Math.min(units.length, Math.floor(Math.log10(count) / 3));
  return `${Number((count / 1000 ** power).toPrecision(4))} ${units[power - 1]}`;
}
