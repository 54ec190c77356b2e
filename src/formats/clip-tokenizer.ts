/** @file The CLIP tokenizer, token for token as huggingface/transformers `CLIPTokenizer`. */
import { complain } from '../core/errors.js';
import { atOnce, type InPieces, inTurns, itemsPerPiece } from '../core/pieces.js';
import { type AddedToken, AddedTokenMatcher } from './added-tokens.js';
import { BpeModel } from './bpe.js';
import {
  charToByte,
  endOfWord,
  normalizeClipText,
  splitClipWords,
  toByteChars,
} from './clip-text.js';
import {
  type ClipTokenizerFiles,
  type ClipTokenizerSpec,
  readingClipFiles,
  type TokenizerConfigFiles,
} from './clip-tokenizer-files.js';
import { readingClipTokenizerJson } from './clip-tokenizer-json.js';
import { requireWellFormed } from './well-formed-text.js';

/** A prompt ready for the text encoder. */
export interface EncodedPrompt {
  /** `maxLength` ids: BOS, the text, EOS, padding. */
  readonly ids: Int32Array;
  /** How many ids come before the padding, BOS and EOS included. */
  readonly tokenCount: number;
  /** The end of the prompt that did not fit, as the tokenizer spells it; undefined when all fits. */
  readonly truncatedText: string | undefined;
}

/** A word that a textual inversion taught the text encoder. */
export interface LearnedWord {
  readonly token: string;
  /** One id per vector, above those of the vocabulary. */
  readonly ids: readonly number[];
}

interface ClipTokenizerParts {
  readonly spec: ClipTokenizerSpec;
  readonly model: BpeModel;
  readonly tokenOf: ReadonlyMap<number, string>;
}

const spaceChar = /\p{White_Space}/u;

export class ClipTokenizer {
  /** One more than the highest id: the rows an embedding table needs. */
  readonly vocabSize: number;
  readonly bosId: number;
  readonly eosId: number;
  readonly padId: number;
  /** Ids per prompt, from the files; 77 when they do not say. */
  readonly maxLength: number;
  readonly #spec: ClipTokenizerSpec;
  readonly #model: BpeModel;
  readonly #rawTokens: AddedTokenMatcher;
  readonly #normalizedTokens: AddedTokenMatcher;
  readonly #tokenOf: ReadonlyMap<number, string>;
  readonly #specialIds: ReadonlySet<number>;
  readonly #words: readonly LearnedWord[];

