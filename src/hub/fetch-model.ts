/** @file Fetches a model from a hub into the cache: only the files needed, several at a time. */
import { statfs } from 'node:fs/promises';
import { cancelled, complain } from '../core/errors.js';
import { type Download, downloadFile } from './download-file.js';
import { DownloadMeter, type DownloadProgress } from './download-meter.js';
import { unusable } from './hub-errors.js';
import { commitOf, conversionsOf, type Listing, listFiles, type RepoFile } from './hub-listing.js';
import type { HubSession } from './hub-request.js';
import { readModelFolder, weightBases } from './local-folder.js';
import { isFile, type ModelCache } from './model-cache.js';
import { type CachedModel, modelFilesOf, type Wanted } from './model-files.js';
import { isPickleName } from './model-id.js';
import { indexFile, noVariant } from './needed-files.js';
import { regularFileSize } from './weight-file.js';

/** What is about to be downloaded. */
export interface DownloadPlan {
  /** `owner/name`. */
  readonly id: string;
  readonly commit: string;
  /** Files of the model, those in the cache included. */
  readonly fileCount: number;
  readonly totalBytes: number;
  /** Bytes not yet in the cache. */
  readonly missingBytes: number;
}

export interface FetchOptions {
  /** Asked before the large files are loaded; false cancels. */
  readonly confirm?: ((plan: DownloadPlan) => boolean | Promise<boolean>) | undefined;
  readonly onPlan?: ((plan: DownloadPlan) => void) | undefined;
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
  /** Another process, whose number is given where known, downloads this file already. */
  readonly onWait?: ((file: string, pid: number | undefined) => void) | undefined;
}

const atOnce = 4;
const sideFileLimitBytes = 100_000_000;
const fileLimitBytes = 2 ** 40;

interface Fetch extends HubSession, FetchOptions {
  readonly cache: ModelCache;
  readonly wanted: Wanted;
}

/** A commit, its files and those of them that are needed. */
interface Choice extends CachedModel {
  readonly listing: Listing;
}

/**
 * Asks the hub for the commit of the revision and loads what the cache lacks. Throws
 * MODEL_NOT_FOUND, HUB_UNREACHABLE, HUB_ACCESS, HUB_CONTENT, CONFIG, DISK_FULL, FILE_WRITE or
 * CANCELLED.
 */
export async function fetchModel(
  cache: ModelCache,
  wanted: Wanted,
  { session, ...options }: FetchOptions & { readonly session: HubSession },
): Promise<CachedModel> {
  const fetch: Fetch = { ...session, ...options, cache, wanted };
  const revision = wanted.target.revision ?? 'main';
  const commit = await commitOf(cache.id, revision, fetch);
  await cache.tag();
  try {
    return await fetchCommit(commit, revision, fetch);
  } catch (error) {
    await cache.removeEmpty();
    throw error;
  }
}

async function fetchCommit(commit: string, revision: string, fetch: Fetch): Promise<CachedModel> {
  const { cache } = fetch;
  let choice = await choose(commit, fetch);
  if (choice.files.pickled.length > 0) {
    const main = choice;
    choice = await conversionFor(main, revision, fetch);
    await noteNoSafetensors(main, cache);
    await cache.writeListing(main.commit, main.listing);
  }
  requireAll(choice, fetch);
  await loadAll(choice, fetch);
  await cache.writeListing(choice.commit, choice.listing);
  if (choice.conversion) await cache.writeRef(choice.conversion, choice.commit);
  await cache.writeRef(revision, commit);
  return choice;
}

/** Lists a commit; its model_index.json, which says what is needed, is loaded at once. */
async function choose(commit: string, fetch: Fetch): Promise<Choice> {
  const { cache, wanted } = fetch;
  const listing = await listFiles(cache.id, commit, fetch);
  const files = await modelFilesOf([...listing.keys()], wanted, async () => {
    const index = listing.get(indexFile)!;
    requireSizes([index], cache.id);
    await downloadFile(index, downloadOf(commit, new DownloadMeter(0), fetch));
    return readModelFolder(cache.snapshot(commit));
  });
  return { commit, listing, files };
}

/** The commit of a pull request that adds safetensors made of exactly these pickles. */
async function conversionFor(main: Choice, revision: string, fetch: Fetch): Promise<Choice> {
  const { id } = fetch.cache;
  const conversions = revision === 'main' ? await conversionsOf(id, fetch).catch(noneFor) : [];
  for (const conversion of conversions) {
    const choice = await choose(await commitOf(id, conversion, fetch), fetch);
    const isMade = isSamePickles(main, choice.listing);
    if (isMade && choice.files.pickled.length === 0) return { ...choice, conversion };
  }
  const { pickled } = main.files;
  const example = picklesOf(main)[0]?.path ?? '';
  throw complain('MODEL_NOT_FOUND', {
    where: `hub: ${id}@${revision}`,
    expected: 'safetensors weights',
    got: `only pickles in ${pickled.map((name) => name || 'the root').join(', ')}, such as ${example}`,
    next: 'Pickles can run code, so Maliang never reads them. Choose a revision or model with safetensors, or have it converted at https://huggingface.co/spaces/safetensors/convert.',
  });
}

