/** @file SHA-256 of files, by which figures name the weights behind them. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { unreadable } from './weight-file.js';

/** Hexadecimal sum of the files' bytes one after the other. Throws FILE_READ. */
export async function sha256Of(files: readonly string[]): Promise<string> {
  const hash = createHash('sha256');
  for (const file of files) {
    try {
      for await (const chunk of createReadStream(file)) hash.update(chunk as Uint8Array);
    } catch (cause) {
      throw unreadable(file, cause);
    }
  }
  return hash.digest('hex');
}
