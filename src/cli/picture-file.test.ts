/** @file Names of pictures: never overwriting, whole or not at all, refused early where nothing can be written. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { errorTable } from '../core/errors.js';
import { sayIn } from './messages.js';
import type { OptionValues } from './option-table.js';
import { pictureTarget, requireWritable, shortPath, slugOf, writePicture } from './picture-file.js';

const say = sayIn('en', 'maliang');
const png = Uint8Array.of(1, 2, 3);
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'maliang-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

it.each([
  ['A red apple, flat', 'a-red-apple-flat'],
  ['两只猫，蓝色背景', '两只猫-蓝色背景'],
  ['Café\u0301 au lait!', 'café\u0301-au-lait'],
  ['🍎🍏', 'picture'],
  ['../../etc/passwd', 'etc-passwd'],
  ['a\u0000\u001b[31m/b\\c', 'a-31m-b-c'],
  [`${'word '.repeat(20)}`, 'word-word-word-word-word-word-word-word'],
  ['𝒜'.repeat(60), '𝒜'.repeat(40)],
])('%j becomes %s', (prompt, slug) => {
  expect(slugOf(prompt)).toBe(slug);
});

const format = 'png';

describe('--out', () => {
  const target = (out: string | undefined, rest: OptionValues = {}) =>
    pictureTarget({ ...(out !== undefined && { out }), ...rest }, folder, say);

  it('is a folder unless it ends as a picture file does', async () => {
    mkdirSync(join(folder, 'odd.png'));
    expect(await target(undefined)).toEqual({ folder, format });
    expect(await target('new')).toEqual({ folder: join(folder, 'new'), format });
    expect(await target('v1.2/')).toEqual({ folder: join(folder, 'v1.2'), format });
    expect(await target('odd.png')).toEqual({ folder: join(folder, 'odd.png'), format });
    for (const [name, meant] of [
      ['a/b.PNG', 'png'],
      ['a/b.jpg', 'jpeg'],
      ['a/b.JPEG', 'jpeg'],
      ['a/b.webp', 'webp'],
    ] as const) {
      const named = { folder: join(folder, 'a'), file: join(folder, name), format: meant };
      expect(await target(name)).toEqual(named);
    }
    expect(await target('new', { format: 'webp' })).toMatchObject({ format: 'webp' });
    expect(await target('a.jpg', { format: 'jpeg' })).toMatchObject({ format: 'jpeg' });
  });

  it('is refused for other formats, and for one file for several pictures', async () => {
    await expect(target('a.gif')).rejects.toThrow(
      '--out: expected a folder, or a file name ending in .png, .jpg or .webp, got a.gif. ' +
        'Maliang writes PNG, JPEG and WebP files.',
    );
    await expect(target('a.png', { num: 2 })).rejects.toThrow(
      '--out: expected a folder when --num is above 1, got a.png. See `maliang --help`.',
    );
    await expect(target('a.jpg', { format: 'png' })).rejects.toThrow(
      '--format: expected jpeg, as --out ends, got png.',
    );
  });
});

describe('requireWritable', () => {
  it('accepts folders that exist or can be made, and makes none', async () => {
    await requireWritable({ folder, format });
    await requireWritable({ folder: join(folder, 'a/b/c'), format });
    expect(readdirSync(folder)).toEqual([]);
  });

  it('refuses a file in place of a folder', async () => {
    writeFileSync(join(folder, 'file'), '');
    const target = { folder: join(folder, 'file'), format } as const;
    await expect(requireWritable(target)).rejects.toMatchObject({
      code: 'FILE_WRITE',
      message: `write ${target.folder}: expected a writable folder, got ENOTDIR. Choose a folder you may write to.`,
    });
    await expect(
      requireWritable({ folder: join(folder, 'file/deep'), format }),
    ).rejects.toMatchObject({
      code: 'FILE_WRITE',
    });
  });
});

describe('writePicture', () => {
  const write = (prompt = 'a fox', seed = 7) => writePicture({ folder, format }, png, prompt, seed);

  it('numbers names that are taken, and leaves nothing else', async () => {
    writeFileSync(join(folder, 'maliang-a-fox-7.png'), 'old');
    symlinkSync('nowhere', join(folder, 'maliang-a-fox-7-2.png'));
    expect(await write()).toBe(join(folder, 'maliang-a-fox-7-3.png'));
    expect(await write()).toBe(join(folder, 'maliang-a-fox-7-4.png'));
    expect(readFileSync(join(folder, 'maliang-a-fox-7.png'), 'utf8')).toBe('old');
    expect(readdirSync(folder)).toHaveLength(4);
  });

  it('gives many writers at once a name each', async () => {
    const paths = await Promise.all(Array.from({ length: 8 }, (_, i) => write('x', i % 2)));
    expect(new Set(paths).size).toBe(8);
    for (const path of paths) expect(readFileSync(path)).toEqual(Buffer.from(png));
  });

  it('replaces a file that was named', async () => {
    const file = join(folder, 'deep/a.png');
    mkdirSync(join(folder, 'deep'));
    writeFileSync(file, 'old');
    expect(await writePicture({ folder, file, format }, png, 'x', 1)).toBe(file);
    expect(readFileSync(file)).toEqual(Buffer.from(png));
    expect(readdirSync(join(folder, 'deep'))).toEqual(['a.png']);
  });

  it.skipIf(!existsSync('/dev/full'))('a full disk is DISK_FULL and leaves nothing', async () => {
    // The partial file is a device without space, whatever number it gets.
    const occupy = (name: (number: number) => string): void => {
      for (let i = 0; i < 99; i++) symlinkSync('/dev/full', join(folder, name(i)));
    };
    const clear = (): string[] => {
      const others = readdirSync(folder).filter((name) => !name.endsWith('.partial'));
      rmSync(folder, { recursive: true });
      mkdirSync(folder);
      return others;
    };
    occupy((i) => `.maliang-a-fox-7.${process.pid}-${i}.partial`);
    await expect(write()).rejects.toMatchObject({
      code: 'DISK_FULL',
      message: `write ${folder}/maliang-a-fox-7.png: expected free space, got ENOSPC. ${errorTable.DISK_FULL.cure}`,
    });
    expect(readdirSync(folder)).toHaveLength(98);
    expect(clear()).toEqual([]);
    occupy((i) => `b.png.${process.pid}-${i}.partial`);
    const file = join(folder, 'b.png');
    await expect(writePicture({ folder, file, format }, png, 'x', 1)).rejects.toMatchObject({
      code: 'DISK_FULL',
    });
    expect(clear()).toEqual([]);
  });
});

it('paths are shown as short as they are clear', () => {
  expect(shortPath('/a/b/c.png', '/a')).toBe('b/c.png');
  expect(shortPath('/a/b/c.png', '/x')).toBe('/a/b/c.png');
  expect(shortPath('/a/..b', '/a')).toBe('..b');
});
