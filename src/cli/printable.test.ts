/** @file What is quoted comes back from a shell; what is printed cannot steer a terminal. */
import { execFileSync, spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { printable, printableLines, quoteForShell } from './printable.js';

describe('printable', () => {
  it.each([
    ['a red apple, flat', 'a red apple, flat'],
    ['红苹果 🍎 👩‍🚀 é', '红苹果 🍎 👩‍🚀 é'],
    ['a\nb\tc\r', 'a\\nb\\tc\\r'],
    ['\u001b[2J\u0007\u009b', '\\x1b[2J\\x07\\x9b'],
    ['a\u202egnp.exe', 'a\\u202egnp.exe'],
    ['\u2028\ufeff\u0000', '\\u2028\\ufeff\\x00'],
  ])('%j', (text, shown) => {
    expect(printable(text)).toBe(shown);
  });

  it('keeps line breaks where Maliang made them', () => {
    expect(printableLines('a\u001b\nb')).toBe('a\\x1b\nb');
  });
});

const hasBash = spawnSync('bash', ['-c', 'true']).status === 0;
const ask = (shell: string, text: string): string =>
  execFileSync(shell, ['-c', `printf %s ${quoteForShell(text)}`], { encoding: 'utf8' });

describe('quoteForShell', () => {
  it.each([
    ['apple', 'apple'],
    ['a red apple', "'a red apple'"],
    ["it's", "'it'\\''s'"],
    ['$HOME `id` "x" \\ !', '\'$HOME `id` "x" \\ !\''],
    ['', "''"],
    ['两只猫', "'两只猫'"],
    ["a\n'b'", "$'a\\x0a\\'b\\''"],
  ])('%j', (text, quoted) => {
    expect(quoteForShell(text)).toBe(quoted);
  });

  it.skipIf(process.platform === 'win32')('sh gives ordinary text back', () => {
    for (const text of ["it's", '$HOME `id` "x" \\ ! * ?', '🍎 苹果；é', '-n', '#', '~']) {
      expect(ask('sh', text)).toBe(text);
    }
  });

  it.skipIf(!hasBash)('bash gives any text back', () => {
    const noNul = fc.string({ unit: 'grapheme' }).map((text) => text.replaceAll('\0', ''));
    const control = fc.string({ unit: fc.constantFrom(..."\u001b\n'\\\r\u202ea1\u2028f ") });
    fc.assert(
      fc.property(fc.oneof(noNul, control), (text) => {
        expect(ask('bash', text)).toBe(text);
      }),
      { numRuns: 60 },
    );
  });
});
