/** @file The tokenizer against huggingface/transformers, token for token (fixtures by tools/reference/tokenizer_fixtures.py). */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ClipTokenizer } from '../../src/formats/clip-tokenizer.js';

interface Case {
  readonly text: string;
  readonly ids: number[];
}

interface Variant {
  readonly name: string;
  readonly tokenizerConfig: object | null;
  readonly specialTokensMap: object | null;
  readonly bosId: number;
  readonly eosId: number;
  readonly padId: number;
  readonly size: number;
  readonly maxLength: number | null;
  readonly cases: Case[];
  readonly prompts: { text: string; maxLength: number; ids: number[]; cut: string | null }[];
  /** The same configuration with a tokenizer.json beside it: only the texts that come out otherwise. */
  readonly besideJson: { padId: number; size: number; cases: Case[] };
  readonly decodes: { ids: number[]; text: string; plain: string }[];
}

const folder = new URL('../fixtures/tokenizer/', import.meta.url);
const text = (name: string): string => readFileSync(new URL(name, folder), 'utf8');
const fixture = <T>(name: string): T => JSON.parse(text(name)) as T;

const vocab = text('vocab.json');
const merges = text('merges.txt');
const bare = ClipTokenizer.fromFiles({ vocab, merges });

function idsDigest(ids: readonly number[]): string {
  return createHash('sha256').update(Int32Array.from(ids)).digest('hex');
}

describe('ClipTokenizer.fromFiles', () => {
  it.each(fixture<{ cases: Case[] }>('texts.json').cases)('encodes $text', ({ text, ids }) => {
    expect(bare.encode(text)).toEqual(ids);
  });

  const long = fixture<{ cases: { text: string; times: number; count: number; sha256: string }[] }>(
    'long.json',
  );
  it.each(long.cases)('encodes $text $times times over', ({ text, times, count, sha256 }) => {
    const ids = bare.encode(text.repeat(times));
    expect([ids.length, idsDigest(ids)]).toEqual([count, sha256]);
  });
});

describe('ClipTokenizer with the configuration files of public folders', () => {
  const { variants } = fixture<{ variants: Variant[] }>('variants.json');

  for (const variant of variants) {
    const asText = (value: object | null): string | undefined =>
      value === null ? undefined : JSON.stringify(value);
    const tokenizerConfig = asText(variant.tokenizerConfig);
    const specialTokensMap = asText(variant.specialTokensMap);
    const files = { vocab, merges, tokenizerConfig, specialTokensMap };
    const tokenizer = ClipTokenizer.fromFiles(files);

    it(`${variant.name}: names the same special ids`, () => {
      const { bosId, eosId, padId, vocabSize, maxLength } = tokenizer;
      expect({ bosId, eosId, padId, vocabSize, maxLength }).toEqual({
        bosId: variant.bosId,
        eosId: variant.eosId,
        padId: variant.padId,
        vocabSize: variant.size,
        maxLength: variant.maxLength ?? 77,
      });
    });

    it.each(variant.cases)(`${variant.name}: encodes $text`, ({ text, ids }) => {
      expect(tokenizer.encode(text)).toEqual(ids);
    });

    it.each(variant.prompts)(`${variant.name}: pads and cuts $text`, (prompt) => {
      const { ids, truncatedText } = tokenizer.encodePrompt(prompt.text, prompt);
      expect([...ids]).toEqual(prompt.ids);
      expect(truncatedText ?? null).toBe(prompt.cut);
    });

    it(`${variant.name}: follows a tokenizer.json beside the configuration`, () => {
      if (tokenizerConfig === undefined && specialTokensMap === undefined) return;
      const beside = ClipTokenizer.fromTokenizerJson(text('tokenizer.json'), {
        tokenizerConfig,
        specialTokensMap,
      });
      const { padId, size, cases } = variant.besideJson;
      expect([beside.padId, beside.vocabSize]).toEqual([padId, size]);
      const expected = new Map([...variant.cases, ...cases].map(({ text, ids }) => [text, ids]));
      for (const [text, ids] of expected) expect(beside.encode(text), text).toEqual(ids);
    });

    if (variant.decodes.length > 0) {
      it.each(variant.decodes)(`${variant.name}: decodes $ids`, ({ ids, text, plain }) => {
        expect(tokenizer.decode(ids)).toBe(text);
        expect(tokenizer.decode(ids, { skipsSpecialTokens: true })).toBe(plain);
      });
    }
  }
});

describe('ClipTokenizer.fromTokenizerJson', () => {
  const json = text('tokenizer.json');

  it('equals the tokenizer of the separate files', () => {
    const whole = ClipTokenizer.fromTokenizerJson(json);
    for (const { text, ids } of fixture<{ cases: Case[] }>('texts.json').cases) {
      expect(whole.encode(text), text).toEqual(ids);
    }
    const { bosId, eosId, padId, vocabSize, maxLength } = whole;
    expect([bosId, eosId, padId, vocabSize, maxLength]).toEqual([1098, 1099, 1099, 1100, 77]);
  });

  it('follows the splitting pattern of older files', () => {
    const { pattern, cases } = fixture<{ pattern: string; cases: Case[] }>('older-pattern.json');
    const root = JSON.parse(json);
    root.pre_tokenizer.pretokenizers[0].pattern.Regex = pattern;
    const older = ClipTokenizer.fromTokenizerJson(JSON.stringify(root));
    for (const { text, ids } of cases) expect(older.encode(text), text).toEqual(ids);
    const differing = cases.filter(({ text, ids }) => bare.encode(text).join() !== ids.join());
    expect(differing.length).toBeGreaterThan(0);
  });

  it('takes padding and length from the configuration', () => {
    const { padId, maxLength } = ClipTokenizer.fromTokenizerJson(json, {
      tokenizerConfig: '{"pad_token":"!","model_max_length":64}',
    });
    expect([padId, maxLength]).toEqual([0, 64]);
  });
});

describe('ClipTokenizer with vocabularies no trainer makes', () => {
  const odd = fixture<{ removed: string[]; orders: { name: string; cases: Case[] }[] }>('odd.json');
  const lines = merges.trimEnd().split('\n').slice(1);
  const lacking = JSON.parse(vocab) as Record<string, number>;
  for (const token of odd.removed) delete lacking[token];
  const files: Record<string, { vocab: string; merges: string }> = {
    reversed: { vocab, merges: lines.toReversed().join('\n') },
    repeated: { vocab, merges: [...lines, ...lines.slice(0, 40)].join('\n') },
    lacking: { vocab: JSON.stringify(lacking), merges },
  };

  it.each(odd.orders)('$name', ({ name, cases }) => {
    const tokenizer = ClipTokenizer.fromFiles(files[name]!);
    for (const { text, ids } of cases) expect(tokenizer.encode(text), text).toEqual(ids);
    const changed = cases.filter(({ text, ids }) => bare.encode(text).join() !== ids.join());
    expect(changed.length).toBeGreaterThan(5);
  });
});
