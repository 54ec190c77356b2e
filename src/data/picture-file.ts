/** @file Random access to the packed pictures of a built folder; the system's page cache is the cache. */
import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { complain } from '../core/errors.js';
import { pictogramBytes } from './pictogram-index.js';

/** An open file of fixed-size pictures. Close it when done. */
export class PictureFile {
  readonly #path: string;
  #descriptor: number | undefined;

  constructor(path: string) {
    this.#path = path;
    try {
      this.#descriptor = openSync(path, 'r');
    } catch (error) {
      const got = (error as NodeJS.ErrnoException).code ?? String(error);
      throw complain('FILE_READ', { where: 'pictograms', expected: `to read ${path}`, got }, error);
    }
  }

  /** Premultiplied RGBA of picture `index`, `[128, 128, 4]`. */
  read(index: number): Uint8Array {
    const pixels = new Uint8Array(pictogramBytes);
    if (this.#descriptor === undefined) {
      throw complain('DISPOSED', {
        where: 'pictograms',
        expected: 'an open data set',
        got: 'a closed one',
      });
    }
    const got = readSync(this.#descriptor, pixels, 0, pictogramBytes, index * pictogramBytes);
    if (got !== pictogramBytes) {
      const expected = `picture ${index} in ${this.#path}`;
      throw complain('DATA', { where: 'pictograms', expected, got: `${got} bytes` });
    }
    return pixels;
  }

  /** SHA-256 of picture `index`, hexadecimal. */
  digest(index: number): string {
    return createHash('sha256').update(this.read(index)).digest('hex');
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }
}
