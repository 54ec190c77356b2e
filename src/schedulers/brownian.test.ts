/** @file Brownian paths against torchsde (tools/reference/make_random.py). */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { BrownianPath, brownianNoise } from './brownian.js';

interface Case {
  seed: string;
  count: number;
  ends: [number, number];
  times: [number, number][];
  changes: string[];
}

const url = new URL('../../test/fixtures/schedulers/brownian.json', import.meta.url);
const { cases }: { cases: Case[] } = JSON.parse(readFileSync(url, 'utf8'));

function unpack(text: string): Float32Array {
  return new Float32Array(new Uint8Array(Buffer.from(text, 'base64')).buffer);
}

it.each(cases)('gives the changes of torchsde: seed $seed, $ends', (row) => {
  const path = new BrownianPath(BigInt(row.seed), row.count, row.ends);
  for (const [i, [from, to]] of row.times.entries()) {
    const actual = path.change(from, to);
    const expected = unpack(row.changes[i]!);
    expect(actual).toHaveLength(expected.length);
    for (const [j, value] of expected.entries()) {
      expect(Math.abs(actual[j]! - value)).toBeLessThanOrEqual(2e-6 * Math.max(1, Math.abs(value)));
    }
  }
});

it('gives each picture the path of its own seed', () => {
  const both = brownianNoise([3, 4], 8, [0.1, 9])(5, 2);
  expect(brownianNoise([3], 4, [0.1, 9])(5, 2)).toEqual(both.slice(0, 4));
  expect(brownianNoise([4], 4, [0.1, 9])(5, 2)).toEqual(both.slice(4));
});

it('changes its sign with the direction', () => {
  const noise = brownianNoise([3], 4, [0.1, 9]);
  expect(noise(2, 5)).toEqual(noise(5, 2).map((value) => -value));
});
