/** @file Files that appear whole or not at all: write beside the target, sync, rename. */
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { complain, MaliangError } from '../core/errors.js';

type Chunks = Uint8Array | string | Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/**
 * Writes a file and its missing folders. Throws DISK_FULL or FILE_WRITE; the old file, if any, is
 * then untouched and nothing half-written stays behind.
 */
export async function writeFileAtomically(path: string, content: Chunks): Promise<void> {
  const partial = `${path}.${process.pid}.partial`;
  try {
    await mkdir(dirname(path), { recursive: true });
    const file = await open(partial, 'w');
    try {
      if (typeof content === 'string' || content instanceof Uint8Array) {
        await file.writeFile(content);
      } else {
        for await (const chunk of content) await file.write(chunk);
      }
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true });
    throw writeError(path, error);
  }
}

/** The house error for a failed write; errors that already are ours pass through. */
export function writeError(path: string, error: unknown): MaliangError {
  if (error instanceof MaliangError) return error;
  const reason = error as NodeJS.ErrnoException;
  const isFull = reason.code === 'ENOSPC' || reason.code === 'EDQUOT';
  return complain(
    isFull ? 'DISK_FULL' : 'FILE_WRITE',
    {
      where: `write ${path}`,
      expected: isFull ? 'free space' : 'a writable folder',
      got: reason.code ?? reason.message,
    },
    error,
  );
}
