/** @file Files that appear whole or not at all: write beside the target, sync, rename. */
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { complain, MaliangError } from '../core/errors.js';

type Chunks = Uint8Array | string | Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/** Files this process has begun, so that two writes of one path never share a partial file. */
let begun = 0;

/**
 * Writes a file and its missing folders. Throws DISK_FULL or FILE_WRITE, or what producing the
 * content threw; the old file, if any, is then untouched and nothing half-written stays behind.
 */
export async function writeFileAtomically(path: string, content: Chunks): Promise<void> {
  const partial = `${path}.${process.pid}-${begun++}.partial`;
  try {
    await mkdir(dirname(path), { recursive: true });
    const file = await open(partial, 'w');
    try {
      await writeChunks(file, content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true }).catch(() => {}); // the first error says more
    throw isSystemError(error) ? writeError(path, error) : error;
  }
  await syncFolder(dirname(path));
}

/** True for the partial file of an interrupted write of `name`, to be deleted when nobody writes. */
export function isPartialOf(name: string, fileName: string): boolean {
  return (
    fileName.startsWith(`${name}.`) && /^\d+-\d+\.partial$/.test(fileName.slice(name.length + 1))
  );
}

async function writeChunks(file: FileHandle, content: Chunks): Promise<void> {
  if (typeof content === 'string' || content instanceof Uint8Array) {
    await file.writeFile(content);
    return;
  }
  // `writeFile` goes on until all of a chunk is written; a bare `write` may stop half-way.
  for await (const chunk of content) await file.writeFile(chunk);
}

/** Makes the rename last through a power cut. Not every system lets a folder be synced. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r').catch(() => undefined);
  if (!handle) return;
  await handle.sync().catch(() => {});
  await handle.close();
}

function isSystemError(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error;
}

/** Reasons with words of their own: what was wanted, and what to do about it. */
const reasons: Readonly<Record<string, { expected: string; next?: string }>> = {
  ENOSPC: { expected: 'free space' },
  EDQUOT: { expected: 'free space in your quota' },
  EFBIG: {
    expected: 'a file size within the limit of the file system or of the process',
    next: 'Choose a folder on another file system, or raise the limit (`ulimit -f`).',
  },
};

/** The house error for a failed write; errors that already are ours pass through. */
export function writeError(path: string, error: unknown): MaliangError {
  if (error instanceof MaliangError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  const isFull = code === 'ENOSPC' || code === 'EDQUOT';
  const reason = reasons[code ?? ''] ?? { expected: 'a writable folder' };
  const complaint = { where: `write ${path}`, ...reason, got: code ?? message };
  return complain(isFull ? 'DISK_FULL' : 'FILE_WRITE', complaint, error);
}
