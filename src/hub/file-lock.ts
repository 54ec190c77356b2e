/** @file A lock between processes: a file that names its owner. Locks of processes that ended are taken over. */
import { randomUUID } from 'node:crypto';
import { link, mkdir, open, readFile, rename, rm, stat, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { cancelled, throwIfAborted } from '../core/errors.js';
import { writeError } from './atomic-file.js';

const pollMs = 100;
const renewMs = 10_000;
/** A younger file without an owner is still being written. */
const unwrittenMs = 2000;

export interface LockOwner {
  readonly pid: number;
  readonly host: string;
  /** Tells processes apart that got the same number, as in containers. */
  readonly token: string;
}

export interface LockOptions {
  readonly signal?: AbortSignal | undefined;
  /** A lock nobody renewed for so long, in milliseconds, has no living owner. Default 2 minutes. */
  readonly staleMs?: number;
  /**
   * Whether an owner on this machine keeps its lock while a process of its number lives, paused for hours or not.
   * Default false: the number may be another's by now.
   */
  readonly outlastsPauses?: boolean;
  /** Called once when another process holds the lock. */
  readonly onWait?: ((owner: LockOwner | undefined) => void) | undefined;
}

/** Tokens of the locks this process holds or is about to write: whoever reads one finds it living. */
const held = new Set<string>();

export class FileLock implements AsyncDisposable {
  readonly #path: string;
  readonly #owner: LockOwner;
  readonly #renewal: NodeJS.Timeout;

  private constructor(path: string, owner: LockOwner) {
    this.#path = path;
    this.#owner = owner;
    this.#renewal = setInterval(() => {
      const now = new Date();
      utimes(path, now, now).catch(() => {}); // a lock that was taken is found out by `isHeld`
    }, renewMs).unref();
  }

  /** Waits for the lock and takes it. Throws CANCELLED, DISK_FULL or FILE_WRITE. */
  static async acquire(path: string, options: LockOptions = {}): Promise<FileLock> {
    const owner = { pid: process.pid, host: hostname(), token: randomUUID() };
    held.add(owner.token);
    try {
      await take(path, owner, options);
    } catch (error) {
      held.delete(owner.token);
      throw error;
    }
    return new FileLock(path, owner);
  }

  /** False once another process has taken the lock over. */
  async isHeld(): Promise<boolean> {
    return (await readOwner(this.#path))?.token === this.#owner.token;
  }

  async release(): Promise<void> {
    clearInterval(this.#renewal);
    try {
      if (await this.isHeld()) await rm(this.#path, { force: true });
    } finally {
      held.delete(this.#owner.token);
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }
}

async function take(path: string, owner: LockOwner, options: LockOptions): Promise<void> {
  const { signal, onWait } = options;
  let hasWaited = false;
  for (;;) {
    throwIfAborted('lock', signal);
    if (await create(path, owner)) return;
    const other = await readOwner(path);
    if (await isGone(path, other, options)) await bury(path, other);
    else {
      if (!hasWaited) onWait?.(other);
      hasWaited = true;
      await pause(signal);
    }
  }
}

async function pause(signal: AbortSignal | undefined): Promise<void> {
  await sleep(pollMs, undefined, signal ? { signal } : {}).catch(() => {
    throw cancelled('lock', signal);
  });
}

async function create(path: string, owner: LockOwner): Promise<boolean> {
  // A file in the folder's place is an error here, a file in the lock's place another's lock.
  await mkdir(dirname(path), { recursive: true }).catch((error) => {
    throw writeError(path, error);
  });
  try {
    const file = await open(path, 'wx', 0o664);
    await file.writeFile(JSON.stringify(owner)).finally(() => file.close());
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // Its folder may be taken away, empty, between the two steps.
    if (code === 'EEXIST' || code === 'ENOENT') return false;
    throw writeError(path, error);
  }
}

/** Undefined when the file is missing, or another program's. */
async function readOwner(path: string): Promise<LockOwner | undefined> {
  try {
    const owner = JSON.parse(await readFile(path, 'utf8')) as Partial<LockOwner> | null;
    const { pid, token, host } = owner ?? {};
    const isOwner = Number.isInteger(pid) && typeof token === 'string' && typeof host === 'string';
    return isOwner ? (owner as LockOwner) : undefined;
  } catch {
    return undefined;
  }
}

async function isGone(
  path: string,
  owner: LockOwner | undefined,
  { staleMs = 120_000, outlastsPauses = false }: LockOptions,
): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  const ageMs = found ? Date.now() - found.mtimeMs : 0;
  // huggingface_hub leaves empty files behind and locks them by other means.
  if (owner === undefined) return ageMs > unwrittenMs;
  const isHere = owner.host === hostname();
  if (ageMs > staleMs && !(isHere && outlastsPauses)) return true;
  if (!isHere) return false;
  if (owner.pid === process.pid) return !held.has(owner.token);
  try {
    process.kill(owner.pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}

/** Takes a dead lock away. Only one process can move it; one that moved a living lock puts it back. */
async function bury(path: string, dead: LockOwner | undefined): Promise<void> {
  // An owner that was read while it still held the lock is gone by now, and its file another's.
  if ((await readOwner(path))?.token !== dead?.token) return;
  const aside = `${path}.${randomUUID()}`;
  try {
    await rename(path, aside);
  } catch {
    return; // another process was faster
  }
  const moved = await readOwner(aside);
  if (moved?.token !== dead?.token) await link(aside, path).catch(() => {});
  await rm(aside, { force: true });
}
