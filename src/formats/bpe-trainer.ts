/** @file Trains byte-pair merges for a CLIP vocabulary, Sennrich et al. 2016, counting as huggingface/tokenizers `BpeTrainer`. */
import { complain, throwIfAborted } from '../core/errors.js';
import type { BpeMerge } from './bpe.js';
import {
  byteAlphabet,
  clipMarkers,
  endOfWord,
  normalizeClipText,
  splitClipWords,
  toByteChars,
} from './clip-text.js';

export interface BpeTrainingOptions {
  /** Tokens wanted, at least 514: 512 byte symbols, the merges, two markers. */
  readonly vocabSize: number;
  /** Pairs seen less often are not merged; default 2. */
  readonly minFrequency?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A vocabulary laid out as CLIP's: bytes, bytes that end a word, merges in rank order, BOS, EOS. */
export interface TrainedBpe {
  readonly vocab: ReadonlyMap<string, number>;
  readonly merges: readonly BpeMerge[];
}

const baseSymbols = 2 * byteAlphabet.length;
const pairSpan = 2 ** 24;
const textsPerCheck = 1024;
const mergesPerCheck = 64;

/**
 * Learns merges from `texts`: always the most frequent pair, of equals the one with the smaller
 * left and then right id, so the result depends on nothing but the texts. Gives fewer than
 * `vocabSize` tokens when no pair is frequent enough. Throws USAGE or CANCELLED.
 */
export function trainBpe(texts: Iterable<string>, options: BpeTrainingOptions): TrainedBpe {
  const { vocabSize, minFrequency = 2, signal } = options;
  requireWhole('vocabSize', vocabSize, baseSymbols + clipMarkers.length, pairSpan);
  requireWhole('minFrequency', minFrequency, 1, Number.MAX_SAFE_INTEGER);
  const tokens = [...byteAlphabet, ...byteAlphabet.map((char) => char + endOfWord)];
  const idOf = new Map(tokens.map((token, id) => [token, id]));
  const corpus = new PairCorpus(countWords(texts, signal), idOf);
  const merges: BpeMerge[] = [];
  const done = new Set<number>();
  while (tokens.length + clipMarkers.length < vocabSize) {
    if (merges.length % mergesPerCheck === 0) throwIfAborted('trainBpe', signal);
    const pair = corpus.popMostFrequent(minFrequency);
    if (pair === undefined) break;
    const [left, right] = [Math.floor(pair / pairSpan), pair % pairSpan];
    const token = tokens[left]! + tokens[right]!;
    let id = idOf.get(token);
    if (id === undefined) {
      id = tokens.length;
      tokens.push(token);
      idOf.set(token, id);
    }
    if (!done.has(pair)) merges.push([tokens[left]!, tokens[right]!]);
    done.add(pair);
    corpus.merge(pair, id);
  }
  for (const marker of clipMarkers) idOf.set(marker, idOf.size);
  return { vocab: idOf, merges };
}

/** How often each word occurs, as byte characters. */
function countWords(texts: Iterable<string>, signal: AbortSignal | undefined): Map<string, number> {
  const counts = new Map<string, number>();
  let seen = 0;
  for (const text of texts) {
    if (seen++ % textsPerCheck === 0) throwIfAborted('trainBpe', signal);
    for (const word of splitClipWords(normalizeClipText(text), true)) {
      counts.set(word, (counts.get(word) ?? 0) + 1);
    }
  }
  return new Map([...counts].map(([word, count]) => [toByteChars(word), count]));
}

/** The words as symbol ids, with the count and the places of every pair of neighbours. */
class PairCorpus {
  readonly #words: number[][] = [];
  readonly #wordCounts: number[] = [];
  readonly #pairCounts = new Map<number, number>();
  readonly #places = new Map<number, Set<number>>();
  readonly #queue = new PairQueue();

