/** @file Reads where the tensors of a local safetensors file lie, without reading the tensors. */
import { open, stat } from 'node:fs/promises';
import { complain, MaliangError } from '../core/errors.js';
import type { Dtype } from '../core/tensor-data.js';
import { parseSafetensorsHeader, safetensorsHeaderBytes } from '../formats/safetensors.js';

/** One tensor in a file: bytes `begin` to `end`, row-major. */
export interface StoredTensor {
  /** Absolute path; links are followed when it is opened. */
  readonly file: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

export interface WeightFile {
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  readonly metadata: ReadonlyMap<string, string>;
}

/**
 * The header of a safetensors file. Throws FILE_READ when the file cannot be read, SAFETENSORS
 * when it is truncated, damaged, hostile or of another format; the message begins with the path.
 */
export async function readWeightFile(path: string): Promise<WeightFile> {
  const size = await regularFileSize(path);
  const bytes = await readHeader(path, size);
  const { tensors, metadata } = named(path, () => parseSafetensorsHeader(bytes, size));
  const stored = [...tensors].map(([name, entry]) => [name, { file: path, ...entry }] as const);
  return { tensors: new Map(stored), metadata };
}

/** Size in bytes. Throws FILE_READ when the path is no readable regular file. */
export async function regularFileSize(path: string): Promise<number> {
  try {
    const found = await stat(path);
    if (found.isFile()) return found.size;
  } catch (cause) {
    throw unreadable(path, cause);
  }
  throw complain('FILE_READ', { where: path, expected: 'a regular file', got: 'something else' });
}

/** The FILE_READ error for a failed read. */
export function unreadable(path: string, cause: unknown): MaliangError {
  const { code, message } = cause as NodeJS.ErrnoException;
  const got = code === 'ENOENT' ? 'nothing there' : (code ?? message);
  return complain('FILE_READ', { where: path, expected: 'a readable file', got }, cause);
}

async function readHeader(path: string, size: number): Promise<Uint8Array> {
  const file = await open(path, 'r').catch((cause: unknown) => {
    throw unreadable(path, cause);
  });
  try {
    const first = new Uint8Array(9);
    await file.read(first, 0, 9, 0);
    refuseOtherFormats(path, first);
    const length = first.subarray(0, 8);
    const bytes = new Uint8Array(named(path, () => safetensorsHeaderBytes(length, size)));
    for (let at = 0; at < bytes.length; ) {
      const { bytesRead } = await file.read(bytes, at, bytes.length - at, at);
      if (bytesRead === 0) break; // The file shrank; the parser complains.
      at += bytesRead;
    }
    return bytes;
  } catch (cause) {
    throw cause instanceof MaliangError ? cause : unreadable(path, cause);
  } finally {
    await file.close();
  }
}

/**
 * Pickles and archives of them are refused by content, whatever the file is called. A header of 640
 * bytes begins as a pickle does, so what follows its length counts too.
 */
function refuseOtherFormats(path: string, first: Uint8Array): void {
  const isZip = first[0] === 0x50 && first[1] === 0x4b;
  const isHeader = first[8] === '{'.charCodeAt(0);
  const isPickle = first[0] === 0x80 && first[1]! >= 2 && first[1]! <= 5 && !isHeader;
  const isPointer = new TextDecoder().decode(first.subarray(0, 8)) === 'version ';
  const isGguf = new TextDecoder().decode(first.subarray(0, 4)) === 'GGUF';
  if (isGguf) {
    throw complain('MODEL_UNSUPPORTED', {
      where: path,
      expected: 'a safetensors file',
      got: 'a GGUF file',
      next: 'Maliang does not read GGUF; use the safetensors version of the model.',
    });
  }
  if (!isZip && !isPickle && !isPointer) return;
  const got = isPointer ? 'a Git LFS pointer' : 'a pickle, which can run code when it is read';
  throw complain('SAFETENSORS', {
    where: path,
    expected: 'a safetensors file',
    got,
    next: isPointer
      ? 'Fetch the file itself, for example with `git lfs pull`.'
      : 'Convert it to safetensors with a tool you trust.',
  });
}

/** Puts the path in front of what the format complains of. */
function named<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (!(cause instanceof MaliangError)) throw cause;
    throw new MaliangError(cause.code, `${path}: ${cause.message}`, cause);
  }
}
