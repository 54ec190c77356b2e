/** @file The weight files of a model folder: sizes, and SHA-256 sums against the folder's SHA256SUMS. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { complain } from '../core/errors.js';
import { readComponent, readModelFolder } from '../hub/local-folder.js';

export interface ModelFiles {
  readonly count: number;
  readonly sizeBytes: number;
  /** False when the folder has no SHA256SUMS to compare with. */
  readonly isVerified: boolean;
}

export const sumsFile = 'SHA256SUMS';

/**
 * Reads every header and compares every sum. Throws what reading the model throws, and
 * SAFETENSORS when a file differs from its sum.
 */
export async function checkModelFiles(folder: string): Promise<ModelFiles> {
  const { components } = await readModelFolder(folder);
  const files = new Set<string>();
  for (const [name, { className }] of components) {
    if (/Tokenizer|Scheduler/.test(className)) continue;
    for (const file of (await readComponent(join(folder, name))).files) files.add(file);
  }
  const sums = await readSums(folder);
  let sizeBytes = 0;
  for (const file of files) {
    sizeBytes += (await stat(file)).size;
    if (sums) await compare(file, sums.get(relative(folder, file).replaceAll('\\', '/')));
  }
  return { count: files.size, sizeBytes, isVerified: sums !== undefined };
}

/** `<64 hex digits>  <path>` per line, as `sha256sum` writes it. */
async function readSums(folder: string): Promise<ReadonlyMap<string, string> | undefined> {
  const text = await readFile(join(folder, sumsFile), 'utf8').catch(() => undefined);
  const lines = text?.matchAll(/^([0-9a-f]{64}) [ *](.+)$/gm);
  return lines && new Map([...lines].map(([, sum, path]) => [path!, sum!]));
}

async function compare(file: string, expected: string | undefined): Promise<void> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file)) hash.update(chunk as Uint8Array);
  const got = hash.digest('hex');
  if (got === expected) return;
  throw complain('SAFETENSORS', {
    where: `sha256 of ${file}`,
    expected: expected ? `${expected.slice(0, 12)}…` : `a line in ${sumsFile}`,
    got: `${got.slice(0, 12)}…`,
    next: 'Install Maliang again, or restore the file.',
  });
}