  constructor(counts: ReadonlyMap<string, number>, idOf: ReadonlyMap<string, number>) {
    for (const [word, count] of counts) {
      const last = word.length - 1;
      const symbols = Array.from(
        word,
        (char, i) => idOf.get(i === last ? char + endOfWord : char)!,
      );
      const index = this.#words.push(symbols) - 1;
      this.#wordCounts.push(count);
      for (let i = 0; i < last; i++) this.#change(symbols[i]!, symbols[i + 1]!, count, index);
    }
    for (const [pair, count] of this.#pairCounts) this.#queue.push(count, pair);
  }

  /** Takes the best pair out of the queue; counts that fell since it was queued are corrected here. */
  popMostFrequent(minFrequency: number): number | undefined {
    for (let top = this.#queue.pop(); top !== undefined; top = this.#queue.pop()) {
      const count = this.#pairCounts.get(top.pair) ?? 0;
      if (count === top.count) return count >= minFrequency ? top.pair : undefined;
      if (count > 0) this.#queue.push(count, top.pair);
    }
    return undefined;
  }

  /** Replaces the pair by `merged` in every word that holds it. */
  merge(pair: number, merged: number): void {
    const left = Math.floor(pair / pairSpan);
    const right = pair % pairSpan;
    const grown = new Set<number>();
    for (const index of this.#places.get(pair) ?? []) {
      this.#mergeWord(index, left, right, merged, grown);
    }
    this.#pairCounts.delete(pair);
    this.#places.delete(pair);
    for (const risen of grown) {
      const count = this.#pairCounts.get(risen) ?? 0;
      if (count > 0) this.#queue.push(count, risen);
    }
  }

  #mergeWord(index: number, left: number, right: number, merged: number, grown: Set<number>): void {
    const symbols = this.#words[index]!;
    const count = this.#wordCounts[index]!;
    const out: number[] = [];
    for (let i = 0; i < symbols.length; i++) {
      if (symbols[i] !== left || symbols[i + 1] !== right) {
        out.push(symbols[i]!);
        continue;
      }
      const before = out.at(-1);
      const after = symbols[i + 2];
      if (before !== undefined) {
        this.#change(before, left, -count, index);
        grown.add(this.#change(before, merged, count, index));
      }
      if (after !== undefined) {
        this.#change(right, after, -count, index);
        grown.add(this.#change(merged, after, count, index));
      }
      out.push(merged);
      i++;
    }
    this.#words[index] = out;
  }

  #change(left: number, right: number, change: number, index: number): number {
    const pair = left * pairSpan + right;
    this.#pairCounts.set(pair, (this.#pairCounts.get(pair) ?? 0) + change);
    if (change > 0) {
      const places = this.#places.get(pair);
      if (places === undefined) this.#places.set(pair, new Set([index]));
      else places.add(index);
    }
    return pair;
  }
}

interface QueuedPair {
  readonly count: number;
  readonly pair: number;
}

/** A binary heap: highest count first, of equals the smallest pair. */
class PairQueue {
  readonly #items: QueuedPair[] = [];

  push(count: number, pair: number): void {
    const items = this.#items;
    const item = { count, pair };
    let at = items.length;
    items.push(item);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(item, items[parent]!)) break;
      items[at] = items[parent]!;
      at = parent;
    }
    items[at] = item;
  }

  pop(): QueuedPair | undefined {
    const items = this.#items;
    const top = items[0];
    const last = items.pop();
    if (items.length === 0 || last === undefined) return top;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && isBefore(items[child + 1]!, items[child]!)) child++;
      if (!isBefore(items[child]!, last)) break;
      items[at] = items[child]!;
      at = child;
    }
    items[at] = last;
    return top;
  }
}

function isBefore(a: QueuedPair, b: QueuedPair): boolean {
  return a.count > b.count || (a.count === b.count && a.pair < b.pair);
}

function requireWhole(name: string, value: number, lowest: number, highest: number): void {
  if (Number.isSafeInteger(value) && value >= lowest && value <= highest) return;
  throw complain('USAGE', {
    where: 'trainBpe',
    expected: `${name} from ${lowest} to ${highest}`,
    got: `${value}`,
    next: `Choose another ${name}.`,
  });
}
