/** @file The BERT WordPiece tokenizer, id for id as huggingface/transformers 5 `BertTokenizerFast`. */
import { complain } from '../core/errors.js';
import { AddedTokenMatcher } from './added-tokens.js';
import { normalizeBertText, splitBertWords } from './bert-text.js';
import {
  type BertTokenizerSpec,
  readBertTokenizerJson,
  readBertVocab,
} from './bert-tokenizer-files.js';
import type { TokenizerConfigFiles } from './clip-tokenizer-files.js';
import { requireWellFormed } from './well-formed-text.js';

/** A text ready for a text encoder, without padding. */
export interface EncodedText {
  readonly ids: readonly number[];
  /** The end of the text that did not fit, as the tokenizer spells it; undefined when all fits. */
  readonly truncatedText: string | undefined;
}

/** Goes before a piece inside a word. */
const insideMark = '##';
/** Longer words are unknown as a whole. */
const longestWord = 100;

/** Spaces that decoding takes out, in this order. */
const cleanups: readonly (readonly [string, string])[] = [
  [' .', '.'],
  [' ?', '?'],
  [' !', '!'],
  [' ,', ','],
  [" ' ", "'"],
  [" n't", "n't"],
  [" 'm", "'m"],
  [" 's", "'s"],
  [" 've", "'ve"],
  [" 're", "'re"],
];

export class BertTokenizer {
  /** One more than the highest id: the rows an embedding table needs. */
  readonly vocabSize: number;
  readonly clsId: number;
  readonly sepId: number;
  readonly padId: number;
  /** Ids per text, from the files; undefined when they set no limit. */
  readonly maxLength: number | undefined;
  readonly #spec: BertTokenizerSpec;
  readonly #rawTokens: AddedTokenMatcher;
  readonly #normalizedTokens: AddedTokenMatcher;
  readonly #tokenOf: ReadonlyMap<number, string>;
  readonly #specialIds: ReadonlySet<number>;
  readonly #known = new Map<string, readonly number[]>();

  /** Reads the text of a `tokenizer.json`. Throws TOKENIZER on any pipeline but BERT's. */
  static fromTokenizerJson(json: string, config: TokenizerConfigFiles = {}): BertTokenizer {
    return new BertTokenizer(readBertTokenizerJson(json, config));
  }

  /** Reads the text of a `vocab.txt`. Throws TOKENIZER. */
  static fromVocab(text: string, config: TokenizerConfigFiles = {}): BertTokenizer {
    return new BertTokenizer(readBertVocab(text, config));
  }

  private constructor(spec: BertTokenizerSpec) {
    const { vocab, addedTokens } = spec;
    this.#spec = spec;
    this.clsId = spec.clsId;
    this.sepId = spec.sepId;
    this.padId = spec.padId;
    this.maxLength = spec.maxLength;
    const isRaw = addedTokens.filter((token) => !token.isNormalized);
    const isNormalized = addedTokens.filter((token) => token.isNormalized);
    this.#rawTokens = new AddedTokenMatcher(isRaw, (content) => content);
    this.#normalizedTokens = new AddedTokenMatcher(isNormalized, (content) =>
      this.#normalize(content),
    );
    const tokenOf = new Map([...vocab].map(([token, id]) => [id, token]));
    for (const { id, content, isNormalized: isNormal } of addedTokens) {
      tokenOf.set(id, isNormal ? this.#normalize(content) : content);
    }
    this.#tokenOf = tokenOf;
    this.#specialIds = new Set(addedTokens.filter((t) => t.isSpecial).map((t) => t.id));
    this.vocabSize = [...tokenOf.keys()].reduce((highest, id) => Math.max(highest, id), -1) + 1;
  }

  /** Ids of the text alone, without `[CLS]` and `[SEP]`. Throws TOKENIZER on lone surrogates. */
  encode(text: string): number[] {
    requireWellFormed(text);
    const ids: number[] = [];
    for (const piece of this.#rawTokens.split(text)) {
      if (typeof piece === 'string') this.#encodeRaw(piece, ids);
      else ids.push(piece.id);
    }
    return ids;
  }

  /** `[CLS]`, the text, `[SEP]`, cut to `maxLength` ids (at least 2; default that of the files). Throws TOKENIZER or USAGE. */
  encodeText(text: string, options: { readonly maxLength?: number | undefined } = {}): EncodedText {
    const maxLength = options.maxLength ?? this.maxLength ?? Number.MAX_SAFE_INTEGER;
    if (!Number.isSafeInteger(maxLength) || maxLength < 2) {
      throw complain('USAGE', {
        where: 'encodeText',
        expected: 'maxLength of at least 2, for [CLS] and [SEP]',
        got: `${maxLength}`,
        next: 'Leave it out to use the length of the files.',
      });
    }
    const all = this.encode(text);
    const kept = all.slice(0, maxLength - 2);
    const cut = all.slice(kept.length);
    return {
      ids: [this.clsId, ...kept, this.sepId],
      truncatedText: cut.length === 0 ? undefined : this.decode(cut),
    };
  }

  /** The text of ids. Throws TOKENIZER on an id without a token. */
  decode(ids: Iterable<number>, options: { readonly skipsSpecialTokens?: boolean } = {}): string {
    let out = '';
    for (const id of ids) {
      const token = this.#tokenOf.get(id);
      if (token === undefined) throw unknownId(id, this.vocabSize);
      if (options.skipsSpecialTokens && this.#specialIds.has(id)) continue;
      const isInside = out !== '' && token.startsWith(insideMark);
      const spaced = out === '' ? token : isInside ? token.slice(insideMark.length) : ` ${token}`;
      out += cleaned(spaced).replaceAll(' do not', " don't");
    }
    return this.#spec.cleansSpaces ? cleaned(out) : out;
  }

  #normalize(text: string): string {
    return normalizeBertText(text, this.#spec.rule);
  }

  #encodeRaw(text: string, ids: number[]): void {
    for (const piece of this.#normalizedTokens.split(this.#normalize(text))) {
      if (typeof piece === 'string') {
        for (const word of splitBertWords(piece)) ids.push(...this.#word(word));
      } else ids.push(piece.id);
    }
  }

  #word(word: string): readonly number[] {
    const known = this.#known.get(word);
    if (known) return known;
    const ids = this.#pieces(word) ?? [this.#spec.unknownId];
    if (this.#known.size < 10_000) this.#known.set(word, ids);
    return ids;
  }

  /** The longest known piece again and again; undefined when the word has no such reading. */
  #pieces(word: string): number[] | undefined {
    const chars = [...word];
    if (chars.length > longestWord) return undefined;
    const ids: number[] = [];
    for (let start = 0; start < chars.length; ) {
      let end = chars.length;
      let id: number | undefined;
      for (; end > start; end--) {
        const piece = chars.slice(start, end).join('');
        id = this.#spec.vocab.get(start === 0 ? piece : `${insideMark}${piece}`);
        if (id !== undefined) break;
      }
      if (id === undefined) return undefined;
      ids.push(id);
      start = end;
    }
    return ids;
  }
}

function cleaned(text: string): string {
  return cleanups.reduce((out, [from, to]) => out.replaceAll(from, to), text);
}

function unknownId(id: number, vocabSize: number): Error {
  return complain('TOKENIZER', {
    where: 'decode',
    expected: `ids of the vocabulary, below ${vocabSize}`,
    got: `${id}`,
    next: 'Decode with the tokenizer that made the ids.',
  });
}
