/** @file Seeded random numbers for data order: xoshiro128** (Blackman and Vigna 2018), seeded by splitmix32. */
import { complain } from '../core/errors.js';

/** The four state words; plain numbers, so it survives JSON. */
export type DataRandomState = readonly [number, number, number, number];

/** A small seeded generator whose state can be saved and restored exactly. */
export class DataRandom {
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  private constructor(state: DataRandomState) {
    [this.#a, this.#b, this.#c, this.#d] = state;
  }

  /** A generator for one seed, or for a tuple such as `(seed, epoch, index)`. */
  static from(...seeds: readonly number[]): DataRandom {
    const hash = mixSeeds(seeds);
    const state = [1, 2, 3, 4].map((word) => finish((hash + word * 0x9e3779b9) >>> 0));
    const isZero = state.every((word) => word === 0);
    return new DataRandom([isZero ? 1 : state[0]!, state[1]!, state[2]!, state[3]!]);
  }

  /** Restores what `state()` returned. Throws DATA on anything else. */
  static restore(state: DataRandomState): DataRandom {
    const words = state.length === 4 && state.every(isWord);
    if (!words || state.every((word) => word === 0)) {
      throw complain('DATA', {
        where: 'DataRandom.restore',
        expected: 'four 32-bit words, not all zero',
        got: JSON.stringify(state),
        next: 'Restore the state from a whole checkpoint.',
      });
    }
    return new DataRandom(state);
  }

  state(): DataRandomState {
    return [this.#a, this.#b, this.#c, this.#d];
  }

  /** The next 32 random bits as an unsigned integer. */
  nextWord(): number {
    const scaled = Math.imul(this.#b, 5);
    const result = Math.imul((scaled << 7) | (scaled >>> 25), 9) >>> 0;
    const shifted = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b = (this.#b ^ this.#c) >>> 0;
    this.#a = (this.#a ^ this.#d) >>> 0;
    this.#c = (this.#c ^ shifted) >>> 0;
    this.#d = ((this.#d << 11) | (this.#d >>> 21)) >>> 0;
    return result;
  }

  /** Uniform in [0, 1). */
  next(): number {
    return this.nextWord() / 2 ** 32;
  }

  /** Uniform in [low, high). */
  between(low: number, high: number): number {
    return low + (high - low) * this.next();
  }

  /** A uniform integer in [0, count). */
  below(count: number): number {
    return Math.floor(this.next() * count);
  }

  /** True with the given probability. */
  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /** One element of a list that is not empty. */
  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }

  /** A shuffled copy. */
  shuffled<T>(list: readonly T[]): T[] {
    const out = [...list];
    for (let i = out.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [out[i], out[j]] = [out[j] as T, out[i] as T];
    }
    return out;
  }
}

/** The order of one epoch: every index below `length` once. */
export function epochOrder(length: number, seed: number, epoch: number): Uint32Array {
  const random = DataRandom.from(seed, epoch, 0x65706f63);
  const order = Uint32Array.from({ length }, (_, index) => index);
  for (let i = length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}

/** A 32-bit hash of text (FNV-1a, then mixed), for splits that must never move. */
export function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  return finish(hash >>> 0);
}

function mixSeeds(seeds: readonly number[]): number {
  let hash = 0x2545f491;
  for (const seed of seeds) {
    if (!Number.isSafeInteger(seed)) {
      throw complain('DATA', {
        where: 'DataRandom.from',
        expected: 'safe integers as seeds',
        got: `${seed}`,
        next: 'Pass whole numbers.',
      });
    }
    hash = finish((hash ^ (seed >>> 0)) + 0x9e3779b9);
    hash = finish((hash ^ (Math.floor(seed / 2 ** 32) >>> 0)) + 0x9e3779b9);
  }
  return hash;
}

/** The splitmix32 finaliser. */
function finish(value: number): number {
  let z = value >>> 0;
  z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
  return (z ^ (z >>> 15)) >>> 0;
}

function isWord(word: number): boolean {
  return Number.isInteger(word) && word >= 0 && word < 2 ** 32;
}
