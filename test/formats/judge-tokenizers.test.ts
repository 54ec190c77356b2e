/** @file The BERT and SigLIP tokenizers against the ids of transformers, on small vocabularies. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { brotliDecompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { normalizeBertText, splitBertWords } from '../../src/formats/bert-text.js';
import { BertTokenizer } from '../../src/formats/bert-tokenizer.js';
import { SiglipTokenizer } from '../../src/formats/siglip-tokenizer.js';

const folder = new URL('../fixtures/tokenizer/', import.meta.url);
const read = (name: string): string => readFileSync(new URL(name, folder), 'utf8');
const idsOf = (row: string): number[] => (row === '' ? [] : row.split(' ').map(Number));
const asText = (value: object | null): string | undefined =>
  value === null ? undefined : JSON.stringify(value);

interface BertVariant {
  name: string;
  tokenizerConfig: object | null;
  specialTokensMap: object | null;
  size: number;
  padId: number;
  cases: BertCase[];
  /** What a tokenizer.json, which lists tokens of its own, gives otherwise. */
  differentFromJson: BertCase[];
}
interface BertCase {
  text: string;
  /** Ids, between spaces. */
  ids: string;
  cut: string;
  decoded: string;
}

describe('BertTokenizer', () => {
  const { variants } = JSON.parse(read('bert/variants.json')) as { variants: BertVariant[] };
  const [vocab, json] = [read('bert/vocab.txt'), read('bert/tokenizer.json')];

  describe.each(variants)('$name', ({ tokenizerConfig, specialTokensMap, ...variant }) => {
    const config = {
      tokenizerConfig: asText(tokenizerConfig),
      specialTokensMap: asText(specialTokensMap),
    };
    const { size, padId, cases, differentFromJson } = variant;
    const others = new Map(differentFromJson.map((one) => [one.text, one]));
    it.each([
      ['vocab.txt', () => BertTokenizer.fromVocab(vocab, config), cases],
      [
        'tokenizer.json',
        () => BertTokenizer.fromTokenizerJson(json, config),
        cases.map((one) => others.get(one.text) ?? one),
      ],
    ])('reads, cuts and spells from %s', (_, load, expected) => {
      const tokenizer = load();
      expect([tokenizer.vocabSize, tokenizer.padId]).toEqual([size, padId]);
      for (const { text, decoded, ...rows } of expected) {
        const [ids, cut] = [idsOf(rows.ids), idsOf(rows.cut)];
        const whole = tokenizer.encodeText(text, { maxLength: 1000 });
        expect(whole, text).toEqual({ ids, truncatedText: undefined });
        const short = tokenizer.encodeText(text, { maxLength: 6 });
        expect(short.ids, text).toEqual(cut);
        expect(short.truncatedText !== undefined).toBe(ids.length > 6);
        expect(tokenizer.decode(ids, { skipsSpecialTokens: true }), text).toBe(decoded);
      }
    });
  });

  it('cleans and splits every character as the reference does', () => {
    const { blocks } = JSON.parse(read('bert/characters.json')) as {
      blocks: { start: number; sha256: string }[];
    };
    const rule = { lowercases: true, stripsAccents: true, splitsChinese: true };
    const different = blocks.filter(({ start, sha256 }) => {
      const chars = Array.from(
        { length: 0x1000 },
        (_, i) => `a${String.fromCodePoint(start + i)}b`,
      );
      const words = splitBertWords(normalizeBertText(chars.join(' '), rule));
      return createHash('sha256').update(words.join('\n')).digest('hex') !== sha256;
    });
    expect(different.map(({ start }) => start.toString(16))).toEqual([]);
  });

  it('takes time that grows with the length of the text only', () => {
    const tokenizer = BertTokenizer.fromVocab(vocab);
    for (const text of ['a', 'é', 'e\u0301', '苹', '👍🏽', '. ', 'red ']) {
      const started = performance.now();
      tokenizer.encode(text.repeat(100_000 / text.length));
      expect(performance.now() - started, text).toBeLessThan(4000);
    }
  });

  it('refuses lone surrogates, too short a limit and unknown ids', () => {
    const tokenizer = BertTokenizer.fromVocab(vocab);
    expect(() => tokenizer.encode('a\ud800')).toThrowErrorMatchingInlineSnapshot(
      `[MaliangError: encode: expected well-formed Unicode text, got a lone surrogate. Remove it, for example with \`text.toWellFormed()\`.]`,
    );
    expect(() => tokenizer.encodeText('a', { maxLength: 1 })).toThrowErrorMatchingInlineSnapshot(
      `[MaliangError: encodeText: expected maxLength of at least 2, for [CLS] and [SEP], got 1. Leave it out to use the length of the files.]`,
    );
    expect(() => tokenizer.decode([99_999])).toThrowErrorMatchingInlineSnapshot(
      `[MaliangError: decode: expected ids of the vocabulary, below 898, got 99999. Decode with the tokenizer that made the ids.]`,
    );
  });

  it.each([
    ['no unknown token', 'a\nb\n', undefined],
    ['an empty file', '', undefined],
    ['a flag of text', vocab, '{"do_lower_case":"yes"}'],
  ])('refuses %s', (_, text, tokenizerConfig) => {
    expect(() => BertTokenizer.fromVocab(text, { tokenizerConfig })).toThrow(/expected/);
  });
});

interface SiglipVariant {
  name: string;
  tokenizerConfig: object | null;
  model: string;
  maxLength: number;
  size: number;
  cases: { text: string; ids: string; padded: string }[];
}

describe('SiglipTokenizer', () => {
  const { variants } = JSON.parse(read('siglip/variants.json')) as { variants: SiglipVariant[] };

  it.each(variants)(
    'reads and pads: $name',
    ({ tokenizerConfig, model, maxLength, size, cases }) => {
      const packed = model === '' ? readFileSync(new URL('t5/spiece.model.br', folder)) : model;
      const spiece = brotliDecompressSync(Buffer.from(packed as string, 'base64'));
      const tokenizer = new SiglipTokenizer(spiece, { tokenizerConfig: asText(tokenizerConfig) });
      expect([tokenizer.maxLength, tokenizer.vocabSize]).toEqual([maxLength, size]);
      for (const { text, ...rows } of cases) {
        const [ids, padded] = [idsOf(rows.ids), idsOf(rows.padded)];
        expect(tokenizer.encode(text), JSON.stringify(text)).toEqual(ids);
        const prompt = tokenizer.encodePrompt(text, { maxLength: 16 });
        expect([...prompt.ids], JSON.stringify(text)).toEqual(padded);
        expect(prompt.truncatedText !== undefined).toBe(ids.length > 15);
      }
    },
  );
});
