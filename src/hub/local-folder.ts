/** @file Model folders in the diffusers layout: model_index.json and one folder per component with config.json and safetensors. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { complain } from '../core/errors.js';
import {
  readWeightFile,
  regularFileSize,
  type StoredTensor,
  unreadable,
  type WeightFile,
} from './weight-file.js';

/** Fields of a JSON file. Read them with `Object.hasOwn`: the names are not trusted. */
export type JsonObject = Readonly<Record<string, unknown>>;

export interface ComponentReference {
  /** Folder name, such as `unet`. */
  readonly name: string;
  /** Where the class comes from, such as `diffusers`. */
  readonly library: string;
  readonly className: string;
}

export interface ModelFolder {
  /** Absolute path. */
  readonly path: string;
  /** The pipeline class. */
  readonly className: string;
  /** Components in the order of the file; absent ones are left out. */
  readonly components: ReadonlyMap<string, ComponentReference>;
  /** All of model_index.json. */
  readonly index: JsonObject;
}

export interface StoredComponent extends WeightFile {
  readonly path: string;
  readonly className: string;
  readonly config: JsonObject;
  /** Weight files read, in order. */
  readonly files: readonly string[];
  /** False when the variant asked for was not there and the plain file was taken. */
  readonly hasVariant: boolean;
}

export interface ReadComponentOptions {
  /** A variant such as `fp16`; when the component lacks it, its plain file is taken. */
  readonly variant?: string | undefined;
}

const jsonLimitBytes = 25_000_000;
const shardLimit = 10_000;
export const weightBases = ['diffusion_pytorch_model', 'model'] as const;

/** True for a name that stays in its folder: no path, no drive, no control characters. */
export function isPlainName(name: string): boolean {
  return /^[A-Za-z0-9_.-]+$/.test(name) && !/^\.+$/.test(name) && name.length <= 255;
}

/**
 * Reads model_index.json. Throws MODEL_NOT_FOUND when the folder has none, CONFIG when it is not
 * what diffusers writes.
 */
export async function readModelFolder(folder: string): Promise<ModelFolder> {
  const path = resolve(folder);
  const file = join(path, 'model_index.json');
  await wantFile(file, 'a model folder with a model_index.json');
  const index = await readJson(file);
  const components = new Map<string, ComponentReference>();
  for (const [name, value] of Object.entries(index)) {
    const reference = name.startsWith('_') ? undefined : referenceOf(file, name, value);
    if (reference) components.set(name, reference);
  }
  return { path, className: className(file, index), components, index };
}

/** Pipeline options lie beside the components; only pairs of names are components. */
function referenceOf(file: string, name: string, value: unknown): ComponentReference | undefined {
  if (!Array.isArray(value) || value.length !== 2) return undefined;
  const [library, type] = value as [unknown, unknown];
  if (library === null && type === null) return undefined;
  if (typeof library === 'string' && typeof type === 'string') {
    if (isPlainName(name)) return { name, library, className: type };
    throw outside(file, name);
  }
  return undefined;
}

/**
 * Reads a component's config.json and the headers of its weights: one safetensors file or the
 * shards of an index. Throws MODEL_NOT_FOUND when it has no config or no safetensors, CONFIG for a
 * broken config or index, FILE_READ for a missing shard, SAFETENSORS for a damaged one.
 */
export async function readComponent(
  folder: string,
  options: ReadComponentOptions = {},
): Promise<StoredComponent> {
  const path = resolve(folder);
  const configFile = join(path, 'config.json');
  await wantFile(configFile, 'a component folder with a config.json');
  const config = await readJson(configFile);
  const { files, weightMap, hasVariant } = await locateWeights(path, options.variant);
  const { tensors, metadata } = await mergeFiles(files);
  if (weightMap) checkWeightMap(path, weightMap, tensors);
  return {
    path,
    className: className(configFile, config),
    config,
    files,
    tensors,
    metadata,
    hasVariant,
  };
}

interface Located {
  readonly files: readonly string[];
  readonly weightMap?: ReadonlyMap<string, string>;
  readonly hasVariant: boolean;
}

/** Names as diffusers and transformers write them now, then as they did; an index before a plain file. */
export function weightCandidates(variant: string | undefined): string[] {
  return weightBases.flatMap((base) =>
    variant === undefined
      ? [`${base}.safetensors.index.json`, `${base}.safetensors`]
      : [
          `${base}.safetensors.index.${variant}.json`,
          `${base}.safetensors.${variant}.index.json`,
          `${base}.${variant}.safetensors`,
        ],
  );
}

async function locateWeights(path: string, variant: string | undefined): Promise<Located> {
  if (variant !== undefined && !isPlainName(variant)) throw outside(path, variant);
  const present = new Set(await readdir(path));
  const ofVariant = variant === undefined ? [] : weightCandidates(variant);
  const found = [...ofVariant, ...weightCandidates(undefined)].find((name) => present.has(name));
  if (found === undefined) throw noWeights(path, present);
  const hasVariant = variant === undefined || ofVariant.includes(found);
  if (!found.endsWith('.json')) return { files: [join(path, found)], hasVariant };
  const weightMap = await readWeightMap(join(path, found));
  const names = [...new Set(weightMap.values())].sort();
  if (names.length > shardLimit) {
    const expected = `at most ${shardLimit} shards`;
    throw complain('CONFIG', { where: join(path, found), expected, got: `${names.length}` });
  }
  return { files: names.map((name) => join(path, name)), weightMap, hasVariant };
}

