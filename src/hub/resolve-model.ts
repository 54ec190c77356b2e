/** @file Where a model is: a folder, a file, or an id of a hub whose files are in the cache or fetched. */
import { readdir, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { complain } from '../core/errors.js';
import { type FetchOptions, fetchModel } from './fetch-model.js';
import { type HubSettings, readHubSettings } from './hub-settings.js';
import { readModelFolder } from './local-folder.js';
import { isFile, ModelCache } from './model-cache.js';
import { type CachedModel, findCached } from './model-files.js';
import {
  isPickleName,
  isRevision,
  isSingleFile,
  type ModelId,
  parseModelId,
  pickleByName,
} from './model-id.js';

import {
  indexFile,
  type NeededFiles,
  noVariant,
  pipelineFiles,
  variantsIn,
} from './needed-files.js';

export interface ResolvedModel {
  /** A folder in the layout of diffusers or of one component, or one `.safetensors` file. */
  readonly kind: 'folder' | 'file';
  /** Absolute path. */
  readonly path: string;
  /** The id, or the name of the folder or file. */
  readonly name: string;
  /** For models of a hub: the commit whose files these are. */
  readonly commit?: string;
  /** What was taken otherwise than asked for. */
  readonly warnings: readonly string[];
}

export interface ResolveOptions extends FetchOptions {
  /** Branch, tag, `refs/pr/N` or commit of a hub's model; default `main`. */
  readonly revision?: string | undefined;
  /** Such as `fp16`; a component without it gives its plain files, with a warning. */
  readonly variant?: string | undefined;
  /** True: look in the cache only. Default: HF_HUB_OFFLINE. */
  readonly offline?: boolean | undefined;
  /** Token to send instead of the environment's. */
  readonly token?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Environment to read; default that of the process. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
}

/**
 * Finds a model. A path that exists wins; `owner/name`, `owner/name@revision` and
 * `owner/name/file.safetensors` are looked up in the cache, then fetched. Other texts are paths.
 * Throws MODEL_NOT_FOUND, SAFETENSORS for pickles, USAGE for a revision that fits nothing, CONFIG
 * and what `fetchModel` throws.
 */
export async function resolveModel(
  idOrPath: string,
  options: ResolveOptions = {},
): Promise<ResolvedModel> {
  const found = await stat(idOrPath).catch(() => undefined);
  const target = found ? undefined : targetOf(idOrPath, options);
  if (target) return resolveId(target, options);
  if (options.revision !== undefined) throw noId(idOrPath, 'revision');
  const path = resolve(idOrPath);
  if (found?.isFile() && isPickleName(path)) throw pickleByName(path);
  const kind = found?.isFile() && isSingleFile(path) ? 'file' : 'folder';
  const warnings = kind === 'folder' ? await localVariant(path, options.variant) : [];
  return { kind, path, name: basename(path), warnings };
}

/**
 * As `resolveModel` for an id, but asks the hub for the newest state of the revision even when the
 * cache has one. Throws USAGE for a text that is no id.
 */
export async function pullModel(id: string, options: ResolveOptions = {}): Promise<ResolvedModel> {
  const target = targetOf(id, options);
  if (!target) throw noId(id, 'download');
  const settings = await settingsOf(options);
  if (settings.isOffline) throw await offline(target, settings);
  return fetched(target, settings, options);
}

async function resolveId(target: ModelId, options: ResolveOptions): Promise<ResolvedModel> {
  const settings = await settingsOf(options);
  const cache = new ModelCache(settings.cacheFolder, target.id, settings);
  const cached = await findCached(cache, { target, variant: options.variant });
  if (cached) return resolved(cache, target, cached, options.variant);
  if (settings.isOffline) throw await offline(target, settings);
  return fetched(target, settings, options);
}

async function fetched(
  target: ModelId,
  settings: HubSettings,
  { signal, variant, ...options }: ResolveOptions,
): Promise<ResolvedModel> {
  const cache = new ModelCache(settings.cacheFolder, target.id, settings);
  const session = { settings, signal };
  const model = await fetchModel(cache, { target, variant }, { ...options, session });
  return resolved(cache, target, model, variant);
}

async function settingsOf({ env, offline, token }: ResolveOptions): Promise<HubSettings> {
  const settings = await readHubSettings(env);
  return {
    ...settings,
    isOffline: offline ?? settings.isOffline,
    token: token ?? settings.token,
  };
}

/** The id with its revision; undefined for texts that can only be paths. */
function targetOf(text: string, { revision }: ResolveOptions): ModelId | undefined {
  const target = parseModelId(text);
  if (!target || revision === undefined) return target;
  if (!isRevision(revision)) {
    const got = JSON.stringify(revision.slice(0, 80));
    throw complain('USAGE', { where: 'revision', expected: 'a branch, tag or commit', got });
  }
  if (target.revision === undefined || target.revision === revision) return { ...target, revision };
  const [expected, got] = [`the revision once`, `${target.revision} and ${revision}`];
  throw complain('USAGE', { where: text, expected, got });
}

function resolved(
  cache: ModelCache,
  { id, file }: ModelId,
  { commit, files, conversion }: CachedModel,
  variant: string | undefined,
): ResolvedModel {
  const snapshot = cache.snapshot(commit);
  const warnings = plainWarnings(id, files, variant);
  if (conversion) {
    warnings.push(`${id}: main has pickles only; their conversion in ${conversion} is read.`);
  }
  const name = file === undefined ? id : `${id}/${file}`;
  if (files.file === undefined) return { kind: 'folder', path: snapshot, name, commit, warnings };
  return { kind: 'file', path: join(snapshot, files.file), name, commit, warnings };
}

function plainWarnings(name: string, { plain }: NeededFiles, variant?: string): string[] {
  return plain.map(
    (part) => `${name}: ${part || 'the model'} has no ${variant} weights; its plain ones are read.`,
  );
}

/** What a folder lacks of a variant. Throws MODEL_NOT_FOUND when it has none of it. */
async function localVariant(path: string, variant: string | undefined): Promise<string[]> {
  if (variant === undefined || !(await isFile(join(path, indexFile)))) return [];
  const names = await readdir(path, { recursive: true });
  const files = pipelineFiles(
    await readModelFolder(path),
    names.map((name) => name.replaceAll('\\', '/')),
    variant,
  );
  if (files.varied.length === 0) throw noVariant(path, variant, names);
  return plainWarnings(basename(path), files, variant);
}

async function offline({ id, revision }: ModelId, settings: HubSettings): Promise<Error> {
  const { cacheFolder } = settings;
  const cache = new ModelCache(cacheFolder, id, settings);
  const commit = await cache.commitOf(revision ?? 'main');
  const present = commit === undefined ? [] : await cache.filesOf(commit);
  const variants = variantsIn(present);
  const pull = 'or, while online, `maliang models pull` it';
  return complain('MODEL_NOT_FOUND', {
    where: `hub: ${id}${revision === undefined ? '' : `@${revision}`}`,
    expected: `a folder of that name, or the whole model in ${cacheFolder}`,
    got: present.length === 0 ? 'neither, while offline' : 'a part of it, while offline',
    next:
      variants.length === 0
        ? `Name a folder that exists, ${pull}.`
        : `Ask for the variant ${variants.join(' or ')}, ${pull}.`,
  });
}

function noId(text: string, what: string): Error {
  return complain('USAGE', {
    where: what,
    expected: 'a model id such as owner/name',
    got: JSON.stringify(text.slice(0, 80)),
    next: 'Only models of a hub have revisions and can be downloaded.',
  });
}
