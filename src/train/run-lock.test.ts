/** @file Who may train in a folder: one live run, and whoever comes after a dead one. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { lockFile, RunLock } from './run-lock.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'maliang-lock-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const path = (): string => join(folder, lockFile);
/** Leaves a lock as another process would; `ageMs` is how long ago it was renewed. */
function leave(owner: object | string, ageMs = 0): void {
  writeFileSync(path(), typeof owner === 'string' ? owner : JSON.stringify(owner));
  const time = new Date(Date.now() - ageMs);
  utimesSync(path(), time, time);
}
const deadPid = (): number => spawnSync(process.execPath, ['-e', '']).pid;
const host = hostname();

async function refused(): Promise<string> {
  const error = (await RunLock.acquire(folder).catch((cause: unknown) => cause)) as {
    code: string;
    message: string;
  };
  return `${error.code} ${error.message.replace(folder, '<folder>')}`;
}

it('is held by one and free again afterwards', async () => {
  const first = await RunLock.acquire(folder);
  expect((await refused()).replace(`${process.pid} on ${host}`, '<owner>')).toMatchInlineSnapshot(
    `"CHECKPOINT <folder>/run.lock: expected a folder no other run trains in, got process <owner>. Wait for that run or stop it; if it is no training run, delete the file."`,
  );
  await first.release();
  expect(existsSync(path())).toBe(false);
  await (await RunLock.acquire(folder)).release();
});

it('lets exactly one of many in', async () => {
  const tries = await Promise.allSettled(Array.from({ length: 8 }, () => RunLock.acquire(folder)));
  const locks = tries.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  expect(locks).toHaveLength(1);
  await locks[0]!.release();
});

it('is taken over when its process has ended, also in a container that counts anew', async () => {
  for (const pid of [deadPid(), process.pid]) {
    leave({ pid, host, token: 'gone' });
    const lock = await RunLock.acquire(folder);
    expect(JSON.parse(readFileSync(path(), 'utf8'))).toMatchObject({ pid: process.pid });
    await lock.release();
  }
});

it('is respected while its process lives', async () => {
  leave({ pid: process.ppid, host, token: 'alive' });
  expect(await refused()).toContain(`got process ${process.ppid} on ${host}.`);
});

it('is respected while its process is paused, for hours if need be', async () => {
  leave({ pid: process.ppid, host, token: 'paused' }, 3 * 3_600_000);
  expect(await refused()).toContain(`got process ${process.ppid} on ${host}.`);
});

it('of another machine counts while it is renewed', async () => {
  const owner = { pid: deadPid(), host: 'elsewhere', token: 'far' };
  leave(owner, 300_000);
  expect(await refused()).toContain('on elsewhere');
  leave(owner, 3_600_000);
  await (await RunLock.acquire(folder)).release();
});

it('without an owner counts for as long as writing it takes', async () => {
  leave('');
  expect(await refused()).toContain('got a lock without an owner');
  leave('{"pid":', 10_000);
  await (await RunLock.acquire(folder)).release();
});

it('notices that another took the folder, and makes a lost file again', async () => {
  const lock = await RunLock.acquire(folder);
  rmSync(path());
  await lock.confirm();
  expect(existsSync(path())).toBe(true);
  leave({ pid: process.ppid, host, token: 'other' });
  await expect(lock.confirm()).rejects.toMatchObject({ code: 'CHECKPOINT' });
  await lock.release();
  expect(readFileSync(path(), 'utf8')).toContain('other');
});

it('says where it cannot write', async () => {
  const file = join(folder, 'file');
  writeFileSync(file, '');
  await expect(RunLock.acquire(file)).rejects.toMatchObject({ code: 'FILE_WRITE' });
});
