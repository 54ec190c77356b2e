/** @file The T5 tokenizer, id for id as huggingface/transformers 5 `T5Tokenizer`. */
import { complain } from '../core/errors.js';
import { AddedTokenMatcher } from './added-tokens.js';
import type { EncodedPrompt } from './clip-tokenizer.js';
import type { TokenizerConfigFiles } from './clip-tokenizer-files.js';
import { SentencepieceCharsmap } from './sentencepiece-charsmap.js';
import {
  readT5Spiece,
  readT5TokenizerJson,
  spaceMark,
  type T5TokenizerSpec,
} from './t5-tokenizer-files.js';
import { UnigramModel } from './unigram.js';
import { requireWellFormed } from './well-formed-text.js';

/** Of the vocabulary, whatever the files name: `T5Tokenizer` fixes it. */
const unknownId = 2;
const whiteSpace = /\p{White_Space}+/u;
const beforeMark = new RegExp(`(?=${spaceMark})`);

export class T5Tokenizer {
  /** One more than the highest id: the rows an embedding table needs. */
  readonly vocabSize: number;
  readonly eosId: number;
  readonly padId: number;
  /** Ids per prompt, from the files; undefined when they set no limit. */
  readonly maxLength: number | undefined;
  readonly #charsmap: SentencepieceCharsmap | undefined;
  readonly #model: UnigramModel;
  readonly #rawTokens: AddedTokenMatcher;
  readonly #normalizedTokens: AddedTokenMatcher;
  readonly #tokenOf: ReadonlyMap<number, string>;

  /** Reads the text of a `tokenizer.json`. Throws TOKENIZER on any pipeline but T5's. */
  static fromTokenizerJson(json: string, config: TokenizerConfigFiles = {}): T5Tokenizer {
    return new T5Tokenizer(readT5TokenizerJson(json, config));
  }

  /** Reads the bytes of a `spiece.model`. Throws TOKENIZER. */
  static fromSpiece(bytes: Uint8Array, config: TokenizerConfigFiles = {}): T5Tokenizer {
    return new T5Tokenizer(readT5Spiece(bytes, config));
  }

  private constructor(spec: T5TokenizerSpec) {
    const { pieces, charsmap, addedTokens } = spec;
    this.eosId = spec.eosId;
    this.padId = spec.padId;
    this.maxLength = spec.maxLength;
    this.#charsmap = charsmap && new SentencepieceCharsmap(charsmap);
    this.#model = new UnigramModel(pieces, unknownId);
    const isRaw = addedTokens.filter((token) => !token.isNormalized);
    const isNormalized = addedTokens.filter(
      (token) => token.isNormalized && this.#normalize(token.content) !== '',
    );
    this.#rawTokens = new AddedTokenMatcher(isRaw, (content) => content);
    this.#normalizedTokens = new AddedTokenMatcher(isNormalized, (content) =>
      this.#normalize(content),
    );
    const tokenOf = new Map(pieces.map(([piece], id) => [id, piece]));
    for (const { id, content } of addedTokens) tokenOf.set(id, content);
    this.#tokenOf = tokenOf;
    this.vocabSize = tokenOf.size;
  }

  /** Ids of the text alone, without EOS or padding. Throws TOKENIZER on lone surrogates. */
  encode(text: string): number[] {
    requireWellFormed(text);
    const ids: number[] = [];
    for (const piece of this.#rawTokens.split(text)) {
      if (typeof piece === 'string') this.#encodeRaw(piece, ids);
      else ids.push(piece.id);
    }
    return ids;
  }

  /** Text, EOS, cut and padded to `maxLength` ids (at least 1; default that of the files). Throws TOKENIZER or USAGE. */
  encodePrompt(text: string, options: { readonly maxLength?: number } = {}): EncodedPrompt {
    const maxLength = options.maxLength ?? this.maxLength;
    if (maxLength === undefined || !Number.isSafeInteger(maxLength) || maxLength < 1) {
      throw complain('USAGE', {
        where: 'encodePrompt',
        expected: 'maxLength of at least 1, for EOS',
        got: `${maxLength}`,
        next: 'Give it: the files of this tokenizer set no limit.',
      });
    }
    const all = this.encode(text);
    const kept = all.slice(0, maxLength - 1);
    const cut = all.slice(kept.length);
    const ids = new Int32Array(maxLength).fill(this.padId);
    ids.set(kept);
    ids[kept.length] = this.eosId;
    return {
      ids,
      tokenCount: kept.length + 1,
      truncatedText: cut.length === 0 ? undefined : this.decode(cut),
    };
  }

  /** The text of ids. Throws TOKENIZER on an id without a token. */
  decode(ids: Iterable<number>): string {
    const tokens: string[] = [];
    for (const id of ids) {
      const token = this.#tokenOf.get(id);
      if (token === undefined) {
        throw complain('TOKENIZER', {
          where: 'decode',
          expected: `ids of the vocabulary, below ${this.vocabSize}`,
          got: `${id}`,
          next: 'Decode with the tokenizer that made the ids.',
        });
      }
      tokens.push(token.replaceAll(spaceMark, tokens.length === 0 ? '' : ' '));
    }
    return tokens.join('');
  }

  #normalize(text: string): string {
    return this.#charsmap ? this.#charsmap.normalize(text) : text;
  }

  #encodeRaw(text: string, ids: number[]): void {
    for (const piece of this.#normalizedTokens.split(this.#normalize(text))) {
      if (typeof piece !== 'string') {
        ids.push(piece.id);
        continue;
      }
      for (const word of piece.split(whiteSpace)) {
        if (word === '') continue;
        const marked = word.startsWith(spaceMark) ? word : spaceMark + word;
        for (const part of marked.split(beforeMark)) this.#model.encode(part, ids);
      }
    }
  }
}
