/** @file Hashes of large files from one process to the next: a small file each, named by what the hashed file is. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomically } from './atomic-file.js';
import { cachesFolder } from './caches.js';

/** Hashing less takes no longer than looking it up is worth. */
const leastBytes = 2 ** 26;

const isHash = (text: string): boolean => /^[\da-f]{64}$/.test(text);

/** What was computed for `key`, or else what `compute` gives, which is then kept where that is possible. */
export async function rememberedHash(
  key: string,
  bytes: number,
  compute: () => Promise<string>,
): Promise<string> {
  if (bytes < leastBytes) return compute();
  const name = createHash('sha256').update(key).digest('hex').slice(0, 40);
  const path = join(cachesFolder(), 'hashes', name);
  const kept = await readFile(path, 'utf8').catch(() => '');
  if (isHash(kept)) return kept;
  const hash = await compute();
  await writeFileAtomically(path, hash).catch(() => undefined); // a cache that cannot be written is none
  return hash;
}
