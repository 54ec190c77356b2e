/** @file docs/fidelity.md has a line for every row; `npm run fidelity` writes it anew. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { fidelityFamilies } from './fidelity-cases.js';

test('docs/fidelity.md has every row', () => {
  const document = readFileSync(new URL('../docs/fidelity.md', import.meta.url), 'utf8');
  for (const { name, rows } of fidelityFamilies) {
    const start = document.indexOf(`\n## ${name}\n`);
    expect(start, name).toBeGreaterThan(0);
    const section = document.slice(start, document.indexOf('\n## ', start + 4));
    const lines = section.split('\n').filter((line) => /^\| (?!sampler)[^-]/.test(line));
    expect(lines.length, name).toBe(rows.length);
  }
});
