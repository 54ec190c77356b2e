/** @file The trainer against huggingface/tokenizers `BpeTrainer`, ties included (fixtures by tools/reference/tokenizer_fixtures.py). */
import { readFileSync } from 'node:fs';
import { Tokenizer } from '@huggingface/tokenizers';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { trainBpe } from '../../src/formats/bpe-trainer.js';
import { ClipTokenizer } from '../../src/formats/clip-tokenizer.js';
import { writeClipTokenizer } from '../../src/formats/write-clip-tokenizer.js';

const folder = new URL('../fixtures/tokenizer/', import.meta.url);
const read = (name: string): string => readFileSync(new URL(name, folder), 'utf8');
const training = JSON.parse(read('training.json')) as {
  texts: string[];
  vocabSize: number;
  minFrequency: number;
};

describe('trainBpe', () => {
  const trained = trainBpe(training.texts, training);
  const files = writeClipTokenizer(trained);

  it('writes the reference trainer’s vocab.json and merges.txt byte for byte', () => {
    expect(files['merges.txt']).toBe(read('merges.txt'));
    expect(files['vocab.json']).toBe(read('vocab.json'));
  });

  it('writes the tokenizer.json transformers writes', () => {
    expect(JSON.parse(files['tokenizer.json'])).toEqual(JSON.parse(read('tokenizer.json')));
  });

  it('writes files from which the tokenizer spells every text back', () => {
    const tokenizer = ClipTokenizer.fromFiles({
      vocab: files['vocab.json'],
      merges: files['merges.txt'],
      tokenizerConfig: files['tokenizer_config.json'],
      specialTokensMap: files['special_tokens_map.json'],
    });
    for (const text of training.texts.filter((text) => /^[a-z ]+$/.test(text))) {
      expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
    }
  });

  it('writes a tokenizer.json that another library reads alike', () => {
    const config = JSON.parse(files['tokenizer_config.json']);
    const other = new Tokenizer(JSON.parse(files['tokenizer.json']), config);
    const own = ClipTokenizer.fromTokenizerJson(files['tokenizer.json']);
    for (const text of training.texts.slice(0, 200)) {
      expect(own.encode(text), text).toEqual(other.encode(text, { add_special_tokens: false }).ids);
    }
  });

  it('lays the vocabulary out as CLIP does: bytes, bytes ending a word, merges, BOS, EOS', () => {
    const tokens = [...trained.vocab.keys()];
    expect([...trained.vocab.values()]).toEqual(tokens.map((_, id) => id));
    expect(tokens.slice(0, 3)).toEqual(['!', '"', '#']);
    expect(tokens.slice(254, 258)).toEqual(['ł', 'Ń', '!</w>', '"</w>']);
    expect(tokens.slice(-2)).toEqual(['<|startoftext|>', '<|endoftext|>']);
    expect(new Set(trained.merges.map((merge) => merge.join(''))).size).toBe(tokens.length - 514);
  });

  it('does not depend on the order of the texts', () => {
    const turned = trainBpe(training.texts.toReversed(), training);
    expect(turned).toEqual(trained);
  });

  it('stops when no pair is frequent enough', () => {
    const { vocab, merges } = trainBpe(['abc abc', 'abd'], { vocabSize: 600, minFrequency: 3 });
    expect(merges).toEqual([['a', 'b']]);
    expect(vocab.size).toBe(515);
  });

  it('gives any text back, and never more tokens than bytes', () => {
    const word = fc.string({ unit: fc.constantFrom(...'abcdé猫🐱'), minLength: 1, maxLength: 8 });
    const texts = fc.array(word, { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(texts, (words) => {
        const { vocab, merges } = trainBpe(words, { vocabSize: 560 });
        const folder = writeClipTokenizer({ vocab, merges });
        const tokenizer = ClipTokenizer.fromTokenizerJson(folder['tokenizer.json']);
        for (const text of words) {
          const ids = tokenizer.encode(text);
          expect(ids.length).toBeLessThanOrEqual(Buffer.byteLength(text));
          expect(tokenizer.decode(ids).replaceAll(' ', '')).toBe(text);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('trains quickly on a large corpus', () => {
    const texts = Array.from(
      { length: 4000 },
      (_, i) => `${training.texts[i % 800]} x${i} y${i % 97}`,
    );
    const started = performance.now();
    trainBpe(texts, { vocabSize: 4000 });
    expect(performance.now() - started).toBeLessThan(20_000);
  });

  it('refuses a vocabulary without room for the bytes', () => {
    expect(() => trainBpe([], { vocabSize: 513 })).toThrowErrorMatchingInlineSnapshot(
      `[MaliangError: trainBpe: expected vocabSize from 514 to 16777216, got 513. Choose another vocabSize.]`,
    );
  });

  it('stops when the signal is aborted', () => {
    const signal = AbortSignal.abort();
    expect(() => trainBpe(['a'], { vocabSize: 600, signal })).toThrowErrorMatchingInlineSnapshot(
      `[MaliangError: trainBpe: cancelled.]`,
    );
  });
});
