/** @file What a model is made of, read from its files alone: class, parts, number formats, sizes, licence. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { complain } from '../core/errors.js';
import type { Dtype } from '../core/tensor-data.js';
import { readJson, readModelFolder } from './local-folder.js';
import { isFile } from './model-cache.js';
import { cardFile, indexFile, variantsIn } from './needed-files.js';
import { readWeightFile } from './weight-file.js';

/** The weights of one component in one variant; without weights for tokenizers and schedulers. */
export interface PartSummary {
  /** Folder or file name. */
  readonly name: string;
  readonly className: string | undefined;
  /** Such as `fp16`. */
  readonly variant: string | undefined;
  readonly files: readonly string[];
  /** How many values there are of each number format. */
  readonly dtypes: Readonly<Partial<Record<Dtype, number>>>;
  readonly parameters: number;
  readonly sizeBytes: number;
}

export interface ModelSummary {
  readonly className: string | undefined;
  readonly parts: readonly PartSummary[];
  readonly sizeBytes: number;
  /** As the model card says. */
  readonly licence: string | undefined;
}

const cardLimitBytes = 5_000_000;

/**
 * Reads a pipeline folder, a component folder or one safetensors file. Throws MODEL_NOT_FOUND,
 * CONFIG, FILE_READ or SAFETENSORS.
 */
export async function summarizeModel(path: string): Promise<ModelSummary> {
  if (await isFile(path)) {
    const parts = [await summarizeFiles(basename(path), undefined, undefined, [path])];
    return { className: undefined, parts, sizeBytes: parts[0]!.sizeBytes, licence: undefined };
  }
  const { className, parts } = (await isFile(join(path, indexFile)))
    ? await summarizePipeline(path)
    : await summarizeComponent(path);
  const sizeBytes = parts.reduce((sum, part) => sum + part.sizeBytes, 0);
  return { className, parts, sizeBytes, licence: await licenceOf(path) };
}

async function summarizePipeline(path: string): Promise<Pick<ModelSummary, 'className' | 'parts'>> {
  const { className, components } = await readModelFolder(path);
  const parts: PartSummary[] = [];
  for (const component of components.values()) {
    parts.push(...(await partsOf(join(path, component.name), component.name, component.className)));
  }
  return { className, parts };
}

async function summarizeComponent(
  path: string,
): Promise<Pick<ModelSummary, 'className' | 'parts'>> {
  if (!(await isFile(join(path, 'config.json')))) {
    throw complain('MODEL_NOT_FOUND', {
      where: path,
      expected: 'a safetensors file, or a folder with a model_index.json or a config.json',
      got: (await stat(path).catch(() => undefined)) ? 'something else' : 'nothing there',
    });
  }
  const config = await readJson(join(path, 'config.json'));
  const architecture = Array.isArray(config.architectures) ? config.architectures[0] : undefined;
  const name = config._class_name ?? architecture;
  const className = typeof name === 'string' ? name : undefined;
  return { className, parts: await partsOf(path, basename(path), className) };
}

/** One entry for each variant the folder has. */
async function partsOf(
  folder: string,
  name: string,
  className: string | undefined,
): Promise<PartSummary[]> {
  const all = (await readdir(folder).catch(() => [])).sort();
  const weights = all.filter((file) => file.endsWith('.safetensors'));
  const groups = new Map<string | undefined, string[]>();
  for (const file of weights) {
    const [variant] = variantsIn([file]);
    groups.set(variant, [...(groups.get(variant) ?? []), join(folder, file)]);
  }
  if (groups.size === 0) groups.set(undefined, []);
  return Promise.all(
    [...groups].map(([variant, files]) => summarizeFiles(name, className, variant, files)),
  );
}

async function summarizeFiles(
  name: string,
  className: string | undefined,
  variant: string | undefined,
  files: readonly string[],
): Promise<PartSummary> {
  const dtypes: Partial<Record<Dtype, number>> = {};
  let parameters = 0;
  let sizeBytes = 0;
  for (const file of files) {
    sizeBytes += (await stat(file)).size;
    for (const { dtype, shape } of (await readWeightFile(file)).tensors.values()) {
      const count = shape.reduce((product, size) => product * size, 1);
      dtypes[dtype] = (dtypes[dtype] ?? 0) + count;
      parameters += count;
    }
  }
  return { name, className, variant, files, dtypes, parameters, sizeBytes };
}

/** The `license` of the card's front matter, or its `license_name` where that is `other`. */
async function licenceOf(folder: string): Promise<string | undefined> {
  const file = join(folder, cardFile);
  const found = await stat(file).catch(() => undefined);
  if (!found?.isFile() || found.size > cardLimitBytes) return undefined;
  const text = await readFile(file, 'utf8').catch(() => '');
  const [, matter = ''] = /^\uFEFF?---\r?\n([\s\S]*?)\r?\n---/.exec(text) ?? [];
  const field = (name: string): string | undefined => {
    const [, value] = new RegExp(`^${name}:[ \\t]*(\\S.*?)[ \\t]*$`, 'm').exec(matter) ?? [];
    return value?.replace(/^(["'])(.*)\1$/, '$2').slice(0, 200);
  };
  const licence = field('license');
  return licence === 'other' ? (field('license_name') ?? licence) : licence;
}
