/** @file The T5 tokenizer against huggingface/transformers, id for id (fixtures by tools/reference/make_t5_tokenizer.py). */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { brotliDecompressSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SentencepieceCharsmap } from '../../src/formats/sentencepiece-charsmap.js';
import { readSentencepieceModel } from '../../src/formats/sentencepiece-model.js';
import { T5Tokenizer } from '../../src/formats/t5-tokenizer.js';

interface Case {
  readonly text: string;
  readonly ids: number[];
}

interface Prompt extends Case {
  readonly maxLength: number;
}

interface Form {
  readonly size: number;
  readonly padId: number;
  readonly eosId: number;
  readonly prompts: Prompt[];
}

interface Variant {
  readonly name: string;
  readonly tokenizerConfig: object | null;
  readonly specialTokensMap: object | null;
  readonly spiece: Form;
  readonly json: Form;
}

const folder = new URL('../fixtures/tokenizer/t5/', import.meta.url);
const file = (name: string): Buffer => readFileSync(new URL(name, folder));
const fixture = <T>(name: string): T => JSON.parse(file(name).toString()) as T;

const spiece = new Uint8Array(brotliDecompressSync(file('spiece.model.br')));
const charsmap = readSentencepieceModel(spiece).charsmap!;
const json = tokenizerJson((root) => root);
const bare = T5Tokenizer.fromSpiece(spiece);
const fromJson = T5Tokenizer.fromTokenizerJson(json);

/** The parts of somebody else's file that the tests change. */
interface TokenizerFile {
  readonly model: Readonly<Record<string, unknown>>;
  normalizer: Record<string, unknown>;
  pre_tokenizer: unknown;
}

/** The saved tokenizer.json with the character map of the model back in its place. */
function tokenizerJson(change: (root: TokenizerFile) => unknown): string {
  const root = fixture<TokenizerFile>('tokenizer.json');
  root.normalizer.precompiled_charsmap = Buffer.from(charsmap).toString('base64');
  return JSON.stringify(change(root));
}

const sha256 = (data: string | Int32Array): string =>
  createHash('sha256').update(data).digest('hex');

describe('T5Tokenizer', () => {
  const texts = fixture<{
    size: number;
    cases: Case[];
    prompts: Prompt[];
    decodes: Case[];
  }>('texts.json');

  it('encodes every text of the fixture, from either file', () => {
    for (const { text, ids } of texts.cases) {
      expect(bare.encode(text), text).toEqual(ids);
      expect(fromJson.encode(text), text).toEqual(ids);
    }
  });

  it('pads and cuts prompts', () => {
    for (const { text, maxLength, ids } of texts.prompts) {
      const { ids: ours, tokenCount, truncatedText } = bare.encodePrompt(text, { maxLength });
      expect([...ours], text).toEqual(ids);
      const all = bare.encode(text).length + 1;
      expect(tokenCount).toBe(Math.min(all, maxLength));
      expect(truncatedText !== undefined).toBe(all > maxLength);
    }
  });

  it('decodes', () => {
    for (const { ids, text } of texts.decodes) expect(bare.decode(ids)).toBe(text);
  });

  const long = fixture<{ cases: { text: string; times: number; count: number; sha256: string }[] }>(
    'long.json',
  );
  it.each(long.cases)('encodes $text $times times over', ({ text, times, count, sha256: sum }) => {
    const ids = bare.encode(text.repeat(times));
    expect([ids.length, sha256(Int32Array.from(ids))]).toEqual([count, sum]);
  });

  it('knows its size, and no limit unless a file sets one', () => {
    expect([bare.vocabSize, fromJson.vocabSize]).toEqual([texts.size, texts.size]);
    expect(bare.maxLength).toBeUndefined();
    expect(() => bare.encodePrompt('a')).toThrowErrorMatchingInlineSnapshot(
      `[MaliangError: encodePrompt: expected maxLength of at least 1, for EOS, got undefined. Give it: the files of this tokenizer set no limit.]`,
    );
  });

  it('refuses lone surrogates and unknown ids', () => {
    expect(() => bare.encode('a\ud800')).toThrowErrorMatchingInlineSnapshot(
      `[MaliangError: encode: expected well-formed Unicode text, got a lone surrogate. Remove it, for example with \`text.toWellFormed()\`.]`,
    );
    expect(() => bare.decode([99_999])).toThrowErrorMatchingInlineSnapshot(
      `[MaliangError: decode: expected ids of the vocabulary, below 174, got 99999. Decode with the tokenizer that made the ids.]`,
    );
  });
});

