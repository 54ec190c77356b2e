/** @file Seed sequences against numpy (tools/reference/make_random.py). */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { seedWords } from './random-seed-sequence.js';

interface Case {
  entropy: string;
  spawnKey: number[];
  poolSize: number;
  words: number[];
}

const url = new URL('../../test/fixtures/core/random-seeds.json', import.meta.url);
const { cases }: { cases: Case[] } = JSON.parse(readFileSync(url, 'utf8'));

it.each(cases)('gives the words of numpy: $entropy, $spawnKey, $poolSize', (row) => {
  const { entropy, spawnKey, poolSize, words } = row;
  const actual = seedWords(BigInt(entropy), words.length, { spawnKey, poolSize });
  expect([...actual]).toEqual(words);
});
