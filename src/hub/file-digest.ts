/** @file SHA-256 of files, as `sha256sum` prints it. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { unreadable } from './weight-file.js';

/** Of one file its own digest; of several the digest of theirs, in hexadecimal and in order. Throws FILE_READ. */
export async function sha256OfFiles(paths: readonly string[]): Promise<string> {
  const digests: string[] = [];
  for (const path of paths) digests.push(await sha256OfFile(path));
  if (digests.length === 1) return digests[0]!;
  return createHash('sha256').update(digests.join('')).digest('hex');
}

async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  try {
    for await (const part of createReadStream(path, { highWaterMark: 2 ** 20 })) hash.update(part);
  } catch (cause) {
    throw unreadable(path, cause);
  }
  return hash.digest('hex');
}
