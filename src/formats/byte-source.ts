/** @file Bytes that are read where they are needed, so that a file need not fit in memory. */

/** A file or an array. */
export interface ByteSource {
  /** Bytes in all. */
  readonly size: number;
  /** Bytes from `at`; fewer than `length` at the end. */
  readonly read: (at: number, length: number) => Promise<Uint8Array>;
}

export function bytesInMemory(bytes: Uint8Array): ByteSource {
  return {
    size: bytes.length,
    read: async (at, length) => bytes.subarray(at, at + length),
  };
}

const windowBytes = 2 ** 16;

/** The same bytes through a window of 64 KiB, so that many small reads are few large ones. */
export function buffered(source: ByteSource): ByteSource {
  let start = 0;
  let window: Uint8Array = new Uint8Array(0);
  const read = async (at: number, length: number): Promise<Uint8Array> => {
    if (length > windowBytes) return source.read(at, length);
    const isInside = at >= start && at + length <= start + window.length;
    if (!isInside) [start, window] = [at, await source.read(at, windowBytes)];
    return window.subarray(at - start, at - start + length);
  };
  return { size: source.size, read };
}

/** Numbers in bytes. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Bytes as characters 0 to 255. */
export function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

/** UTF-8 where it is that, else Latin-1. */
export function utf8OrLatin1(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return latin1(bytes);
  }
}

export function joined(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