describe('the character map', () => {
  const map = new SentencepieceCharsmap(charsmap);
  const { blocks } = fixture<{ blocks: { start: number; sha256: string }[] }>('characters.json');

  it('maps every character as the reference does', () => {
    const different = blocks.filter(({ start, sha256: sum }) => {
      const chars = Array.from({ length: 0x1000 }, (_, i) => String.fromCodePoint(start + i));
      return sha256(map.normalize(chars.map((char) => `a${char}`).join(''))) !== sum;
    });
    expect(different).toEqual([]);
  });

  it('takes time that grows with the length of the text only', () => {
    for (const text of ['a\u0301', '\u0301', '👍🏽', '🇩', 'a\r\n', 'क्षि', 'a\u200d😀\u200d']) {
      const started = performance.now();
      bare.encode(text.repeat(100_000 / text.length));
      expect(performance.now() - started).toBeLessThan(8000);
    }
  });

  it.each([
    ['nothing', []],
    ['no trie', [0, 0, 0, 0]],
    ['a trie longer than the file', [8, 0, 0, 0, 1, 1, 1, 1]],
  ])('refuses %s', (_, bytes) => {
    expect(() => new SentencepieceCharsmap(Uint8Array.from(bytes))).toThrow(
      /character map: expected/,
    );
  });

  it('never leaves a damaged map', () => {
    const bytes = fc.uint8Array({ minLength: 4, maxLength: 64 });
    fc.assert(
      fc.property(bytes, fc.string({ unit: 'grapheme' }), (rest, text) => {
        const size = rest.length - (rest.length % 4);
        const damaged = new Uint8Array([size, 0, 0, 0, ...rest]);
        try {
          new SentencepieceCharsmap(damaged).normalize(text);
        } catch (error) {
          expect(error).toMatchObject({ code: 'TOKENIZER' });
        }
      }),
    );
  });
});

describe('T5Tokenizer with configuration files', () => {
  const { variants } = fixture<{ variants: Variant[] }>('variants.json');
  const asText = (value: object | null): string | undefined =>
    value === null ? undefined : JSON.stringify(value);

  for (const variant of variants) {
    const config = {
      tokenizerConfig: asText(variant.tokenizerConfig),
      specialTokensMap: asText(variant.specialTokensMap),
    };
    it.each([
      ['spiece', variant.spiece, () => T5Tokenizer.fromSpiece(spiece, config)],
      ['json', variant.json, () => T5Tokenizer.fromTokenizerJson(json, config)],
    ] as const)(`${variant.name}: %s`, (_, form, load) => {
      const loaded = load();
      const { vocabSize: size, padId, eosId } = loaded;
      expect({ ...form, size, padId, eosId }).toEqual(form);
      for (const { text, maxLength, ids } of form.prompts) {
        expect([...loaded.encodePrompt(text, { maxLength }).ids], text).toEqual(ids);
      }
    });
  }

  it('takes the length of a prompt from the configuration', () => {
    const tokenizerConfig = JSON.stringify({ model_max_length: 20 });
    const tokenizer = T5Tokenizer.fromSpiece(spiece, { tokenizerConfig });
    expect(tokenizer.encodePrompt('a red apple').ids).toHaveLength(20);
  });

  it('reads the pipelines of older and newer files alike', () => {
    const older = T5Tokenizer.fromTokenizerJson(
      tokenizerJson((root) => {
        const replace = { type: 'Replace', pattern: { Regex: ' {2,}' }, content: '▁' };
        const strip = { type: 'Strip', strip_left: false, strip_right: true };
        root.normalizer = { type: 'Sequence', normalizers: [root.normalizer, strip, replace] };
        root.pre_tokenizer = { type: 'Metaspace', replacement: '▁', add_prefix_space: true };
        return root;
      }),
    );
    const text = '  ｆｕｌｌ  width <extra_id_3> a ';
    expect(older.encode(text)).toEqual(bare.encode(text));
  });

  it.each([
    ['a left padding side', '{"padding_side":"left"}'],
    ['more extra ids than there can be', '{"extra_ids":1000000}'],
  ])('refuses %s', (_, tokenizerConfig) => {
    expect(() => T5Tokenizer.fromSpiece(spiece, { tokenizerConfig })).toThrow(/expected/);
  });
});

describe('a damaged tokenizer', () => {
  const refusals: readonly (readonly [string, (root: TokenizerFile) => unknown])[] = [
    ['another model', (root) => ({ ...root, model: { ...root.model, type: 'BPE' } })],
    ['byte fallback', (root) => ({ ...root, model: { ...root.model, byte_fallback: true } })],
    [
      'two pieces',
      (root) => ({
        ...root,
        model: {
          ...root.model,
          vocab: [
            ['a', 0],
            ['b', 0],
          ],
        },
      }),
    ],
    ['a score of text', (root) => ({ ...root, model: { ...root.model, vocab: [['a', 'b']] } })],
    ['another normalizer', (root) => ({ ...root, normalizer: { type: 'Lowercase' } })],
    ['another splitting', (root) => ({ ...root, pre_tokenizer: { type: 'ByteLevel' } })],
  ];
  it.each(refusals)('refuses %s', (_, change) => {
    const bad = tokenizerJson(change);
    expect(() => T5Tokenizer.fromTokenizerJson(bad)).toThrowErrorMatchingSnapshot();
  });

  it('refuses every cut of a model, or reads what is whole', () => {
    fc.assert(
      fc.property(fc.nat(spiece.length - 1), (length) => {
        try {
          readSentencepieceModel(spiece.subarray(0, length));
        } catch (error) {
          expect(error).toMatchObject({ code: 'TOKENIZER' });
        }
      }),
    );
  });

  it('survives any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          T5Tokenizer.fromSpiece(bytes);
        } catch (error) {
          expect(error).toMatchObject({ code: 'TOKENIZER' });
        }
      }),
    );
  });
});
