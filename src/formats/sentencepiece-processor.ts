/** @file A SentencePiece unigram model as google/sentencepiece itself runs it: its normalizer, then the likeliest pieces in f32. */
import { SentencepieceCharsmap } from './sentencepiece-charsmap.js';
import {
  pieceTypes,
  readSentencepieceModel,
  type SentencepieceModel,
} from './sentencepiece-model.js';
import { refuse } from './tokenizer-fields.js';
import { UnigramModel } from './unigram.js';

const spaceMark = '▁';

export class SentencepieceProcessor {
  readonly pieces: readonly string[];
  readonly #ids: ReadonlyMap<string, number>;
  readonly #model: SentencepieceModel;
  readonly #charsmap: SentencepieceCharsmap | undefined;
  readonly #unigram: UnigramModel;
  /** User-defined pieces: taken out of the text as they are, the longest first. */
  readonly #markers: RegExp | undefined;

  /** Reads the bytes of a `spiece.model`. Throws TOKENIZER, also on settings that are not run here. */
  constructor(bytes: Uint8Array) {
    const model = readSentencepieceModel(bytes);
    const { unsupported } = model.settings;
    if (unsupported)
      throw refuse('spiece.model', 'neither bytes as pieces nor space as suffix', unsupported);
    this.#model = model;
    this.pieces = model.pieces.map(([piece]) => piece);
    this.#ids = new Map(this.pieces.map((piece, id) => [piece, id]));
    this.#charsmap = model.charsmap && new SentencepieceCharsmap(model.charsmap);
    const ofType = (type: number): string[] =>
      this.pieces.filter((_, id) => model.types[id] === type);
    const markers = ofType(pieceTypes.userDefined).sort((a, b) => b.length - a.length);
    this.#markers =
      markers.length > 0 ? new RegExp(markers.map(escapePattern).join('|'), 'y') : undefined;
    this.#unigram = new UnigramModel(model.pieces, this.unknownId, { types: model.types });
  }

  /** Of the piece that stands for what has none. */
  get unknownId(): number {
    const id = this.#model.types.indexOf(pieceTypes.unknown);
    if (id === -1) throw refuse('spiece.model', 'an unknown piece', 'none');
    return id;
  }

  /** The id of a piece by its spelling, the unknown one for others. */
  idOf(piece: string): number {
    return this.#ids.get(piece) ?? this.unknownId;
  }

  encode(text: string): number[] {
    const ids: number[] = [];
    this.#unigram.encode(this.#normalize(text), ids);
    return ids;
  }

  /** Text as pieces spell it: mapped characters, single spaces as marks, one of them in front. */
  #normalize(text: string): string {
    const { addsDummyPrefix, removesExtraSpaces, escapesSpaces } = this.#model.settings;
    const space = escapesSpaces ? spaceMark : ' ';
    let out = '';
    let isPrevSpace = removesExtraSpaces;
    let isStart = true;
    for (const mapped of this.#mappedParts(text)) {
      const part = isPrevSpace ? mapped.replace(/^ +/, '') : mapped;
      if (isStart && removesExtraSpaces && mapped === ' ') continue;
      if (isStart && addsDummyPrefix) out += space;
      isStart = false;
      if (part === '') continue;
      out += part.replaceAll(' ', space);
      isPrevSpace = removesExtraSpaces && part.endsWith(' ');
    }
    if (removesExtraSpaces) while (out.endsWith(space)) out = out.slice(0, -space.length);
    return out;
  }

  /** The normal form of each longest known stretch of the text. */
  *#mappedParts(text: string): Generator<string> {
    for (let at = 0; at < text.length; ) {
      const marker = this.#markerAt(text, at);
      const found = marker === undefined ? this.#charsmap?.longest(text, at) : undefined;
      const length = marker?.length ?? found?.length ?? (text.codePointAt(at)! > 0xffff ? 2 : 1);
      yield found?.replacement ?? text.slice(at, at + length);
      at += length;
    }
  }

  #markerAt(text: string, at: number): string | undefined {
    if (!this.#markers) return undefined;
    this.#markers.lastIndex = at;
    return this.#markers.exec(text)?.[0];
  }
}

function escapePattern(literal: string): string {
  return literal.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
}
