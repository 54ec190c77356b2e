/** @file Writes that fail: what is said, and that neither the old file nor the folder changes. */
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { mkdir, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { cancelled, MaliangError } from '../core/errors.js';
import { isPartialOf, writeError, writeFileAtomically } from './atomic-file.js';

const root = mkdtempSync(join(tmpdir(), 'maliang-atomic-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

let made = 0;
async function emptyFolder(): Promise<string> {
  const folder = join(root, `${made++}`);
  await mkdir(folder);
  return folder;
}

/** `CODE: message` of what a promise rejects with, without the temporary folder. */
async function failureOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => 'nothing thrown',
    (cause: unknown) => cause,
  );
  if (!(error instanceof MaliangError)) throw error;
  return `${error.code}: ${error.message.replaceAll(/\S*maliang-atomic-\w+\/\d+/g, '<folder>')}`;
}

async function* chunksThen(error: Error): AsyncGenerator<Uint8Array> {
  yield new Uint8Array(100_000);
  throw error;
}

describe('a write that succeeds', () => {
  it('makes folders and leaves nothing but the file', async () => {
    const folder = await emptyFolder();
    const path = join(folder, 'a', 'b', 'file');
    const large = Uint8Array.from({ length: 3_000_000 }, (_, i) => i % 251);
    await writeFileAtomically(path, [large.subarray(0, 7), large.subarray(7)]);
    expect(readFileSync(path).equals(large)).toBe(true);
    await writeFileAtomically(path, '墨');
    expect(readFileSync(path, 'utf8')).toBe('墨');
    expect(await readdir(join(folder, 'a', 'b'))).toEqual(['file']);
  });

  it('is one of the two when two write at once', async () => {
    const path = join(await emptyFolder(), 'file');
    const contents = ['1', '2'].map((digit) => digit.repeat(2_000_000));
    await Promise.all(contents.map((content) => writeFileAtomically(path, content)));
    expect(contents).toContain(readFileSync(path, 'utf8'));
  });
});

describe('a write that fails', () => {
  it('keeps the old file and hands on what the content threw', async () => {
    const folder = await emptyFolder();
    const path = join(folder, 'file');
    writeFileSync(path, 'old');
    const bug = new RangeError('no more');
    await expect(writeFileAtomically(path, chunksThen(bug))).rejects.toBe(bug);
    const stopped = cancelled('writing');
    await expect(writeFileAtomically(path, chunksThen(stopped))).rejects.toBe(stopped);
    expect(readFileSync(path, 'utf8')).toBe('old');
    expect(await readdir(folder)).toEqual(['file']);
  });

  it('says so when a file lies where a folder should be', async () => {
    const folder = await emptyFolder();
    writeFileSync(join(folder, 'taken'), '');
    const path = join(folder, 'taken', 'deeper', 'file');
    expect(await failureOf(writeFileAtomically(path, 'x'))).toMatchInlineSnapshot(
      `"FILE_WRITE: write <folder>/taken/deeper/file: expected a writable folder, got ENOTDIR. Choose a folder you may write to."`,
    );
    expect(await readdir(folder)).toEqual(['taken']);
  });

  it('says so when a folder lies where the file should be', async () => {
    const folder = await emptyFolder();
    await mkdir(join(folder, 'file'));
    expect(await failureOf(writeFileAtomically(join(folder, 'file'), 'x'))).toMatchInlineSnapshot(
      `"FILE_WRITE: write <folder>/file: expected a writable folder, got EISDIR. Choose a folder you may write to."`,
    );
    expect(await readdir(folder)).toEqual(['file']);
  });

  it.skipIf(!existsSync('/dev/full'))('cleans up when the disk is full', async () => {
    const folder = await emptyFolder();
    const path = join(folder, 'file');
    writeFileSync(path, 'old');
    for (let n = 0; n < 40; n++) symlinkSync('/dev/full', `${path}.${process.pid}-${n}.partial`);
    expect(await failureOf(writeFileAtomically(path, 'x'))).toMatchInlineSnapshot(
      `"DISK_FULL: write <folder>/file: expected free space, got ENOSPC. Free some space or choose another folder."`,
    );
    expect(readFileSync(path, 'utf8')).toBe('old');
    expect(await readdir(folder)).toHaveLength(40);
  });
});

describe('writeError', () => {
  it('has words for each reason', () => {
    const rows = ['ENOSPC', 'EDQUOT', 'EFBIG', 'EACCES'].map((code) => {
      const error = writeError('out/a.png', Object.assign(new Error(code), { code }));
      return `${error.code} ${error.message}`;
    });
    expect(rows).toMatchInlineSnapshot(`
      [
        "DISK_FULL write out/a.png: expected free space, got ENOSPC. Free some space or choose another folder.",
        "DISK_FULL write out/a.png: expected free space in your quota, got EDQUOT. Free some space or choose another folder.",
        "FILE_WRITE write out/a.png: expected a file size within the limit of the file system or of the process, got EFBIG. Choose a folder on another file system, or raise the limit (\`ulimit -f\`).",
        "FILE_WRITE write out/a.png: expected a writable folder, got EACCES. Choose a folder you may write to.",
      ]
    `);
  });
});

it('knows the partial files of a name', () => {
  const names = [
    'a.bin.12-0.partial',
    'a.bin',
    'a.bin.partial',
    'xa.bin.12-0.partial',
    'a.bin.b-1.partial',
  ];
  expect(names.filter((name) => isPartialOf('a.bin', name))).toEqual(['a.bin.12-0.partial']);
});