function noWeights(path: string, present: ReadonlySet<string>): Error {
  const pickles = [...present].filter((name) => /\.(?:bin|ckpt|pth?|pkl)$/.test(name));
  return complain('MODEL_NOT_FOUND', {
    where: path,
    expected: weightBases.map((base) => `${base}.safetensors`).join(' or '),
    got: pickles.length > 0 ? `only ${pickles.join(', ')}, which are pickles` : 'no weights',
    next: 'Fetch the safetensors version of the model; Maliang never reads pickles.',
  });
}

async function readWeightMap(file: string): Promise<Map<string, string>> {
  const index = await readJson(file);
  const map = Object.hasOwn(index, 'weight_map') ? index.weight_map : undefined;
  if (typeof map !== 'object' || map === null || Array.isArray(map)) {
    throw complain('CONFIG', { where: file, expected: 'a weight_map object', got: typeof map });
  }
  const entries = Object.entries(map);
  for (const [, shard] of entries) {
    if (typeof shard !== 'string' || !isPlainName(shard) || !shard.endsWith('.safetensors')) {
      throw outside(file, String(shard));
    }
  }
  return new Map(entries as [string, string][]);
}

async function mergeFiles(files: readonly string[]): Promise<WeightFile> {
  const tensors = new Map<string, StoredTensor>();
  const metadata = new Map<string, string>();
  for (const file of files) {
    const part = await readWeightFile(file);
    for (const [key, value] of part.metadata) metadata.set(key, value);
    for (const [name, tensor] of part.tensors) {
      const other = tensors.get(name);
      if (other) throw twice(name, other.file, file);
      tensors.set(name, tensor);
    }
  }
  return { tensors, metadata };
}

function twice(name: string, first: string, second: string): Error {
  return complain('WEIGHTS', {
    where: second,
    expected: 'every tensor in one shard',
    got: `${JSON.stringify(name)} also in ${basename(first)}`,
  });
}

function checkWeightMap(
  path: string,
  weightMap: ReadonlyMap<string, string>,
  tensors: ReadonlyMap<string, StoredTensor>,
): void {
  for (const [name, shard] of weightMap) {
    const stored = tensors.get(name);
    if (stored && basename(stored.file) === shard) continue;
    throw complain('WEIGHTS', {
      where: path,
      expected: `tensor ${JSON.stringify(name)} in ${shard}, as the index says`,
      got: stored ? `it in ${basename(stored.file)}` : 'none',
    });
  }
}

/** diffusers writes `_class_name`, transformers `architectures`. */
function className(file: string, json: JsonObject): string {
  const architectures = Object.hasOwn(json, 'architectures') ? json.architectures : undefined;
  const name = Object.hasOwn(json, '_class_name')
    ? json._class_name
    : Array.isArray(architectures)
      ? architectures[0]
      : undefined;
  if (typeof name === 'string') return name;
  const expected = '_class_name or architectures with a class name';
  throw complain('CONFIG', { where: file, expected, got: JSON.stringify(name) ?? 'nothing' });
}

async function wantFile(file: string, expected: string): Promise<void> {
  const found = await stat(file).catch(() => undefined);
  if (!found) throw complain('MODEL_NOT_FOUND', { where: file, expected, got: 'nothing there' });
}

/** Python writes infinities bare, as diffusers does for `lambda_min_clipped`; JSON has numbers that large. */
function withInfinities(text: string): string {
  if (!text.includes('Infinity')) return text;
  return text.replace(/"(?:[^"\\]|\\.)*"|\bInfinity\b/g, (token) =>
    token === 'Infinity' ? '1e999' : token,
  );
}

/** Reads a JSON object of at most 25 MB. Throws FILE_READ or CONFIG. */
export async function readJson(file: string): Promise<JsonObject> {
  const size = await regularFileSize(file);
  if (size > jsonLimitBytes) {
    const expected = `at most ${jsonLimitBytes} bytes of JSON`;
    throw complain('CONFIG', { where: file, expected, got: `${size} bytes` });
  }
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw unreadable(file, cause);
  });
  let value: unknown;
  try {
    value = JSON.parse(withInfinities(text));
  } catch (cause) {
    const quoted = (cause as Error).message.replaceAll(/\s+/g, ' '); // line breaks of the text and all
    const unlike = text.startsWith('\ufeff')
      ? { got: 'a byte order mark before it', next: 'Save the file as UTF-8 without the mark.' }
      : { got: quoted };
    throw complain('CONFIG', { where: file, expected: 'JSON', ...unlike }, cause);
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as JsonObject;
  }
  throw complain('CONFIG', { where: file, expected: 'a JSON object', got: typeof value });
}

function outside(where: string, name: string): Error {
  return complain('CONFIG', {
    where,
    expected: 'names of files and folders beside it',
    got: JSON.stringify(name.slice(0, 80)),
    next: 'The model is damaged or hostile; fetch it again from a source you trust.',
  });
}
