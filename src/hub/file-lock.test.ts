/** @file Locks: one at a time, dead owners are followed, and nobody is robbed. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, expect, it } from 'vitest';
import { FileLock, type LockOwner } from './file-lock.js';

const root = mkdtempSync(join(tmpdir(), 'maliang-lock-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let made = 0;
const newPath = (): string => join(root, `${made++}`, 'x.lock');
const longAgo = new Date(Date.now() - 3_600_000);

/** A lock file as another process leaves it. */
async function leave(path: string, owner: LockOwner | string, time = new Date()): Promise<void> {
  const own = await FileLock.acquire(path); // makes the folder
  await own.release();
  writeFileSync(path, typeof owner === 'string' ? owner : JSON.stringify(owner));
  utimesSync(path, time, time);
}

/** The number of a process that has ended. */
function deadPid(): number {
  return spawnSync(process.execPath, ['-e', '0']).pid;
}

it('is held by one at a time, and gone afterwards', async () => {
  const path = newPath();
  let holders = 0;
  let most = 0;
  const work = async (): Promise<void> => {
    await using lock = await FileLock.acquire(path);
    most = Math.max(most, ++holders);
    expect(await lock.isHeld()).toBe(true);
    await wait(20);
    holders--;
  };
  await Promise.all([work(), work(), work()]);
  expect(most).toBe(1);
  expect(readdirSync(join(path, '..'))).toEqual([]);
});

it('is not taken for a dead one while it is written or taken away', async () => {
  const path = newPath();
  let isEnough = false;
  const hold = async (): Promise<void> => {
    while (!isEnough) {
      await using lock = await FileLock.acquire(path);
      expect(await lock.isHeld()).toBe(true);
    }
  };
  const stop = wait(1500).then(() => {
    isEnough = true;
  });
  await Promise.all([stop, ...Array.from({ length: 4 }, hold)]);
});

it.each<[string, LockOwner | string, Date]>([
  ['of a process that ended', { pid: deadPid(), host: hostname(), token: 't' }, new Date()],
  [
    'of an earlier process of this number',
    { pid: process.pid, host: hostname(), token: 't' },
    new Date(),
  ],
  ['nobody renewed for an hour', { pid: process.ppid, host: 'elsewhere', token: 't' }, longAgo],
  ['of huggingface_hub, left behind', '', longAgo],
])('a lock %s is taken over', async (_, owner, time) => {
  const path = newPath();
  await leave(path, owner, time);
  const locks = await Promise.race([Promise.all([FileLock.acquire(path)]), wait(5000)]);
  expect(await locks![0].isHeld()).toBe(true);
  await locks![0].release();
  expect(readdirSync(join(path, '..'))).toEqual([]);
});

it.each<[string, LockOwner]>([
  ['here', { pid: process.ppid, host: hostname(), token: 't' }],
  ['elsewhere', { pid: 1, host: 'elsewhere', token: 't' }],
])('a living owner %s is waited for until the signal aborts', async (_, owner) => {
  const path = newPath();
  await leave(path, owner);
  const stop = new AbortController();
  const waits: (LockOwner | undefined)[] = [];
  const locked = FileLock.acquire(path, { signal: stop.signal, onWait: (who) => waits.push(who) });
  setTimeout(() => stop.abort(), 350);
  await expect(locked).rejects.toMatchObject({ code: 'CANCELLED' });
  expect(waits).toEqual([owner]);
  expect(existsSync(path)).toBe(true);
});

it('an owner that was robbed knows, and takes nothing away', async () => {
  const path = newPath();
  const lock = await FileLock.acquire(path);
  writeFileSync(path, JSON.stringify({ pid: 1, host: 'elsewhere', token: 'other' }));
  expect(await lock.isHeld()).toBe(false);
  await lock.release();
  expect(existsSync(path)).toBe(true);
});

it('says where it cannot write', async () => {
  const file = newPath();
  await (await FileLock.acquire(file)).release(); // makes the folder
  writeFileSync(file, '');
  await expect(FileLock.acquire(join(file, 'x.lock'))).rejects.toMatchObject({
    code: 'FILE_WRITE',
  });
});
