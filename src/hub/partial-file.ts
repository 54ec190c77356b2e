/** @file A file that grows by downloads and knows the hash of what it has: SHA-256, or git's SHA-1 of a blob. */
import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { complain } from '../core/errors.js';
import { writeError } from './atomic-file.js';

export interface ExpectedContent {
  /** 64 hex digits: SHA-256. 40: git's SHA-1. */
  readonly etag: string;
  readonly sizeBytes: number;
}

export class PartialFile {
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #expected: ExpectedContent;
  #hash: Hash;
  #sizeBytes = 0;

  private constructor(path: string, file: FileHandle, expected: ExpectedContent) {
    this.#path = path;
    this.#file = file;
    this.#expected = expected;
    this.#hash = newHash(expected);
  }

  /** Opens what an earlier download left, or a new file. Throws DISK_FULL or FILE_WRITE. */
  static async open(path: string, expected: ExpectedContent): Promise<PartialFile> {
    try {
      await mkdir(dirname(path), { recursive: true });
      const partial = new PartialFile(path, await open(path, 'a+'), expected);
      await partial.#readBack();
      return partial;
    } catch (error) {
      throw writeError(path, error);
    }
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  get isComplete(): boolean {
    return this.#sizeBytes === this.#expected.sizeBytes;
  }

  /** What the content hashes to. Nothing can be appended after. */
  digest(): string {
    return this.#hash.digest('hex');
  }

  async append(chunk: Uint8Array): Promise<void> {
    try {
      await this.#file.writeFile(chunk);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // On a full disk the room is worth more than the head start.
      if (code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG') await this.remove();
      throw writeError(this.#path, error);
    }
    this.#hash.update(chunk);
    this.#sizeBytes += chunk.length;
  }

  /** Empties the file. */
  async restart(): Promise<void> {
    await this.#file.truncate(0);
    this.#hash = newHash(this.#expected);
    this.#sizeBytes = 0;
  }

  /** Moves the file, now whole, to where it belongs. */
  async moveTo(path: string): Promise<void> {
    try {
      await this.#file.sync();
      const { size } = await this.#file.stat();
      await this.close();
      if (size !== this.#sizeBytes) {
        await this.remove();
        throw changedBeside(this.#path, this.#sizeBytes, size);
      }
      await rename(this.#path, path);
    } catch (error) {
      throw writeError(path, error);
    }
  }

  /** Keeps the content for the next time. */
  async close(): Promise<void> {
    await this.#file.close();
  }

  async remove(): Promise<void> {
    await rm(this.#path, { force: true });
  }

  async #readBack(): Promise<void> {
    const buffer = new Uint8Array(1 << 20);
    for (;;) {
      const { bytesRead } = await this.#file.read(buffer, 0, buffer.length, this.#sizeBytes);
      if (bytesRead === 0) return;
      this.#hash.update(buffer.subarray(0, bytesRead));
      this.#sizeBytes += bytesRead;
      if (this.#sizeBytes > this.#expected.sizeBytes) return this.restart();
    }
  }
}

function newHash({ etag, sizeBytes }: ExpectedContent): Hash {
  if (etag.length === 64) return createHash('sha256');
  return createHash('sha1').update(`blob ${sizeBytes}\0`);
}

function changedBeside(path: string, expected: number, got: number): Error {
  return complain('FILE_WRITE', {
    where: path,
    expected: `${expected} bytes, as written`,
    got: `${got}`,
    next: 'Another program writes this file; run the download again when it has ended.',
  });
}
