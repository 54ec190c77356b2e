/** @file SHA-256 of files of any size, read once while they do not change: large ones ever, small ones per process. */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { throwIfAborted } from '../core/errors.js';
import { rememberedHash } from './hash-cache.js';
import { unreadable } from './weight-file.js';

export interface HashOptions {
  /** Byte to begin at. Default 0. */
  readonly from?: number;
  readonly signal?: AbortSignal | undefined;
}

const known = new Map<string, string>();
const mostKnown = 10_000;

/**
 * The hash in lower-case hexadecimal digits. A blob of a hub's cache is named by its hash, which was
 * compared when it was downloaded, and is not read again. Throws FILE_READ or CANCELLED.
 */
export async function sha256OfFile(path: string, options: HashOptions = {}): Promise<string> {
  const { from = 0, signal } = options;
  try {
    const whole = await realpath(path);
    const name = basename(whole);
    const isBlob = basename(dirname(whole)) === 'blobs' && /^[\da-f]{64}$/.test(name);
    if (isBlob && from === 0) return name;
    const { size, mtimeNs, ctimeNs } = await stat(whole, { bigint: true });
    const key = JSON.stringify([whole, `${size}`, `${mtimeNs}`, `${ctimeNs}`, from]);
    const compute = (): Promise<string> => hashOf(whole, from, signal);
    const hash = known.get(key) ?? (await rememberedHash(key, Number(size), compute));
    if (known.size < mostKnown) known.set(key, hash);
    return hash;
  } catch (cause) {
    throwIfAborted(`hash ${path}`, signal);
    throw unreadable(path, cause);
  }
}

async function hashOf(path: string, start: number, signal?: AbortSignal): Promise<string> {
  const hash: Hash = createHash('sha256');
  const stream = createReadStream(path, {
    start,
    highWaterMark: 2 ** 20,
    ...(signal && { signal }),
  });
  for await (const piece of stream) hash.update(piece as Buffer);
  return hash.digest('hex');
}

/** Of one file its own hash; of several the hash of theirs, in hexadecimal and in order. Throws as above. */
export async function sha256OfFiles(
  paths: readonly string[],
  options: HashOptions = {},
): Promise<string> {
  const hashes: string[] = [];
  for (const path of paths) hashes.push(await sha256OfFile(path, options));
  if (hashes.length === 1) return hashes[0]!;
  return createHash('sha256').update(hashes.join('')).digest('hex');
}
