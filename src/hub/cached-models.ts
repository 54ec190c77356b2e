/** @file The models in the cache, whoever downloaded them: their sizes and last use, and how they are removed. */
import { readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { complain } from '../core/errors.js';
import { writeError } from './atomic-file.js';
import { ModelCache } from './model-cache.js';
import { isCommit } from './model-id.js';

export interface CachedRevision {
  readonly commit: string;
  /** Branches, tags and `refs/pr/N` that point to it. */
  readonly refs: readonly string[];
  readonly path: string;
}

export interface CachedModelInfo {
  /** `owner/name`. */
  readonly id: string;
  readonly path: string;
  /** Files shared by revisions count once; begun downloads count. */
  readonly sizeBytes: number;
  /** As far as the disk keeps times of reading. */
  readonly lastUsed: Date | undefined;
  readonly revisions: readonly CachedRevision[];
}

/** Every model of a cache folder by id; none when there is no such folder. */
export async function listCachedModels(cacheFolder: string): Promise<CachedModelInfo[]> {
  const names = await readdir(cacheFolder).catch(() => []);
  const ids = names.flatMap((name) => {
    const [, id] = /^models--(.+)$/.exec(name) ?? [];
    return id === undefined ? [] : [id.replaceAll('--', '/')];
  });
  return Promise.all(ids.sort().map((id) => cachedModel(cacheFolder, id)));
}

/** One model of the cache. Throws MODEL_NOT_FOUND. */
export async function requireCachedModel(
  cacheFolder: string,
  id: string,
): Promise<CachedModelInfo> {
  const { path } = new ModelCache(cacheFolder, id);
  if ((await stat(path).catch(() => undefined))?.isDirectory()) {
    return cachedModel(cacheFolder, id);
  }
  throw complain('MODEL_NOT_FOUND', {
    where: id,
    expected: `a model in ${cacheFolder}`,
    got: 'none of that name',
    next: 'See `maliang models list`.',
  });
}

/**
 * The folder of a revision, whole or not; for `main` with pickles only, that of its conversion.
 * Throws MODEL_NOT_FOUND.
 */
export async function cachedSnapshot(
  cacheFolder: string,
  id: string,
  revision = 'main',
): Promise<CachedRevision> {
  const { revisions } = await requireCachedModel(cacheFolder, id);
  const fits = ({ commit, refs }: CachedRevision): boolean =>
    commit === revision || refs.includes(revision);
  const conversions = revision === 'main' ? revisions.filter(isConversion) : [];
  const found = [...revisions.filter(fits), ...conversions];
  for (const one of found) if (await hasWeights(one.path)) return one;
  if (found[0]) return found[0];
  throw complain('MODEL_NOT_FOUND', {
    where: `${id}@${revision}`,
    expected: 'a revision in the cache',
    got: revisions.map(({ commit, refs }) => refs[0] ?? commit.slice(0, 8)).join(', ') || 'none',
    next: `Download it: \`maliang models pull ${id} --revision ${revision}\`.`,
  });
}

/**
 * Removes a model, its refs and its locks. The folder disappears at once, its files after that.
 * Throws MODEL_NOT_FOUND or FILE_WRITE.
 */
export async function removeCachedModel(cacheFolder: string, id: string): Promise<CachedModelInfo> {
  const model = await requireCachedModel(cacheFolder, id);
  const cache = new ModelCache(cacheFolder, id);
  const doomed = join(cacheFolder, `.removed-${process.pid}-${Date.now()}`);
  try {
    await rename(model.path, doomed);
    await rm(doomed, { recursive: true, force: true });
    await rm(cache.locks, { recursive: true, force: true });
  } catch (error) {
    throw writeError(model.path, error);
  }
  return model;
}

async function cachedModel(cacheFolder: string, id: string): Promise<CachedModelInfo> {
  const { path } = new ModelCache(cacheFolder, id);
  const refs = await refsOf(join(path, 'refs'));
  const commits = (await readdir(join(path, 'snapshots')).catch(() => [])).filter(isCommit);
  const revisions = commits.map((commit) => ({
    commit,
    refs: refs.filter((ref) => ref.commit === commit).map(({ name }) => name),
    path: join(path, 'snapshots', commit),
  }));
  return { id, path, revisions, ...(await usageOf(path)) };
}

async function refsOf(folder: string): Promise<{ name: string; commit: string }[]> {
  const names = await readdir(folder, { recursive: true }).catch(() => []);
  const refs: { name: string; commit: string }[] = [];
  for (const name of names) {
    const commit = (await readFile(join(folder, name), 'utf8').catch(() => '')).trim();
    if (isCommit(commit)) refs.push({ name: name.replaceAll('\\', '/'), commit });
  }
  return refs;
}

/** Blobs are links where programs share them, and snapshots hold the files where there are no links. */
async function usageOf(path: string): Promise<Pick<CachedModelInfo, 'sizeBytes' | 'lastUsed'>> {
  const seen = new Map<string, number>();
  let lastUsedMs = 0;
  for (const part of ['blobs', 'snapshots']) {
    for (const name of await readdir(join(path, part), { recursive: true }).catch(() => [])) {
      const found = await stat(join(path, part, name)).catch(() => undefined);
      if (!found?.isFile()) continue;
      seen.set(`${found.dev}:${found.ino}`, found.size);
      lastUsedMs = Math.max(lastUsedMs, found.atimeMs);
    }
  }
  const sizeBytes = [...seen.values()].reduce((sum, size) => sum + size, 0);
  return { sizeBytes, lastUsed: lastUsedMs > 0 ? new Date(lastUsedMs) : undefined };
}

function isConversion({ refs }: CachedRevision): boolean {
  return refs.some((ref) => ref.startsWith('refs/pr/'));
}

async function hasWeights(folder: string): Promise<boolean> {
  const names = await readdir(folder, { recursive: true }).catch(() => []);
  return names.some((name) => name.endsWith('.safetensors'));
}
