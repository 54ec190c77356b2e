/** @file Which files of a repository a pipeline needs: by model_index.json, safetensors only, one variant. */
import { complain } from '../core/errors.js';
import { type ModelFolder, weightBases, weightCandidates } from './local-folder.js';
import { isPickleName } from './model-id.js';

export interface NeededFiles {
  /** In the order of the components. */
  readonly paths: readonly string[];
  /** Folders whose weights are there as pickles only; '' is the root. */
  readonly pickled: readonly string[];
  /** Folders without any weights. */
  readonly bare: readonly string[];
  /** Folders that lack the variant, so that their plain files are taken. */
  readonly plain: readonly string[];
  /** Folders with files of the variant. */
  readonly varied: readonly string[];
}

export const indexFile = 'model_index.json';
export const cardFile = 'README.md';

/** Loaded by other programs to black pictures out, never by a pipeline here. */
const unreadComponents = new Set(['safety_checker']);
const weightless = /Tokenizer|Scheduler|Processor|FeatureExtractor/;
const optional = /Processor|FeatureExtractor/;

/** The files of a folder in the layout of diffusers. */
export function pipelineFiles(
  { components }: ModelFolder,
  paths: Iterable<string>,
  variant?: string,
): NeededFiles {
  const all = [...paths];
  const parts = [...components.values()]
    .filter(({ name }) => !unreadComponents.has(name))
    .map(({ name, className }) => {
      const needsWeights = !weightless.test(className);
      const files = componentFiles(name, all, { variant, needsWeights });
      return optional.test(className) ? { ...files, bare: [] } : files;
    });
  const root = [indexFile, cardFile].filter((name) => all.includes(name));
  return joined([{ ...nothing, paths: root }, ...parts]);
}

/** The files of one component, in a folder or, with '', at the root. */
export function componentFiles(
  folder: string,
  paths: Iterable<string>,
  { variant, needsWeights }: { variant?: string | undefined; needsWeights: boolean },
): NeededFiles {
  const prefix = folder === '' ? '' : `${folder}/`;
  const names = [...paths]
    .filter((path) => path.startsWith(prefix) && !path.slice(prefix.length).includes('/'))
    .map((path) => path.slice(prefix.length));
  const side = names.filter(isSideFile);
  const { files, hasVariant } = weightFiles(new Set(names), variant);
  const hasPickles = names.some(isPickleName);
  const isBare = files.length === 0 && !hasPickles && needsWeights;
  const isVaried = variant !== undefined && files.length > 0;
  return {
    paths: [...side, ...files].map((name) => `${prefix}${name}`),
    pickled: files.length === 0 && hasPickles ? [folder] : [],
    bare: isBare || (names.length === 0 && folder !== '') ? [folder] : [],
    plain: isVaried && !hasVariant ? [folder] : [],
    varied: isVaried && hasVariant ? [folder] : [],
  };
}

/** Configurations and vocabularies; an index of weights is taken with its weights. */
function isSideFile(name: string): boolean {
  return (
    name === cardFile ||
    (/\.(?:json|txt|model)$/.test(name) && !/\.index\.(?:\w+\.)?json$/.test(name))
  );
}

/** The weight file or the index with its shards that reading the folder would take. */
function weightFiles(
  names: ReadonlySet<string>,
  variant: string | undefined,
): { files: string[]; hasVariant: boolean } {
  const ofVariant = variant === undefined ? [] : weightCandidates(variant);
  const found = [...ofVariant, ...weightCandidates(undefined)].find((name) => names.has(name));
  if (found === undefined) return { files: [], hasVariant: false };
  const hasVariant = ofVariant.includes(found);
  if (!found.endsWith('.json')) return { files: [found], hasVariant };
  const shards = shardsOf(found, names, hasVariant ? variant : undefined);
  return { files: [found, ...shards], hasVariant };
}

/** `base.fp16-00001-of-00002.safetensors`, as written now, or `base-00001-of-00002.fp16.safetensors`. */
function shardsOf(
  index: string,
  names: ReadonlySet<string>,
  variant: string | undefined,
): string[] {
  const base = weightBases.find((name) => index.startsWith(`${name}.`))!;
  const count = String.raw`\d+-of-\d+`;
  const tag = variant === undefined ? '' : `\\.${variant.replaceAll('.', '\\.')}`;
  const now = new RegExp(`^${base}${tag}-${count}\\.safetensors$`);
  const before = new RegExp(`^${base}-${count}${tag}\\.safetensors$`);
  const matching = (pattern: RegExp): string[] => [...names].filter((name) => pattern.test(name));
  const shards = matching(now);
  return (shards.length > 0 ? shards : matching(before)).sort();
}

/** Variants a list of paths has weights of, such as `fp16`. */
export function variantsIn(paths: Iterable<string>): string[] {
  const pattern = new RegExp(
    `(?:^|/)(?:${weightBases.join('|')})(?:-\\d+-of-\\d+)?\\.([\\w-]+?)(?:-\\d+-of-\\d+)?\\.safetensors$`,
  );
  const found = [...paths].flatMap((path) => pattern.exec(path)?.[1] ?? []);
  return [...new Set(found)].sort();
}

/** The error for a variant no component has. */
export function noVariant(where: string, variant: string, paths: Iterable<string>): Error {
  const others = variantsIn(paths);
  return complain('MODEL_NOT_FOUND', {
    where,
    expected: `weights of the variant ${JSON.stringify(variant.slice(0, 40))}`,
    got: others.length === 0 ? 'no variants' : others.join(', '),
    next: 'Name one of those, or leave the variant out.',
  });
}

const nothing: NeededFiles = { paths: [], pickled: [], bare: [], plain: [], varied: [] };

function joined(parts: readonly NeededFiles[]): NeededFiles {
  const all = (key: keyof NeededFiles): string[] => parts.flatMap((part) => part[key]);
  return {
    paths: all('paths'),
    pickled: all('pickled'),
    bare: all('bare'),
    plain: all('plain'),
    varied: all('varied'),
  };
}
