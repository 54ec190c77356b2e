/** @file What a repository is (a pipeline, one component or one weight file), which files of it are needed, and whether they are there. */
import { complain } from '../core/errors.js';
import { shown } from './hub-errors.js';
import { type ModelFolder, readJson, readModelFolder } from './local-folder.js';
import type { ModelCache } from './model-cache.js';
import { isInside, isPickleName, type ModelId, pickleByName } from './model-id.js';
import { componentFiles, indexFile, type NeededFiles, pipelineFiles } from './needed-files.js';

export interface ModelFiles extends NeededFiles {
  /** The one weight file the model is, as a path in the repository. */
  readonly file?: string;
}

export interface Wanted {
  readonly target: ModelId;
  readonly variant: string | undefined;
}

/**
 * Chooses among the paths of a repository. `readFolder` is called when there is a model_index.json.
 * Throws MODEL_NOT_FOUND when there is nothing to choose, SAFETENSORS for a pickle asked by name.
 */
export async function modelFilesOf(
  paths: readonly string[],
  { target, variant }: Wanted,
  readFolder: () => Promise<ModelFolder>,
): Promise<ModelFiles> {
  const { id, file } = target;
  if (file !== undefined) return oneFile(id, paths, file);
  if (paths.includes(indexFile)) return pipelineFiles(await readFolder(), paths, variant);
  if (paths.includes('config.json')) {
    return componentFiles('', paths, { variant, needsWeights: true });
  }
  const atRoot = paths.filter((path) => !path.includes('/'));
  const weights = atRoot.filter((path) => path.endsWith('.safetensors'));
  if (weights.length === 1) return oneFile(id, paths, weights[0]!);
  const pickles = atRoot.filter(isPickleName);
  if (weights.length === 0 && pickles.length > 0) throw pickleByName(`hub: ${id}/${pickles[0]}`);
  throw complain('MODEL_NOT_FOUND', {
    where: `hub: ${id}`,
    expected: 'a model_index.json, a config.json or one safetensors file',
    got: weights.length === 0 ? 'none' : `${weights.slice(0, 8).map(shown).join(', ')}`,
    ...(weights.length === 0 ? {} : { next: `Name one, such as ${id}/${shown(weights[0]!)}.` }),
  });
}

function oneFile(id: string, paths: readonly string[], file: string): ModelFiles {
  if (isPickleName(file)) throw pickleByName(`hub: ${id}/${file}`);
  if (paths.includes(file)) {
    return { paths: [file], pickled: [], bare: [], plain: [], varied: [], file };
  }
  const others = paths.filter((path) => path.endsWith('.safetensors')).slice(0, 8);
  throw complain('MODEL_NOT_FOUND', {
    where: `hub: ${id}`,
    expected: shown(file),
    got: others.length === 0 ? 'no safetensors file' : others.map(shown).join(', '),
    next: 'Name a file of the model.',
  });
}

export interface CachedModel {
  readonly commit: string;
  readonly files: ModelFiles;
  /** The pull request with the converted weights, when `main` has pickles only. */
  readonly conversion?: string;
}

/** The model at a revision when all files needed are in the cache; no request is made. */
export async function findCached(
  cache: ModelCache,
  wanted: Wanted,
): Promise<CachedModel | undefined> {
  const revision = wanted.target.revision ?? 'main';
  const commit = await cache.commitOf(revision);
  if (commit === undefined) return undefined;
  const files = await cachedFiles(cache, commit, wanted);
  if (files && files.pickled.length === 0) return { commit, files };
  if (!files || revision !== 'main') return undefined;
  for (const conversion of await cache.pullRequests()) {
    const converted = await cache.commitOf(conversion);
    if (converted === undefined) continue;
    const found = await cachedFiles(cache, converted, wanted);
    if (found && found.pickled.length === 0) return { commit: converted, files: found, conversion };
  }
  return undefined;
}

/** Undefined unless every file needed is there, weights that exist only as pickles aside. */
async function cachedFiles(
  cache: ModelCache,
  commit: string,
  wanted: Wanted,
): Promise<ModelFiles | undefined> {
  const present = await cache.filesOf(commit);
  const listed = (await cache.listedFiles(commit))?.filter(isInside);
  const paths = listed ?? present;
  const isMissing = (path: string): boolean => !present.includes(path);
  if (present.length === 0) return undefined;
  if (wanted.target.file !== undefined && isMissing(wanted.target.file)) return undefined;
  if (paths.includes(indexFile) && isMissing(indexFile)) return undefined;
  const hasRoot = paths.some((path) =>
    /^(?:model_index|config)\.json$|^[^/]+\.safetensors$/.test(path),
  );
  if (!hasRoot && wanted.target.file === undefined) return undefined;
  const files = await modelFilesOf(paths, wanted, () => readModelFolder(cache.snapshot(commit)));
  if (files.pickled.length > 0) return files;
  if (files.bare.length > 0 || files.paths.some(isMissing)) return undefined;
  if (wanted.variant !== undefined && files.varied.length === 0 && !files.file) return undefined;
  const isWhole = listed !== undefined || (await hasAllShards(cache, commit, files, present));
  return isWhole ? files : undefined;
}

/** Without a list of the repository's files, the indexes say which shards there are. */
async function hasAllShards(
  cache: ModelCache,
  commit: string,
  { paths }: ModelFiles,
  present: readonly string[],
): Promise<boolean> {
  for (const path of paths) {
    if (!/\.index\.(?:\w+\.)?json$/.test(path)) continue;
    const index = await readJson(`${cache.snapshot(commit)}/${path}`);
    const folder = path.slice(0, path.lastIndexOf('/') + 1);
    const shards = Object.values((index.weight_map ?? {}) as object).map(String);
    if (shards.some((shard) => !present.includes(`${folder}${shard}`))) return false;
  }
  return true;
}
