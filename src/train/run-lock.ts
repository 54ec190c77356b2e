/** @file Keeps two processes from training in one folder. */
import { join } from 'node:path';
import { complain } from '../core/errors.js';
import { FileLock, type LockOwner } from '../hub/file-lock.js';

export const lockFile = 'run.lock';

export class RunLock {
  readonly #path: string;
  #lock: FileLock;

  private constructor(path: string, lock: FileLock) {
    this.#path = path;
    this.#lock = lock;
  }

  /**
   * Takes the folder. A lock whose process has ended is taken over. Throws CHECKPOINT when another
   * run holds the folder, DISK_FULL or FILE_WRITE.
   */
  static async acquire(folder: string): Promise<RunLock> {
    const path = join(folder, lockFile);
    return new RunLock(path, await lockAtOnce(path));
  }

  /** Throws CHECKPOINT when another process has taken the folder since; a lost file is made again. */
  async confirm(): Promise<void> {
    if (await this.#lock.isHeld()) return;
    const again = await lockAtOnce(this.#path);
    await this.#lock.release();
    this.#lock = again;
  }

  release(): Promise<void> {
    return this.#lock.release();
  }
}

function lockAtOnce(path: string): Promise<FileLock> {
  return FileLock.acquire(path, {
    staleMs: 600_000, // clocks of machines differ
    outlastsPauses: true,
    onWait: (other) => {
      throw taken(path, other);
    },
  });
}

function taken(path: string, other: LockOwner | undefined): Error {
  return complain('CHECKPOINT', {
    where: path,
    expected: 'a folder no other run trains in',
    got: other ? `process ${other.pid} on ${other.host}` : 'a lock without an owner',
    next: 'Wait for that run or stop it; if it is no training run, delete the file.',
  });
}
