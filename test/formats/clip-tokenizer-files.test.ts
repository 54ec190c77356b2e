/** @file Tokenizer files that are damaged, hostile or of another kind; texts that are long or not Unicode. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MaliangError } from '../../src/core/errors.js';
import { ClipTokenizer } from '../../src/formats/clip-tokenizer.js';

const folder = new URL('../fixtures/tokenizer/', import.meta.url);
const read = (name: string): string => readFileSync(new URL(name, folder), 'utf8');
const vocab = read('vocab.json');
const merges = read('merges.txt');
const json = read('tokenizer.json');
const tokenizer = ClipTokenizer.fromFiles({ vocab, merges });

describe('files of a tokenizer folder', () => {
  const small = '{"a":0,"a</w>":1,"<|startoftext|>":2,"<|endoftext|>":3}';
  type Files = Parameters<typeof ClipTokenizer.fromFiles>[0];

  it('reads names of the object prototype and Windows line ends', () => {
    const odd =
      '{"constructor":4,"__proto__":5,"a":0,"a</w>":1,"<|startoftext|>":2,"<|endoftext|>":3,"aa</w>":6}';
    const files = { vocab: odd, merges: '#version: 0.2\r\na a</w>\r\n' };
    expect(ClipTokenizer.fromFiles(files).encode('aa a')).toEqual([6, 1]);
    expect(ClipTokenizer.fromFiles(files).decode([4, 5])).toBe('constructor__proto__');
  });

  it.each<[string, Partial<Files>]>([
    ['an empty vocabulary', { vocab: '{}' }],
    ['a vocabulary that is not JSON', { vocab: '{"a":0' }],
    ['a vocabulary that is a list', { vocab: '["a"]' }],
    ['a token twice', { vocab: '{"a":0,"a":1}' }],
    ['an id twice', { vocab: '{"a":0,"b":0}' }],
    ['a negative id', { vocab: '{"a":-1}' }],
    ['a fractional id', { vocab: '{"a":1.5}' }],
    ['an id as text', { vocab: '{"a":"1"}' }],
    ['an id that would need a huge table', { vocab: '{"a":10000000}' }],
    ['a merge of three symbols', { merges: 'a a a' }],
    ['an empty line among merges', { merges: '\na a</w>' }],
    ['a merge with an empty symbol', { merges: 'a ' }],
    ['a merge of unknown symbols', { merges: 'a b' }],
    ['a merge whose result is unknown', { merges: 'a a</w>' }],
    ['a BOS outside the vocabulary', { tokenizerConfig: '{"bos_token":null}' }],
    ['an empty special token', { specialTokensMap: '{"pad_token":""}' }],
    ['a special token that is a number', { specialTokensMap: '{"pad_token":0}' }],
    ['a flag that is text', { specialTokensMap: '{"pad_token":{"content":"a","lstrip":"no"}}' }],
    [
      'a listed token with a wrong id',
      { tokenizerConfig: '{"added_tokens_decoder":{"7":{"content":"a"}}}' },
    ],
    [
      'a listed token with a bad id',
      { tokenizerConfig: '{"added_tokens_decoder":{"x":{"content":"a"}}}' },
    ],
    [
      'a new token where ids have gaps',
      {
        vocab: '{"a":0,"<|startoftext|>":1,"<|endoftext|>":3}',
        tokenizerConfig: '{"pad_token":"new"}',
      },
    ],
    ['a length of one', { tokenizerConfig: '{"model_max_length":1}' }],
    ['a length that would fill the memory', { tokenizerConfig: '{"model_max_length":99999999}' }],
    ['a length as text', { tokenizerConfig: '{"model_max_length":"77"}' }],
    ['a configuration nested deeply', { tokenizerConfig: `{"x":${'['.repeat(99)}` }],
  ])('refuses %s', (_, change) => {
    const files = { vocab: small, merges: '', ...change };
    expect(() => ClipTokenizer.fromFiles(files)).toThrowErrorMatchingSnapshot();
  });

  it('complains about a byte the vocabulary lacks when it has no unknown token', () => {
    const root = JSON.parse(json);
    delete root.model.unk_token;
    delete root.model.vocab['Q</w>'];
    delete root.model.vocab['q</w>'];
    const lacking = ClipTokenizer.fromTokenizerJson(JSON.stringify(root));
    expect(() => lacking.encode('q')).toThrowErrorMatchingInlineSnapshot(
      `[MaliangError: tokenizer: expected the byte symbol "q" or an unknown token in the vocabulary, got neither. Check vocab.json, merges.txt or tokenizer.json.]`,
    );
  });
});

interface Pipeline {
  model: Record<string, unknown>;
  normalizer: { normalizers: Record<string, unknown>[] };
  pre_tokenizer: { pretokenizers: Record<string, unknown>[] };
  post_processor: Record<string, unknown>;
  added_tokens: Record<string, unknown>[];
  padding: unknown;
  truncation: unknown;
}

describe('tokenizer.json', () => {
  const change = (edit: (root: Pipeline) => void): string => {
    const root = JSON.parse(json) as Pipeline;
    edit(root);
    return JSON.stringify(root);
  };

  it('takes padding and length from the pipeline when no configuration says', () => {
    const own = change((root) => {
      root.padding = { pad_token: '!', pad_id: 0 };
      root.truncation = { max_length: 64 };
    });
    const { padId, maxLength } = ClipTokenizer.fromTokenizerJson(own);
    expect([padId, maxLength]).toEqual([0, 64]);
    expect(ClipTokenizer.fromTokenizerJson(own).encode('wow!')).toEqual(tokenizer.encode('wow!'));
  });

  it('reads merges as text or as pairs', () => {
    const spaced = change((root) => {
      root.model.merges = (root.model.merges as string[][]).map((pair) => pair.join(' '));
    });
    expect(ClipTokenizer.fromTokenizerJson(spaced).encode('a striped cat')).toEqual(
      tokenizer.encode('a striped cat'),
    );
  });

  it.each<[string, (root: Pipeline) => void]>([
    [
      'another model',
      (root) => {
        root.model.type = 'Unigram';
      },
    ],
    [
      'another end of word',
      (root) => {
        root.model.end_of_word_suffix = '@';
      },
    ],
    [
      'no end of word',
      (root) => {
        delete root.model.end_of_word_suffix;
      },
    ],
    [
      'dropout',
      (root) => {
        root.model.dropout = 0.1;
      },
    ],
    [
      'merges that are ignored',
      (root) => {
        root.model.ignore_merges = true;
      },
    ],
    [
      'no vocabulary',
      (root) => {
        delete root.model.vocab;
      },
    ],
    [
      'a merge that is a number',
      (root) => {
        root.model.merges = [7];
      },
    ],
    [
      'another normaliser',
      (root) => {
        root.normalizer.normalizers.pop();
      },
    ],
    [
      'another white-space rule',
      (root) => {
        root.normalizer.normalizers[1]!.content = '';
      },
    ],
    [
      'another pre-tokenizer',
      (root) => {
        root.pre_tokenizer.pretokenizers.reverse();
      },
    ],
    [
      'another pattern',
      (root) => {
        root.pre_tokenizer.pretokenizers[0]!.pattern = { Regex: '\\w+' };
      },
    ],
    [
      'a prefix space',
      (root) => {
        root.pre_tokenizer.pretokenizers[1]!.add_prefix_space = true;
      },
    ],
    [
      'another post-processor',
      (root) => {
        root.post_processor.type = 'TemplateProcessing';
      },
    ],
    [
      'a BOS with a wrong id',
      (root) => {
        root.post_processor.cls = ['<|startoftext|>', 1];
      },
    ],
    [
      'an added token with a wrong id',
      (root) => {
        root.added_tokens[0]!.id = 1;
      },
    ],
    [
      'an added token without an id',
      (root) => {
        delete root.added_tokens[0]!.id;
      },
    ],
  ])('refuses %s', (_, edit) => {
    expect(() => ClipTokenizer.fromTokenizerJson(change(edit))).toThrowErrorMatchingSnapshot();
  });

  it('with bytes changed is read or refused with TOKENIZER', () => {
    const small = JSON.parse(json) as Pipeline;
    small.model.vocab = { 'a</w>': 0, '<|startoftext|>': 1, '<|endoftext|>': 2, a: 3, 'aa</w>': 4 };
    small.model.merges = [['a', 'a</w>']];
    small.post_processor.cls = ['<|startoftext|>', 1];
    small.post_processor.sep = ['<|endoftext|>', 2];
    small.added_tokens.forEach((token, index) => {
      token.id = index + 1;
    });
    const sound = JSON.stringify(small);
    expect(ClipTokenizer.fromTokenizerJson(sound).encode('aa')).toEqual([4]);
    const piece = fc.constantFrom(
      '',
      '"',
      '{',
      '}',
      '[',
      ']',
      ',',
      '0',
      '-1',
      '9'.repeat(20),
      'null',
      'true',
      '\\ud800',
      '"a"',
      ':',
    );
    const edits = fc.array(fc.tuple(fc.nat(sound.length), fc.nat(4), piece), {
      minLength: 1,
      maxLength: 3,
    });
    fc.assert(
      fc.property(edits, (list) => {
        let text = sound;
        for (const [at, length, insert] of list)
          text = text.slice(0, at) + insert + text.slice(at + length);
        try {
          ClipTokenizer.fromTokenizerJson(text).encode('aa a <|endoftext|>');
        } catch (error) {
          if (!(error instanceof MaliangError) || error.code !== 'TOKENIZER') throw error;
        }
      }),
      { numRuns: 3000 },
    );
  });
});

describe('texts', () => {
  it('spells any text back, normalised', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 40 }), (text) => {
        const ids = tokenizer.encode(text);
        const plain = text.normalize('NFC').replaceAll('Σ', 'σ').toLowerCase();
        const bare = (value: string): string => value.replace(/\p{White_Space}/gu, '');
        expect(bare(tokenizer.decode(ids))).toBe(bare(plain));
      }),
      { numRuns: 500 },
    );
  });

  it('refuses lone surrogates', () => {
    expect(() => tokenizer.encode('a\ud83d')).toThrowErrorMatchingInlineSnapshot(
      `[MaliangError: encode: expected well-formed Unicode text, got a lone surrogate. Remove it, for example with \`text.toWellFormed()\`.]`,
    );
  });

  it('refuses a run of marks that normalises in quadratic time', () => {
    expect(() =>
      tokenizer.encode(`e${'\u0301\u0323'.repeat(2049)}`),
    ).toThrowErrorMatchingInlineSnapshot(
      `[MaliangError: tokenizer: text: expected at most 4096 combining marks in a row, got 4098. Shorten the text.]`,
    );
    expect(tokenizer.encode(`e${'\u0301\u0323'.repeat(2048)}`).length).toBeGreaterThan(4096);
  });

  it.each([
    ['5,000 words', 'a shiny teapot under water, '.repeat(1000)],
    ['a word of 100 kB', 'teapot'.repeat(17_000)],
    ['1 MB of one letter', 'a'.repeat(1_000_000)],
    ['1 MB of punctuation', '<|'.repeat(500_000)],
    ['1 MB of markers', '<|endoftext|>'.repeat(80_000)],
    ['1 MB of white space', ' \u3000'.repeat(500_000)],
    ['1 MB of emoji', '👨‍👩‍👧'.repeat(55_000)],
  ])('encodes %s within seconds', (_, text) => {
    const started = performance.now();
    const { ids, truncatedText } = tokenizer.encodePrompt(text);
    expect(performance.now() - started).toBeLessThan(8000);
    expect([ids.length, truncatedText === undefined]).toEqual([77, text.trim() === '']);
  });

  it('counts the ids before the padding', () => {
    expect(tokenizer.encodePrompt('').tokenCount).toBe(2);
    expect(tokenizer.encodePrompt('a cat').tokenCount).toBe(4);
    expect(tokenizer.encodePrompt('a cat', { maxLength: 4 })).toMatchObject({
      tokenCount: 4,
      truncatedText: undefined,
    });
    expect(tokenizer.encodePrompt('a cat', { maxLength: 3 })).toMatchObject({
      tokenCount: 3,
      truncatedText: 'cat',
    });
  });

  it.each([1, 2.5, Number.NaN])('refuses a length of %s', (maxLength) => {
    expect(() => tokenizer.encodePrompt('a', { maxLength })).toThrow(MaliangError);
  });

  it('refuses to decode ids it does not know', () => {
    expect(() => tokenizer.decode([1100])).toThrowErrorMatchingInlineSnapshot(
      `[MaliangError: decode: expected ids of the vocabulary, below 1100, got 1100. Decode with the tokenizer that made the ids.]`,
    );
  });
});
