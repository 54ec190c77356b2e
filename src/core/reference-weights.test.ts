/** @file The weight function against fixtures of its numpy twin, tools/reference/make_weights.py. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { fnv1a64, referenceWeight } from './reference-weights.js';

interface Case {
  name: string;
  shape: number[];
  hash: string;
  head: string;
  sha256: string;
}

const fixture = new URL('../../test/fixtures/core/reference-weights.json', import.meta.url);
const { cases }: { cases: Case[] } = JSON.parse(readFileSync(fixture, 'utf8'));

it.each(cases)(
  'equals numpy bit for bit: "$name" $shape',
  ({ name, shape, hash, head, sha256 }) => {
    expect(fnv1a64(name)).toBe(BigInt(hash));
    const values = referenceWeight(name, shape);
    const expected = new Float32Array(new Uint8Array(Buffer.from(head, 'base64')).buffer);
    expect(values.slice(0, 48)).toEqual(expected);
    expect(createHash('sha256').update(new Uint8Array(values.buffer)).digest('hex')).toBe(sha256);
  },
);

it('gives alpha half the rank and asks for it', () => {
  expect(referenceWeight('lora.alpha', [], 8)).toEqual(Float32Array.of(4));
  expect(() => referenceWeight('lora.alpha', [])).toThrowErrorMatchingInlineSnapshot(
    `[MaliangError: referenceWeight(lora.alpha): expected the rank of the adapter, got none. Give the first dimension of its down weight.]`,
  );
});
