/** @file docs/errors.md says what the error table says, and messages keep the house form. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import {
  cancelled,
  complain,
  type ErrorCode,
  errorTable,
  internal,
} from '../../src/core/errors.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const codes = Object.keys(errorTable) as ErrorCode[];

/** The rows of the table in docs/errors.md, in the form of the error table. */
function documented(): Record<string, { exitCode: number; meaning: string; cure: string }> {
  const text = readFileSync(join(root, 'docs/errors.md'), 'utf8');
  const rows = [...text.matchAll(/^\| `([A-Z_]+)` \| (\d+) \| (.+) \| (.+) \|$/gm)];
  return Object.fromEntries(
    rows.map(([, code, exitCode, meaning, cure]) => [
      code!,
      { exitCode: Number(exitCode), meaning: meaning!, cure: cure! },
    ]),
  );
}

it('docs/errors.md and the error table have the same rows in the same order', () => {
  expect(documented()).toEqual(errorTable);
  expect(Object.keys(documented())).toEqual(codes);
});

describe.each(codes)('%s', (code) => {
  it('builds messages of the form `where: expected X, got Y. Next step.`', () => {
    const error = complain(code, { where: 'place', expected: 'this', got: 'that' });
    expect(error.message).toBe(`place: expected this, got that. ${errorTable[code].cure}`);
    expect(error).toMatchObject({ code, exitCode: errorTable[code].exitCode });
  });

  it('has a meaning and a next step in whole sentences', () => {
    const { meaning, cure } = errorTable[code];
    for (const sentence of [meaning, cure]) {
      expect(sentence).toMatch(/^[A-Z].*\.$/);
      expect(sentence).not.toMatch(/\bplease\b|invalid input|oops/i);
    }
  });
});

it('a bug and a cancellation say so', () => {
  expect(internal('verify', 'node 41 has no shape').message).toBe(
    'internal: verify: node 41 has no shape',
  );
  expect(cancelled('training').message).toBe('training: cancelled.');
});

it('library code raises MaliangError only, and prints nothing', () => {
  const prints = new Set(['data/build-pictograms.ts']); // the entry point of a script
  const refused = /\bnew (Type|Range|Syntax|Aggregate)?Error\(|\bconsole\.|process\.std(out|err)/;
  const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .map((path) => path.replaceAll('\\', '/'))
    .filter((path) => /(?<!\.test)\.ts$/.test(path) && !/^cli(\/|\.ts)/.test(path))
    .filter((path) => !prints.has(path));
  const found = sources.flatMap((path) =>
    readFileSync(join(root, 'src', path), 'utf8')
      .split('\n')
      .filter((line) => refused.test(line))
      .map((line) => `${path}: ${line.trim()}`),
  );
  expect(found).toEqual([]);
});
