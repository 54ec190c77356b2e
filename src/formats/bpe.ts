/** @file Byte-pair encoding of one word, Sennrich et al. 2016, with the merge order of huggingface/tokenizers `Word::merge_all`. */
import { complain, type MaliangError } from '../core/errors.js';
import { type InPieces, mapping } from '../core/pieces.js';
import { endOfWord } from './clip-text.js';

/** Two neighbouring symbols that become one. */
export type BpeMerge = readonly [left: string, right: string];

const cachedWords = 10_000;
const cachedLength = 256;
const positionSpan = 2 ** 31;

/** A vocabulary with its merges in rank order. */
export class BpeModel {
  readonly #idOf: ReadonlyMap<string, number>;
  readonly #unknownId: number | undefined;
  readonly #idSpan: number;
  readonly #rankOfPair: ReadonlyMap<number, number>;
  /** The symbol each merge gives, by rank. */
  readonly #merged: readonly number[];
  readonly #cache = new Map<string, readonly number[]>();

  private constructor(
    idOf: ReadonlyMap<string, number>,
    ranks: { readonly idSpan: number; rankOfPair: Map<number, number>; merged: number[] },
    unknownToken: string | undefined,
  ) {
    this.#idOf = idOf;
    this.#unknownId = unknownToken === undefined ? undefined : idOf.get(unknownToken);
    this.#idSpan = ranks.idSpan;
    this.#rankOfPair = ranks.rankOfPair;
    this.#merged = ranks.merged;
  }

  /** Throws TOKENIZER when a merge names a symbol outside the vocabulary. */
  static *building(
    idOf: ReadonlyMap<string, number>,
    merges: readonly BpeMerge[],
    unknownToken: string | undefined,
  ): InPieces<BpeModel> {
    let idSpan = 1;
    for (const id of idOf.values()) idSpan = Math.max(idSpan, id + 1);
    const rankOfPair = new Map<number, number>();
    const merged = yield* mapping(merges, ([left, right], rank) => {
      const [leftId, rightId] = [idIn(idOf, left, rank), idIn(idOf, right, rank)];
      rankOfPair.set(leftId * idSpan + rightId, rank);
      return idIn(idOf, left + right, rank);
    });
    return new BpeModel(idOf, { idSpan, rankOfPair, merged }, unknownToken);
  }

  /** Ids of one word, given as byte characters without the end-of-word mark. */
  encode(word: string): readonly number[] {
    const known = this.#cache.get(word);
    if (known !== undefined) return known;
    const ids = this.#mergeAll(this.#symbols(word));
    if (word.length < cachedLength) {
      if (this.#cache.size >= cachedWords) this.#cache.clear();
      this.#cache.set(word, ids);
    }
    return ids;
  }

  #pair(left: number, right: number): number {
    return left * this.#idSpan + right;
  }

  #symbols(word: string): Int32Array {
    const ids = new Int32Array(word.length);
    for (let i = 0; i < word.length; i++) {
      const char = word[i]!;
      const id = this.#idOf.get(i === word.length - 1 ? char + endOfWord : char) ?? this.#unknownId;
      if (id === undefined) throw missingByte(char);
      ids[i] = id;
    }
    return ids;
  }

  /**
   * Merges the pair of lowest rank, leftmost first, until none is left: a heap of candidate pairs
   * over a linked list, so n symbols cost O(n log n).
   */
  #mergeAll(symbols: Int32Array): readonly number[] {
    const length = symbols.length;
    const next = Int32Array.from(symbols, (_, i) => (i + 1 < length ? i + 1 : -1));
    const previous = Int32Array.from(symbols, (_, i) => i - 1);
    const isGone = new Uint8Array(length);
    const candidates = new MinHeap();
    const propose = (at: number): void => {
      const right = next[at]!;
      if (right < 0) return;
      const rank = this.#rankOfPair.get(this.#pair(symbols[at]!, symbols[right]!));
      if (rank !== undefined) candidates.push(rank * positionSpan + at);
    };
    for (let at = 0; at < length; at++) propose(at);
    for (let top = candidates.pop(); top !== undefined; top = candidates.pop()) {
      const at = top % positionSpan;
      const right = next[at]!;
      if (isGone[at] === 1 || right < 0) continue;
      const merged = this.#merged[(top - at) / positionSpan]!;
      const rank = this.#rankOfPair.get(this.#pair(symbols[at]!, symbols[right]!));
      if (rank === undefined || this.#merged[rank] !== merged) continue;
      symbols[at] = merged;
      isGone[right] = 1;
      next[at] = next[right]!;
      if (next[at]! >= 0) previous[next[at]!] = at;
      if (previous[at]! >= 0) propose(previous[at]!);
      propose(at);
    }
    return Array.from(symbols.filter((_, i) => isGone[i] === 0));
  }
}

function idIn(idOf: ReadonlyMap<string, number>, token: string, rank: number): number {
  const id = idOf.get(token);
  if (id !== undefined) return id;
  throw complain('TOKENIZER', {
    where: 'tokenizer: merges',
    expected: `tokens of the vocabulary in merge ${rank + 1}`,
    got: JSON.stringify(token),
  });
}

/** A binary heap of numbers, smallest first. */
class MinHeap {
  readonly #items: number[] = [];

  push(item: number): void {
    const items = this.#items;
    let at = items.length;
    items.push(item);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (items[parent]! <= item) break;
      items[at] = items[parent]!;
      at = parent;
    }
    items[at] = item;
  }

  pop(): number | undefined {
    const items = this.#items;
    const top = items[0];
    const last = items.pop();
    if (items.length === 0 || last === undefined) return top;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && items[child + 1]! < items[child]!) child++;
      if (items[child]! >= last) break;
      items[at] = items[child]!;
      at = child;
    }
    items[at] = last;
    return top;
  }
}

function missingByte(char: string): MaliangError {
  return complain('TOKENIZER', {
    where: 'tokenizer',
    expected: `the byte symbol ${JSON.stringify(char)} or an unknown token in the vocabulary`,
    got: 'neither',
  });
}
