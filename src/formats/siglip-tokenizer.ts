/** @file The SigLIP tokenizer, id for id as huggingface/transformers 5 `SiglipTokenizer`: plain lower-case words through SentencePiece. */
import { complain } from '../core/errors.js';
import { type AddedToken, AddedTokenMatcher } from './added-tokens.js';
import type { EncodedPrompt } from './clip-tokenizer.js';
import { readTokenConfig, type TokenizerConfigFiles } from './clip-tokenizer-files.js';
import { SentencepieceProcessor } from './sentencepiece-processor.js';
import type { StrictJson } from './strict-json.js';
import { assignIds, contentOf, idOfToken, printValue, refuse } from './tokenizer-fields.js';
import { requireWellFormed } from './well-formed-text.js';

const spaceMark = '▁';
const defaultMaxLength = 64;
/** Python's `string.punctuation`. */
const asciiPunctuation = /[!-/:-@[-`{-~]/g;
/** What Python calls white space: that of Unicode, and four separators. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: four of them are spaces to Python.
const pythonSpaces = /(?:\p{White_Space}|[\u001c-\u001f])+/gu;

const defaults: ReadonlyMap<string, StrictJson> = new Map([
  ['eos_token', '</s>'],
  ['unk_token', '<unk>'],
  ['pad_token', '</s>'],
]);

export class SiglipTokenizer {
  /** One more than the highest id: the rows an embedding table needs. */
  readonly vocabSize: number;
  readonly eosId: number;
  readonly padId: number;
  /** Ids per prompt, from the files; 64 when they do not say. */
  readonly maxLength: number;
  readonly #processor: SentencepieceProcessor;
  readonly #matcher: AddedTokenMatcher;
  /** Of the mark that stands for a space. */
  readonly #markId: number;
  readonly #lowercases: boolean;
  readonly #unknown: string;
  readonly #tokenOf: ReadonlyMap<number, string>;

  /** Reads the bytes of a `spiece.model`, with the configuration files when given. Throws TOKENIZER. */
  constructor(spiece: Uint8Array, files: TokenizerConfigFiles = {}) {
    this.#processor = new SentencepieceProcessor(spiece);
    const config = readTokenConfig(files, [], defaults);
    const lowercases = config.fields.get('do_lower_case') ?? true;
    if (typeof lowercases !== 'boolean') {
      throw refuse('tokenizer_config.json', 'do_lower_case true or false', printValue(lowercases));
    }
    this.#lowercases = lowercases;
    const vocab = new Map(this.#processor.pieces.map((piece, id) => [piece, id]));
    const loose = config.tokens.map((token) =>
      !token.isSpecial && token.isNormalized && lowercases
        ? { ...token, content: token.content.toLowerCase() }
        : token,
    );
    const tokens: readonly AddedToken[] = assignIds(vocab, loose);
    const idOf = (name: string): number => idOfToken(name, config.fields.get(name), vocab, tokens);
    this.#matcher = new AddedTokenMatcher(tokens, (content) => content);
    this.#markId = this.#processor.idOf(spaceMark);
    this.eosId = idOf('eos_token');
    this.padId = idOf('pad_token');
    this.maxLength = config.maxLength ?? defaultMaxLength;
    this.#unknown = contentOf('unk_token', config.fields.get('unk_token')) ?? '<unk>';
    const tokenOf = new Map([...vocab].map(([piece, id]) => [id, piece]));
    for (const { id, content } of tokens) tokenOf.set(id, content);
    this.#tokenOf = tokenOf;
    this.vocabSize = [...tokenOf.keys()].reduce((highest, id) => Math.max(highest, id), -1) + 1;
  }

  /** Ids of the text alone, without EOS or padding. Throws TOKENIZER on lone surrogates. */
  encode(text: string): number[] {
    requireWellFormed(text);
    const pieces = this.#matcher.split(spaceMark + text.replaceAll(spaceMark, ' '));
    const parts = pieces.map((piece) =>
      typeof piece === 'string' ? this.#encodePlain(piece) : [piece.id],
    );
    const [first, second] = pieces;
    const isMark = typeof first === 'string' && parts[0]!.join() === `${this.#markId}`;
    const isBeforeSpecial = typeof second === 'object' && second.isSpecial;
    return (isMark && isBeforeSpecial ? parts.slice(1) : parts).flat();
  }

  /** Text, EOS, cut and padded to `maxLength` ids (at least 1). Throws TOKENIZER or USAGE. */
  encodePrompt(text: string, options: { readonly maxLength?: number } = {}): EncodedPrompt {
    const maxLength = options.maxLength ?? this.maxLength;
    if (!Number.isSafeInteger(maxLength) || maxLength < 1) {
      throw complain('USAGE', {
        where: 'encodePrompt',
        expected: 'maxLength of at least 1, for EOS',
        got: `${maxLength}`,
        next: 'Leave it out to use the length of the model.',
      });
    }
    const all = this.encode(text);
    const kept = all.slice(0, maxLength - 1);
    const cut = all.slice(kept.length);
    // A text that ends so itself is not ended twice.
    const ended = kept.at(-1) === this.eosId ? kept : [...kept, this.eosId];
    const ids = new Int32Array(maxLength).fill(this.padId);
    ids.set(ended);
    return {
      ids,
      tokenCount: ended.length,
      truncatedText: cut.length === 0 ? undefined : this.#spell(cut),
    };
  }

  /** Without its head, the pieces of the unknown token: SentencePiece would swallow a leading space. */
  #encodePlain(text: string): number[] {
    const head = this.#processor.encode(this.#unknown).length;
    return this.#processor.encode(this.#unknown + this.#canonical(text)).slice(head);
  }

  /** Lower case, no ASCII punctuation, single spaces, as big_vision prepares texts. */
  #canonical(text: string): string {
    const cased = this.#lowercases ? text.toLowerCase() : text;
    const plain = cased.replace(asciiPunctuation, '').replace(pythonSpaces, ' ');
    return plain.replace(/^ | $/g, '');
  }

  #spell(ids: readonly number[]): string {
    const pieces = ids.map((id) => this.#tokenOf.get(id) ?? '');
    return pieces.join('').replaceAll(spaceMark, ' ').trim();
  }
}