/** Where pull requests are switched off there are none. */
function noneFor(error: unknown): string[] {
  const code = (error as { code?: string }).code ?? '';
  if (['HUB_ACCESS', 'MODEL_NOT_FOUND', 'HUB_CONTENT'].includes(code)) return [];
  throw error;
}

function picklesOf({ listing, files }: Choice): RepoFile[] {
  const folderOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')));
  return [...listing.values()].filter(
    ({ path }) => isPickleName(path) && files.pickled.includes(folderOf(path)),
  );
}

function isSamePickles(main: Choice, other: Listing): boolean {
  return picklesOf(main).every(({ path, etag }) => other.get(path)?.etag === etag);
}

/** As huggingface_hub notes that it asked for files in vain. */
async function noteNoSafetensors({ commit, files }: Choice, cache: ModelCache): Promise<void> {
  for (const folder of files.pickled) {
    const prefix = folder === '' ? '' : `${folder}/`;
    for (const base of weightBases) {
      await cache.writeNoExist(commit, `${prefix}${base}.safetensors`);
    }
  }
}

function requireAll({ commit, files, listing }: Choice, { cache, wanted }: Fetch): void {
  const where = `hub: ${cache.id}@${commit.slice(0, 8)}`;
  if (files.bare.length > 0) {
    const expected = `files in ${files.bare.join(', ')}, as model_index.json says`;
    throw complain('MODEL_NOT_FOUND', { where, expected, got: 'none' });
  }
  const { variant } = wanted;
  if (variant !== undefined && files.varied.length === 0 && !files.file) {
    throw noVariant(where, variant, listing.keys());
  }
}

async function loadAll(choice: Choice, fetch: Fetch): Promise<void> {
  const { cache, onPlan, confirm, onProgress } = fetch;
  const files = choice.files.paths.map((path) => choice.listing.get(path)!);
  requireSizes(files, cache.id);
  const plan = await planOf(files, choice.commit, cache);
  if (plan.missingBytes > 0) {
    onPlan?.(plan);
    if (confirm && !(await confirm(plan))) throw cancelled(`download ${cache.id}`);
    await requireSpace(plan, cache);
  }
  const meter = new DownloadMeter(plan.totalBytes, onProgress);
  await eachOf(files, fetch, (file, session) =>
    downloadFile(file, { ...downloadOf(choice.commit, meter, fetch), ...session }),
  );
}

function downloadOf(commit: string, meter: DownloadMeter, fetch: Fetch): Download {
  const { cache, settings, signal, onWait } = fetch;
  const waited = onWait && ((file: string, owner?: { pid: number }) => onWait(file, owner?.pid));
  return { cache, settings, signal, commit, meter, onWait: waited };
}

function requireSizes(files: readonly RepoFile[], id: string): void {
  for (const { path, sizeBytes } of files) {
    const limit = path.endsWith('.safetensors') ? fileLimitBytes : sideFileLimitBytes;
    if (sizeBytes <= limit) continue;
    throw unusable(`hub: ${id}/${path}`, `at most ${limit} bytes`, `${sizeBytes}`);
  }
}

async function planOf(
  files: readonly RepoFile[],
  commit: string,
  cache: ModelCache,
): Promise<DownloadPlan> {
  let totalBytes = 0;
  let missingBytes = 0;
  for (const { path, etag, sizeBytes } of files) {
    totalBytes += sizeBytes;
    if ((await cache.has(commit, path)) || (await isFile(cache.blob(etag)))) continue;
    const loaded = await regularFileSize(cache.partial(etag)).catch(() => 0);
    missingBytes += sizeBytes - Math.min(loaded, sizeBytes);
  }
  return { id: cache.id, commit, fileCount: files.length, totalBytes, missingBytes };
}

async function requireSpace({ missingBytes, id }: DownloadPlan, cache: ModelCache): Promise<void> {
  const disk = await statfs(cache.path).catch(() => undefined);
  if (!disk || disk.bavail * disk.bsize >= missingBytes) return;
  const got = `${disk.bavail * disk.bsize} bytes in ${cache.path}`;
  const expected = `${missingBytes} bytes free for ${id}`;
  const next = 'Free some space, or set HF_HUB_CACHE to a folder on another disk.';
  throw complain('DISK_FULL', { where: 'hub', expected, got, next });
}

/** A few at a time; the first failure stops the others and is thrown. */
async function eachOf(
  files: readonly RepoFile[],
  { settings, signal }: HubSession,
  work: (file: RepoFile, session: HubSession) => Promise<void>,
): Promise<void> {
  const stop = new AbortController();
  const session = { settings, signal: AbortSignal.any([stop.signal, ...(signal ? [signal] : [])]) };
  const queue = files.values();
  const failures: unknown[] = [];
  const worker = async (): Promise<void> => {
    for (const file of queue) {
      try {
        await work(file, session);
      } catch (error) {
        failures.push(error);
        stop.abort();
      }
      if (stop.signal.aborted) return;
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  if (failures.length > 0) throw failures[0];
}
