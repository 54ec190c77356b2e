/** @file Hashes of files: whole, from a byte on, again after a change, by the name of a blob. */
import { createHash } from 'node:crypto';
import {
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
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { sha256OfFile } from './file-hash.js';

const sum = (text: string): string => createHash('sha256').update(text).digest('hex');
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'maliang-hash-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

it('is that of the bytes, or of those from a place on', async () => {
  const path = join(folder, 'a');
  writeFileSync(path, 'head and tail');
  expect(await sha256OfFile(path)).toBe(sum('head and tail'));
  expect(await sha256OfFile(path, { from: 5 })).toBe(sum('and tail'));
});

it('is read again when the file changed', async () => {
  const path = join(folder, 'a');
  writeFileSync(path, 'one');
  expect(await sha256OfFile(path)).toBe(sum('one'));
  writeFileSync(path, 'three');
  expect(await sha256OfFile(path)).toBe(sum('three'));
});

it('is the name of a blob of a hub’s cache, behind a link too', async () => {
  const name = sum('whatever');
  mkdirSync(join(folder, 'blobs'));
  writeFileSync(join(folder, 'blobs', name), 'x');
  symlinkSync(join('blobs', name), join(folder, 'model.safetensors'));
  expect(await sha256OfFile(join(folder, 'model.safetensors'))).toBe(name);
  expect(await sha256OfFile(join(folder, 'model.safetensors'), { from: 0 })).toBe(name);
});

it('is FILE_READ without a file, CANCELLED when stopped', async () => {
  await expect(sha256OfFile(join(folder, 'none'))).rejects.toMatchObject({ code: 'FILE_READ' });
  writeFileSync(join(folder, 'a'), 'x');
  const signal = AbortSignal.abort();
  await expect(sha256OfFile(join(folder, 'a'), { signal })).rejects.toMatchObject({
    code: 'CANCELLED',
  });
});

it('of a large file is kept for other processes, and taken anew when the file or what was kept is another', async () => {
  const path = join(folder, 'large');
  const bytes = new Uint8Array(2 ** 26);
  writeFileSync(path, bytes);
  const known = new Set<string>();
  const kept = (): string[] => {
    const names = readdirSync(join(folder, 'cache', 'hashes'));
    return names.filter((name) => !known.has(name));
  };
  vi.stubEnv('MALIANG_CACHE', join(folder, 'cache'));
  try {
    vi.resetModules();
    const whole = createHash('sha256').update(bytes).digest('hex');
    expect(await sha256OfFile(path)).toBe(whole);
    const [first] = kept();
    const file = join(folder, 'cache', 'hashes', first!);
    expect(readFileSync(file, 'utf8')).toBe(whole);

    writeFileSync(file, sum('what another process found'));
    const other = await import('./file-hash.js');
    expect(await other.sha256OfFile(path)).toBe(sum('what another process found'));

    writeFileSync(file, 'half a ha');
    vi.resetModules();
    const third = await import('./file-hash.js');
    expect(await third.sha256OfFile(path)).toBe(whole);

    known.add(first!);
    bytes[0] = 1;
    writeFileSync(path, bytes);
    expect(await third.sha256OfFile(path)).toBe(createHash('sha256').update(bytes).digest('hex'));
    expect(kept()).toHaveLength(1);
  } finally {
    vi.unstubAllEnvs();
  }
});
