/** @file A stale build is noticed. */
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { staleness } from './fresh-build.js';

it('names what is missing, old or left over', () => {
  const folder = mkdtempSync(join(tmpdir(), 'maliang-'));
  const [src, out] = [join(folder, 'src'), join(folder, 'dist')];
  try {
    mkdirSync(join(src, 'a'), { recursive: true });
    for (const name of ['a/old', 'new', 'a/gone', 'own.test']) {
      writeFileSync(join(src, `${name}.ts`), '');
    }
    expect(staleness(src, out)).toHaveLength(3);
    mkdirSync(join(out, 'a'), { recursive: true });
    for (const name of ['a/old', 'new', 'extra']) writeFileSync(join(out, `${name}.js`), '');
    utimesSync(join(src, 'a/old.ts'), 2e9, 2e9);
    expect(staleness(src, out).sort()).toEqual([
      'a/gone.js is missing or older than a/gone.ts',
      'a/old.js is missing or older than a/old.ts',
      'extra.js has no source',
    ]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
