/** @file Opens a picture file to read parts of it, however large it is. */
import { type FileHandle, open, stat } from 'node:fs/promises';
import { complain } from '../core/errors.js';
import type { ByteSource } from '../formats/byte-source.js';
import { printable } from './printable.js';

export interface OpenPicture extends ByteSource, AsyncDisposable {}

/** Throws FILE_READ for what is not there, cannot be read, or is no regular file. */
export async function openPicture(path: string): Promise<OpenPicture> {
  const refused = (got: string, cause?: unknown) =>
    complain('FILE_READ', { where: printable(path), expected: 'a picture file', got }, cause);
  const attempt = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      throw refused(code === 'ENOENT' ? 'nothing there' : `${code}`, cause);
    }
  };
  // Opening a pipe would wait for a writer.
  if (!(await attempt(stat(path))).isFile()) throw refused('something else');
  const file: FileHandle = await attempt(open(path, 'r'));
  const { size } = await attempt(file.stat());
  return {
    size,
    read: async (at, length) => {
      const bytes = new Uint8Array(Math.max(0, Math.min(length, size - at)));
      let filled = 0;
      while (filled < bytes.length) {
        const rest = bytes.length - filled;
        const { bytesRead } = await attempt(file.read(bytes, filled, rest, at + filled));
        if (bytesRead === 0) return bytes.subarray(0, filled);
        filled += bytesRead;
      }
      return bytes;
    },
    [Symbol.asyncDispose]: () => file.close(),
  };
}