  /** Reads the text of `vocab.json` and `merges.txt`, with the configuration files when given. Throws TOKENIZER. */
  static fromFiles(files: ClipTokenizerFiles): ClipTokenizer {
    return atOnce(ClipTokenizer.#building(readingClipFiles(files)));
  }

  /** `fromFiles`, leaving the event loop its turns: a vocabulary of 49,408 tokens takes 0.1 s and more. */
  static fromFilesInTurns(files: ClipTokenizerFiles): Promise<ClipTokenizer> {
    return inTurns(ClipTokenizer.#building(readingClipFiles(files)));
  }

  /**
   * Reads the text of a `tokenizer.json`. With the configuration files beside it the special tokens
   * are those of transformers; without them only the tokens it lists are special. Throws TOKENIZER
   * on any pipeline but CLIP's.
   */
  static fromTokenizerJson(json: string, config: TokenizerConfigFiles = {}): ClipTokenizer {
    return atOnce(ClipTokenizer.#building(readingClipTokenizerJson(json, config)));
  }

  /** `fromTokenizerJson`, leaving the event loop its turns. */
  static fromTokenizerJsonInTurns(
    json: string,
    config: TokenizerConfigFiles = {},
  ): Promise<ClipTokenizer> {
    return inTurns(ClipTokenizer.#building(readingClipTokenizerJson(json, config)));
  }

  static *#building(reading: InPieces<ClipTokenizerSpec>): InPieces<ClipTokenizer> {
    const spec = yield* reading;
    const { vocab, merges, addedTokens, unknownToken } = spec;
    const model = yield* BpeModel.building(vocab, merges, unknownToken);
    const tokenOf = new Map<number, string>();
    for (const [token, id] of vocab) {
      tokenOf.set(id, token);
      if (tokenOf.size % itemsPerPiece === 0) yield;
    }
    for (const { id, content } of addedTokens) tokenOf.set(id, content);
    return new ClipTokenizer({ spec, model, tokenOf });
  }

  private constructor(
    { spec, model, tokenOf }: ClipTokenizerParts,
    words: readonly LearnedWord[] = [],
  ) {
    this.#words = words;
    const { addedTokens } = spec;
    this.#spec = spec;
    this.bosId = spec.bosId;
    this.eosId = spec.eosId;
    this.padId = spec.padId;
    this.maxLength = spec.maxLength;
    this.#model = model;
    const isNormalized = addedTokens.filter((token) => token.isNormalized);
    const isRaw = addedTokens.filter((token) => !token.isNormalized);
    this.#rawTokens = new AddedTokenMatcher(isRaw, (content) => content);
    this.#normalizedTokens = new AddedTokenMatcher(isNormalized, normalizeClipText);
    this.#tokenOf = tokenOf;
    this.#specialIds = new Set(addedTokens.filter((t) => t.isSpecial).map((t) => t.id));
    let highest = -1;
    for (const id of tokenOf.keys()) highest = Math.max(highest, id);
    this.vocabSize = highest + 1;
  }

  /**
   * The same tokenizer with learned words: each stands for all its ids, and `word_1`, `word_2`, … for
   * the later ones alone, as in diffusers. Throws TOKENIZER when a token is there already.
   */
  withWords(words: readonly LearnedWord[]): ClipTokenizer {
    const added = words.flatMap(({ token, ids }) =>
      ids.map((id, i) => plainToken(id, i === 0 ? token : `${token}_${i}`)),
    );
    const known = new Set([...this.#spec.vocab.keys(), ...this.#tokenOf.values()]);
    for (const { content } of added) {
      if (known.has(content)) throw tokenTaken(content);
      known.add(content);
    }
    const spec = { ...this.#spec, addedTokens: [...this.#spec.addedTokens, ...added] };
    const tokenOf = new Map(this.#tokenOf);
    for (const { id, content } of added) tokenOf.set(id, content);
    return new ClipTokenizer({ spec, model: this.#model, tokenOf }, [...this.#words, ...words]);
  }

  /** Ids of the text alone, without BOS, EOS or padding. Throws TOKENIZER on lone surrogates. */
  encode(text: string): number[] {
    requireWellFormed(text);
    const ids = this.#encodePlain(text);
    const written = this.#words.filter((word) => word.ids.length > 1 && ids.includes(word.ids[0]!));
    if (written.length === 0) return ids;
    return this.#encodePlain(written.reduce(spellOut, text));
  }

  #encodePlain(text: string): number[] {
    const ids: number[] = [];
    for (const piece of this.#rawTokens.split(text)) {
      if (typeof piece === 'string') this.#encodeRaw(piece, ids);
      else ids.push(piece.id);
    }
    return ids;
  }

  /** BOS, text, EOS, cut and padded to `maxLength` ids (at least 2). Throws TOKENIZER or USAGE. */
  encodePrompt(text: string, options: { readonly maxLength?: number } = {}): EncodedPrompt {
    const maxLength = options.maxLength ?? this.maxLength;
    if (!Number.isSafeInteger(maxLength) || maxLength < 2) {
      throw complain('USAGE', {
        where: 'encodePrompt',
        expected: 'maxLength of at least 2, for BOS and EOS',
        got: `${maxLength}`,
        next: 'Leave it out to use the length of the model.',
      });
    }
    const all = this.encode(text);
    const kept = all.slice(0, maxLength - 2);
    const cut = all.slice(kept.length);
    const ids = new Int32Array(maxLength).fill(this.padId);
    ids[0] = this.bosId;
    ids.set(kept, 1);
    ids[kept.length + 1] = this.eosId;
    return {
      ids,
      tokenCount: kept.length + 2,
      truncatedText: cut.length === 0 ? undefined : this.decode(cut),
    };
  }

  /** The text of ids, words joined by single spaces. Throws TOKENIZER on an id without a token. */
  decode(ids: Iterable<number>, options: { readonly skipsSpecialTokens?: boolean } = {}): string {
    const bytes: number[] = [];
    const encoder = new TextEncoder();
    for (const id of ids) {
      const token = this.#tokenOf.get(id);
      if (token === undefined) throw unknownId(id, this.vocabSize);
      if (options.skipsSpecialTokens && this.#specialIds.has(id)) continue;
      const chars = [...token];
      if (chars.every((char) => charToByte.has(char))) {
        for (const char of chars) bytes.push(charToByte.get(char)!);
      } else {
        for (const byte of encoder.encode(token)) bytes.push(byte);
      }
    }
    const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(Uint8Array.from(bytes));
    return stripSpace(text.replaceAll(endOfWord, ' '));
  }

  #encodeRaw(text: string, ids: number[]): void {
    for (const piece of this.#normalizedTokens.split(normalizeClipText(text))) {
      if (typeof piece !== 'string') {
        ids.push(piece.id);
        continue;
      }
      for (const word of splitClipWords(piece, this.#spec.keepsMarkers)) {
        for (const id of this.#model.encode(toByteChars(word))) ids.push(id);
      }
    }
  }
}

/** The word's later tokens behind it; in another case it stands for its first vector alone, as in diffusers. */
function spellOut(text: string, { token, ids }: LearnedWord): string {
  const all = ids.map((_, i) => (i === 0 ? token : `${token}_${i}`)).join(' ');
  return text.replaceAll(token, () => all);
}

/** Matched anywhere, in normalised text, as transformers adds tokens. */
function plainToken(id: number, content: string): AddedToken {
  return {
    id,
    content,
    isSpecial: false,
    isNormalized: true,
    stripsLeft: false,
    stripsRight: false,
    isSingleWord: false,
  };
}

function tokenTaken(token: string): Error {
  return complain('TOKENIZER', {
    where: 'textual inversion',
    expected: 'a word the tokenizer does not know',
    got: JSON.stringify(token),
    next: 'Give another `token`, for example with brackets around it.',
  });
}

function unknownId(id: number, vocabSize: number): Error {
  return complain('TOKENIZER', {
    where: 'decode',
    expected: `ids of the vocabulary, below ${vocabSize}`,
    got: `${id}`,
    next: 'Decode with the tokenizer that made the ids.',
  });
}

/** Python's `str.strip`: white space and the four separators U+001C to U+001F. */
function stripSpace(text: string): string {
  const isSpace = (at: number): boolean => {
    const code = text.charCodeAt(at);
    return (code >= 0x1c && code <= 0x1f) || spaceChar.test(text[at]!);
  };
  let start = 0;
  let end = text.length;
  while (start < end && isSpace(start)) start++;
  while (end > start && isSpace(end - 1)) end--;
  return text.slice(start, end);
}
