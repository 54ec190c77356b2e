/** @file Lines per folder of src/, tests apart: `node scripts/count-lines.mjs`. Joining lines does not count. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const src = join(dirname(fileURLToPath(import.meta.url)), '..', 'src');
const rows = new Map();
for (const path of readdirSync(src, { recursive: true, encoding: 'utf8' })) {
  if (!path.endsWith('.ts')) continue;
  const folder = path.includes('/') ? path.slice(0, path.indexOf('/')) : '.';
  const lines = readFileSync(join(src, path), 'utf8').split('\n').length - 1;
  const row = rows.get(folder) ?? { files: 0, lines: 0, tests: 0, longest: 0, of: '' };
  rows.set(folder, row);
  if (path.endsWith('.test.ts')) {
    row.tests += lines;
    continue;
  }
  row.files += 1;
  row.lines += lines;
  if (lines > row.longest) Object.assign(row, { longest: lines, of: path });
}
const sorted = [...rows].sort(([, a], [, b]) => b.lines - a.lines);
const total = sorted.reduce((sum, [, row]) => sum + row.lines, 0);
for (const [folder, { files, lines, tests, longest, of }] of sorted) {
  const cells = [folder.padEnd(12), lines, files, tests].map((cell) => `${cell}`.padStart(6));
  process.stdout.write(`${cells.join(' ')}  longest ${longest} ${of}\n`);
}
process.stdout.write(
  `${'total'.padEnd(12)} ${`${total}`.padStart(6)} (folder, lines, files, lines of tests)\n`,
);
