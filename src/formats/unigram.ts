/** @file Unigram segmentation: the likeliest pieces of a word (Kudo 2018), ties and unknowns as huggingface/tokenizers `Unigram`, or as google/sentencepiece where it knows the types of pieces. */
import { pieceTypes } from './sentencepiece-model.js';
import { refuse } from './tokenizer-fields.js';

/** A piece and its log-probability; the index in the list is its id. */
export type UnigramPiece = readonly [piece: string, score: number];

/** Longest piece taken; together with it, time grows with the length of the text only. */
const longestPiece = 512;
/** How much worse an unknown character is than the worst piece. */
const unknownPenalty = 10;

export interface UnigramOptions {
  /**
   * The type of each piece. With them google/sentencepiece is followed: only normal and user-defined
   * pieces are found in text, and scores add up in f32.
   */
  readonly types?: readonly number[] | undefined;
}

/** The best way to reach each place of a word. */
interface Lattice {
  readonly scores: Float64Array | Float32Array;
  /** Where the last piece of the best way starts; -1 where no piece ends. */
  readonly starts: Int32Array;
  readonly ids: Int32Array;
}

export class UnigramModel {
  readonly #ids = new Map<string, number>();
  readonly #scores: Float64Array;
  readonly #unknownId: number;
  readonly #unknownScore: number;
  readonly #isSingle: boolean;
  /** Child of a node by `node · 65536 + code unit`; node 0 is the root. */
  readonly #children = new Map<number, number>();
  /** Id of the piece that ends at a node, -1 where none does. */
  readonly #ends: number[] = [-1];

  /** Throws TOKENIZER on a piece met twice or longer than 512 code units, or without `unknownId`. */
  constructor(pieces: readonly UnigramPiece[], unknownId: number, { types }: UnigramOptions = {}) {
    if (unknownId >= pieces.length) {
      throw refuse('tokenizer: vocabulary', `more than ${unknownId} pieces`, `${pieces.length}`);
    }
    this.#isSingle = types !== undefined;
    this.#scores = types ? typedScores(pieces, types) : Float64Array.from(pieces, scoreOf);
    this.#unknownId = unknownId;
    const counted = types ? pieces.filter((_, id) => types[id] === pieceTypes.normal) : pieces;
    const worst = counted.reduce((least, piece) => Math.min(least, scoreOf(piece)), Infinity);
    this.#unknownScore = this.#isSingle
      ? Math.fround(worst - unknownPenalty)
      : worst - unknownPenalty;
    const isFound = (id: number): boolean =>
      types === undefined ||
      types[id] === pieceTypes.normal ||
      types[id] === pieceTypes.userDefined;
    pieces.forEach(([piece], id) => {
      this.#insert(piece, id, isFound(id));
    });
  }

  /** Adds the ids of a word to `ids`. A run of unknown characters is one unknown id. */
  encode(word: string, ids: number[]): void {
    const { starts, ids: best } = this.#search(word);
    const found: number[] = [];
    let end = word.length;
    while (end > 0) {
      const id = best[end]!;
      let start = starts[end]!;
      if (id !== this.#unknownId) {
        found.push(id);
      } else {
        while (start > 0 && best[start] === this.#unknownId) start = starts[start]!;
        found.push(this.#ids.get(word.slice(start, end)) ?? this.#unknownId);
      }
      end = start;
    }
    for (let i = found.length - 1; i >= 0; i--) ids.push(found[i]!);
  }

  #insert(piece: string, id: number, isFound: boolean): void {
    if (this.#ids.has(piece) || piece.length > longestPiece) {
      const expected = `pieces of at most ${longestPiece} characters, each once`;
      throw refuse('tokenizer: vocabulary', expected, JSON.stringify(piece.slice(0, 80)));
    }
    this.#ids.set(piece, id);
    if (!isFound) return;
    let node = 0;
    for (let i = 0; i < piece.length; i++) {
      const key = node * 65_536 + piece.charCodeAt(i);
      let child = this.#children.get(key);
      if (child === undefined) {
        child = this.#ends.push(-1) - 1;
        this.#children.set(key, child);
      }
      node = child;
    }
    if (node !== 0) this.#ends[node] = id;
  }

  /** Viterbi, from left to right; of two equal ways the one found first stays. */
  #search(word: string): Lattice {
    const scores = new (this.#isSingle ? Float32Array : Float64Array)(word.length + 1);
    const starts = new Int32Array(word.length + 1).fill(-1);
    const ids = new Int32Array(word.length + 1);
    const reach = (start: number, end: number, id: number, score: number): void => {
      const total = scores[start]! + score;
      if (starts[end] !== -1 && total <= scores[end]!) return;
      scores[end] = total;
      starts[end] = start;
      ids[end] = id;
    };
    for (let start = 0; start < word.length; ) {
      const units = word.codePointAt(start)! > 0xffff ? 2 : 1;
      let isKnown = false;
      let node: number | undefined = 0;
      for (let end = start; end < word.length; ) {
        node = this.#children.get(node * 65_536 + word.charCodeAt(end++));
        if (node === undefined) break;
        const id = this.#ends[node]!;
        if (id === -1) continue;
        reach(start, end, id, this.#scores[id]!);
        if (end - start === units) isKnown = true;
      }
      if (!isKnown) {
        // google/sentencepiece rounds this sum before it compares.
        const unknown = this.#isSingle
          ? Math.fround(scores[start]! + this.#unknownScore) - scores[start]!
          : this.#unknownScore;
        reach(start, start + units, this.#unknownId, unknown);
      }
      start += units;
    }
    return { scores, starts, ids };
  }
}

function scoreOf([, score]: UnigramPiece): number {
  return score;
}

/** User-defined pieces score so high, and the higher the longer in bytes, that they are always taken. */
function typedScores(pieces: readonly UnigramPiece[], types: readonly number[]): Float64Array {
  const normal = pieces.filter((_, id) => types[id] === pieceTypes.normal).map(scoreOf);
  const best = normal.reduce((most, score) => Math.max(most, score), -Infinity);
  return Float64Array.from(pieces, ([piece, score], id) =>
    types[id] === pieceTypes.userDefined
      ? Math.fround(new TextEncoder().encode(piece).length * best) - 0.1
      : score,
  );
}
