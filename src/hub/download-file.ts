/** @file Downloads one file of a model into the cache: locked, resumed where it was cut, verified, then linked. */
import { complain } from '../core/errors.js';
import type { DownloadMeter } from './download-meter.js';
import { FileLock, type LockOwner } from './file-lock.js';
import { shown, unreachable, unusable } from './hub-errors.js';
import { addressOf, type RepoFile } from './hub-listing.js';
import { ask, failure, type HubSession, persist, watched } from './hub-request.js';
import { isFile, type ModelCache } from './model-cache.js';
import { PartialFile } from './partial-file.js';

const lockCheckMs = 5000;

export interface Download extends HubSession {
  readonly cache: ModelCache;
  readonly commit: string;
  readonly meter: DownloadMeter;
  readonly onWait?: ((file: string, owner: LockOwner | undefined) => void) | undefined;
}

/**
 * Makes sure that the snapshot has the file. Throws HUB_CONTENT when what comes is not what was
 * announced, HUB_UNREACHABLE, HUB_ACCESS, MODEL_NOT_FOUND, DISK_FULL, FILE_WRITE or CANCELLED.
 */
export async function downloadFile(file: RepoFile, download: Download): Promise<void> {
  const { cache, commit, signal, meter, onWait } = download;
  if (await cache.has(commit, file.path)) return meter.skip(file.sizeBytes);
  await using lock = await FileLock.acquire(cache.lock(file.etag), {
    signal,
    onWait: (owner) => onWait?.(file.path, owner),
  });
  // Another process may have been faster.
  if (await cache.has(commit, file.path)) return meter.skip(file.sizeBytes);
  const isNew = !(await isFile(cache.blob(file.etag)));
  if (isNew) await fetchBlob(file, download, lock);
  else meter.skip(file.sizeBytes);
  await cache.place(commit, file, isNew);
}

async function fetchBlob(file: RepoFile, download: Download, lock: FileLock): Promise<void> {
  const { cache, meter } = download;
  const partial = await PartialFile.open(cache.partial(file.etag), file);
  try {
    const inherited = partial.sizeBytes;
    meter.skip(inherited);
    await fill(file, partial, download, lock);
    let digest = partial.digest();
    if (digest !== file.etag && inherited > 0) {
      // What an earlier process left was damaged: once more from the start.
      meter.advance(file.path, -partial.sizeBytes);
      await partial.restart();
      await fill(file, partial, download, lock);
      digest = partial.digest();
    }
    if (digest !== file.etag) {
      await partial.remove();
      throw wrongHash(file, digest);
    }
    await partial.moveTo(cache.blob(file.etag));
  } catch (error) {
    await partial.close().catch(() => {});
    if (partial.sizeBytes === 0) await partial.remove();
    throw error;
  }
}

function wrongHash({ path, etag }: RepoFile, digest: string): Error {
  const kind = etag.length === 64 ? 'sha256' : 'git sha1';
  const where = `hub: ${kind} of ${shown(path)}`;
  const next = 'What was loaded is deleted; download again, from another HF_ENDPOINT if it recurs.';
  return unusable(where, `${etag.slice(0, 12)}…`, `${digest.slice(0, 12)}…`, next);
}

/** What is remembered from one attempt to the next. */
interface Attempts {
  /** The strong ETag of the host that serves the bytes; not the hub's own when it redirects. */
  entityTag: string | undefined;
  lockSeenAt: number;
}

/** Requests what is missing until the file is complete. */
async function fill(
  file: RepoFile,
  partial: PartialFile,
  download: Download,
  lock: FileLock,
): Promise<void> {
  const attempts: Attempts = { entityTag: undefined, lockSeenAt: 0 };
  let best = partial.sizeBytes;
  const hasAdvanced = (): boolean => {
    const isMore = partial.sizeBytes > best;
    best = Math.max(best, partial.sizeBytes);
    return isMore;
  };
  const attempt = async (): Promise<void> => {
    if (partial.isComplete) return;
    await requireLock(lock, file, attempts);
    const response = await request(file, partial.sizeBytes, download, attempts);
    await begin(response, file, partial, download);
    await append(response, file, partial, download, lock, attempts);
  };
  await persist(attempt, download, hasAdvanced);
}

function request(
  { path, etag }: RepoFile,
  from: number,
  download: Download,
  attempts: Attempts,
): Promise<Response> {
  const { cache, commit } = download;
  const question = { id: cache.id, revision: commit.slice(0, 8), file: path };
  const headers = (isHome: boolean): Record<string, string> => {
    if (from === 0) return {};
    const tag = isHome ? `"${etag}"` : attempts.entityTag;
    return { range: `bytes=${from}-`, ...(tag === undefined ? {} : { 'if-range': tag }) };
  };
  const accepts = from > 0 ? [416] : [];
  return ask(addressOf(cache.id, commit, path), { question, headers, accepts }, download);
}

/** Compares where the answer begins with what is there; starts over when they do not meet. */
async function begin(
  response: Response,
  file: RepoFile,
  partial: PartialFile,
  { meter }: Download,
): Promise<void> {
  const from = partial.sizeBytes;
  const [, start, total] =
    /^bytes (?:(\d+)-\d+|\*)\/(\d+)$/.exec(response.headers.get('content-range') ?? '') ?? [];
  if (total !== undefined && Number(total) !== file.sizeBytes) {
    await response.body?.cancel().catch(() => {});
    await partial.remove();
    throw wrongSize(file, `${total}`);
  }
  if (from > 0 && !(response.status === 206 && Number(start) === from)) {
    meter.advance(file.path, -from);
    await partial.restart();
  }
  if (response.status === 200 || (response.status === 206 && Number(start) === from)) return;
  await response.body?.cancel().catch(() => {});
  throw unreachable(`hub: ${shown(file.path)}`, { message: `status ${response.status}` });
}

async function append(
  response: Response,
  file: RepoFile,
  partial: PartialFile,
  download: Download,
  lock: FileLock,
  attempts: Attempts,
): Promise<void> {
  const entityTag = response.headers.get('etag');
  attempts.entityTag = entityTag?.startsWith('"') ? entityTag : undefined;
  try {
    for await (const chunk of watched(response, download)) {
      if (download.signal?.aborted) throw download.signal.reason;
      if (partial.sizeBytes + chunk.length > file.sizeBytes) {
        await partial.remove();
        throw wrongSize(file, 'more');
      }
      await requireLock(lock, file, attempts);
      await partial.append(chunk);
      download.meter.advance(file.path, chunk.length);
    }
  } catch (cause) {
    throw failure(shown(file.path), cause, download);
  }
  if (partial.isComplete) return;
  const message = `the end after ${partial.sizeBytes} of ${file.sizeBytes} bytes`;
  throw unreachable(`hub: ${shown(file.path)}`, { message });
}

function wrongSize({ path, sizeBytes }: RepoFile, got: string): Error {
  return unusable(`hub: ${shown(path)}`, `${sizeBytes} bytes, as announced`, got);
}

/** A process that slept too long has lost its lock, and must not write beside the new owner. */
async function requireLock(lock: FileLock, { path }: RepoFile, attempts: Attempts): Promise<void> {
  if (performance.now() - attempts.lockSeenAt < lockCheckMs) return;
  attempts.lockSeenAt = performance.now();
  if (await lock.isHeld()) return;
  throw complain('FILE_WRITE', {
    where: `hub: ${shown(path)}`,
    expected: 'the lock of this process',
    got: 'another process',
    next: 'Run it again; what is loaded is kept.',
  });
}
