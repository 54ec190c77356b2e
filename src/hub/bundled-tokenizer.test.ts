/** @file The tokenizer in the package gives OpenAI's ids. */
import { expect, it } from 'vitest';
import { readBundledClipTokenizer } from './bundled-tokenizer.js';

it('has the published ids of CLIP', async () => {
  const tokenizer = await readBundledClipTokenizer('<|endoftext|>');
  expect(tokenizer.vocabSize).toBe(49_408);
  expect(tokenizer.maxLength).toBe(77);
  expect([tokenizer.bosId, tokenizer.eosId, tokenizer.padId]).toEqual([49_406, 49_407, 49_407]);
  expect(tokenizer.encode('a photo of a cat')).toEqual([320, 1125, 539, 320, 2368]);
  expect((await readBundledClipTokenizer('!')).padId).toBe(0);
});

it('is read in turns with the rest of the program', async () => {
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  await readBundledClipTokenizer('!');
  clearInterval(timer);
  expect(turns).toBeGreaterThan(4);
});
