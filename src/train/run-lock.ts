/** @file Keeps two processes from training in one folder: a file that names its owner. */
import { randomUUID } from 'node:crypto';
import { open, readFile, rm, stat, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { complain } from '../core/errors.js';
import { writeError, writeFileAtomically } from '../hub/atomic-file.js';

export const lockFile = 'run.lock';

/** How often the owner renews the time of the file, and when an owner elsewhere counts as gone. */
const renewMs = 10_000;
const foreignStaleMs = 10 * 60_000;
/** A younger file without an owner is still being written. */
const unwrittenMs = 2000;

interface Owner {
  readonly pid: number;
  readonly host: string;
  /** Tells processes apart that got the same number, as in containers. */
  readonly token: string;
}

/** Tokens of the locks this process holds. */
const held = new Set<string>();

export class RunLock {
  readonly #path: string;
  readonly #owner: Owner;
  #renewedAt = Date.now();

  private constructor(path: string, owner: Owner) {
    this.#path = path;
    this.#owner = owner;
  }

  /**
   * Takes the folder. A lock whose process has ended is taken over. Throws CHECKPOINT when another
   * run holds the folder, DISK_FULL or FILE_WRITE.
   */
  static async acquire(folder: string): Promise<RunLock> {
    const path = join(folder, lockFile);
    const owner = { pid: process.pid, host: hostname(), token: randomUUID() };
    if (!(await createLock(path, owner))) {
      const other = await readOwner(path);
      if (!(await isGone(path, other))) throw taken(path, other);
      await writeFileAtomically(path, textOf(owner));
    }
    held.add(owner.token);
    return new RunLock(path, owner);
  }

  /** Shows owners on other machines that the run is alive. */
  async renew(): Promise<void> {
    if (Date.now() - this.#renewedAt < renewMs) return;
    this.#renewedAt = Date.now();
    const now = new Date();
    await utimes(this.#path, now, now).catch(() => {}); // `confirm` finds out when it matters
  }

  /** Throws CHECKPOINT when another process has taken the folder since; a lost file is made again. */
  async confirm(): Promise<void> {
    const other = await readOwner(this.#path);
    if (other?.token === this.#owner.token) return;
    if (other || !(await createLock(this.#path, this.#owner))) throw taken(this.#path, other);
  }

  async release(): Promise<void> {
    held.delete(this.#owner.token);
    const other = await readOwner(this.#path);
    if (other?.token === this.#owner.token) await rm(this.#path, { force: true });
  }
}

const textOf = (owner: Owner): string => `${JSON.stringify(owner)}\n`;

/** False when the file is there already. */
async function createLock(path: string, owner: Owner): Promise<boolean> {
  try {
    const file = await open(path, 'wx');
    await file.writeFile(textOf(owner)).finally(() => file.close());
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw writeError(path, error);
  }
}

/** Undefined when the file is missing or damaged. */
async function readOwner(path: string): Promise<Owner | undefined> {
  try {
    const owner = JSON.parse(await readFile(path, 'utf8')) as Partial<Owner> | null;
    return typeof owner?.pid === 'number' && typeof owner.token === 'string'
      ? (owner as Owner)
      : undefined;
  } catch {
    return undefined;
  }
}

async function isGone(path: string, owner: Owner | undefined): Promise<boolean> {
  if (owner === undefined) return (await ageOf(path)) > unwrittenMs;
  if (owner.host !== hostname()) return (await ageOf(path)) > foreignStaleMs;
  if (owner.pid === process.pid) return !held.has(owner.token);
  try {
    process.kill(owner.pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}

async function ageOf(path: string): Promise<number> {
  const found = await stat(path).catch(() => undefined);
  return found ? Date.now() - found.mtimeMs : Number.POSITIVE_INFINITY;
}

function taken(path: string, other: Owner | undefined): Error {
  return complain('CHECKPOINT', {
    where: path,
    expected: 'a folder no other run trains in',
    got: other ? `process ${other.pid} on ${other.host}` : 'a lock without an owner',
    next: 'Wait for that run or stop it; if it is no training run, delete the file.',
  });
}
