/** @file torch's CPU random numbers: MT19937 (Matsumoto, Nishimura 1998) and the normal kernels of PyTorch ATen. */
import { complain } from './errors.js';
import { elementCount, type FloatTensor, floatTensor } from './tensor-data.js';

const words = 624;
const shift = 397;
/** Bytes of `torch.Generator.get_state()`. */
export const generatorStateBytes = 5056;
const largestSeed = 2n ** 64n - 1n;

/** Offsets of the legacy struct that torch writes as the state of its CPU generator. */
const layout = {
  seed: 0,
  left: 8,
  seeded: 12,
  next: 16,
  words: 24,
  normalY: 24 + words * 8 + 8,
  normalIsValid: 24 + words * 8 + 24,
} as const;

/**
 * The generator behind `torch.Generator('cpu').manual_seed(seed)`: the same integers and uniforms
 * bit for bit, the same normals within 1e-6.
 */
export class TorchGenerator {
  #seed = 0n;
  readonly #state = new Uint32Array(words);
  /** Position of the next word in `#state`; `words` asks for a new block. */
  #next: number = words;
  /** torch marks a fresh generator with `left` 1, `next` 0; only `state()` shows the difference. */
  #isFresh = true;
  /** Second value of the last Box-Muller pair, kept between calls as torch does. */
  #spareNormal: number | undefined;

  /** `seed` is an integer from 0 to 2⁶⁴ − 1; numbers must be safe integers. */
  constructor(seed: bigint | number) {
    this.#seed = checkedSeed('TorchGenerator', seed);
    const state = this.#state;
    state[0] = Number(this.#seed & 0xffffffffn);
    for (let i = 1; i < words; i++) {
      const previous = state[i - 1]! ^ (state[i - 1]! >>> 30);
      state[i] = Math.imul(previous, 1812433253) + i;
    }
  }

  /** The seed given, unchanged. */
  get seed(): bigint {
    return this.#seed;
  }

  /** The next 32-bit unsigned integer. */
  random32(): number {
    if (this.#next === words) this.#refill();
    let y = this.#state[this.#next++]!;
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }

  /** `torch.rand(count)`: float32 in [0, 1), exact. */
  uniform(count: number): Float32Array {
    const out = new Float32Array(checkedCount('uniform', count));
    this.#fillUniform(out, 0, count);
    return out;
  }

  /** `torch.randn(count)`: float32 standard normals, within 1e-6 of torch. */
  randn(count: number): Float32Array {
    const out = new Float32Array(checkedCount('randn', count));
    if (count < 16) {
      for (let i = 0; i < count; i++) out[i] = this.#normal();
      return out;
    }
    this.#fillUniform(out, 0, count);
    for (let start = 0; start + 16 <= count; start += 16) boxMuller16(out, start);
    if (count % 16 !== 0) {
      this.#fillUniform(out, count - 16, count);
      boxMuller16(out, count - 16);
    }
    return out;
  }

  /** A copy of the state, byte for byte `torch.Generator.get_state()`. */
  state(): Uint8Array {
    const bytes = new Uint8Array(generatorStateBytes);
    const view = new DataView(bytes.buffer);
    view.setBigUint64(layout.seed, this.#seed, true);
    view.setInt32(layout.left, this.#isFresh ? 1 : words + 1 - this.#next, true);
    view.setInt32(layout.seeded, 1, true);
    view.setUint32(layout.next, this.#isFresh ? 0 : this.#next, true);
    for (let i = 0; i < words; i++) view.setUint32(layout.words + i * 8, this.#state[i]!, true);
    if (this.#spareNormal !== undefined) {
      view.setFloat64(layout.normalY, this.#spareNormal, true);
      view.setInt32(layout.normalIsValid, 1, true);
    }
    return bytes;
  }

  /** Continues from a state that `state()` or torch gave; throws CHECKPOINT when it is no such state. */
  setState(bytes: Uint8Array): void {
    if (bytes.length !== generatorStateBytes) throw badState(`${bytes.length} bytes`);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const left = view.getInt32(layout.left, true);
    const next = view.getUint32(layout.next, true);
    const isFresh = left === 1 && next === 0;
    if (!isFresh && (left < 1 || left + next !== words + 1)) {
      throw badState(`left ${left}, next ${next}`);
    }
    this.#seed = view.getBigUint64(layout.seed, true);
    for (let i = 0; i < words; i++) this.#state[i] = view.getUint32(layout.words + i * 8, true);
    this.#isFresh = isFresh;
    this.#next = isFresh ? words : next;
    const hasSpare = view.getInt32(layout.normalIsValid, true) !== 0;
    this.#spareNormal = hasSpare ? view.getFloat64(layout.normalY, true) : undefined;
  }

  #fillUniform(out: Float32Array, start: number, end: number): void {
    for (let i = start; i < end; i++) out[i] = (this.random32() & 0xffffff) * 2 ** -24;
  }

  /** One normal in double precision, the branch torch takes below 16 values. */
  #normal(): number {
    const spare = this.#spareNormal;
    if (spare !== undefined) {
      this.#spareNormal = undefined;
      return spare;
    }
    const theta = 2 * Math.PI * this.#uniformDouble();
    const radius = Math.sqrt(-2 * Math.log1p(-this.#uniformDouble()));
    this.#spareNormal = radius * Math.sin(theta);
    return radius * Math.cos(theta);
  }

  /** 53 random bits in [0, 1): two draws, the high word first. */
  #uniformDouble(): number {
    const high = this.random32() & 0x1fffff;
    return (high * 2 ** 32 + this.random32()) * 2 ** -53;
  }

  #refill(): void {
    const state = this.#state;
    for (let i = 0; i < words; i++) {
      const y = (state[i]! & 0x80000000) | (state[(i + 1) % words]! & 0x7fffffff);
      state[i] = state[(i + shift) % words]! ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    }
    this.#next = 0;
    this.#isFresh = false;
  }
}

/** `torch.randn(shape, generator=torch.Generator().manual_seed(seed))`. */
export function randn(shape: readonly number[], seed: bigint | number): FloatTensor {
  return floatTensor(new TorchGenerator(seed).randn(elementCount(shape)), shape);
}

/** Turns 16 uniforms into 16 normals in place, value j paired with j + 8, angles rounded to f32. */
function boxMuller16(data: Float32Array, start: number): void {
  const twoPi = Math.fround(2 * Math.PI);
  for (let j = start; j < start + 8; j++) {
    const radius = Math.sqrt(-2 * Math.fround(Math.log(1 - data[j]!)));
    const theta = Math.fround(twoPi * data[j + 8]!);
    data[j] = radius * Math.cos(theta);
    data[j + 8] = radius * Math.sin(theta);
  }
}

/** The seed as an integer; CONFIG when it is none or needs more than 64 bits. */
export function checkedSeed(where: string, seed: bigint | number): bigint {
  const isInteger = typeof seed === 'bigint' || Number.isSafeInteger(seed);
  const value = isInteger ? BigInt(seed) : -1n;
  if (value >= 0n && value <= largestSeed) return value;
  throw complain('CONFIG', {
    where,
    expected: 'a seed that is an integer from 0 to 18446744073709551615',
    got: `${seed}`,
    next: 'Give seeds above 9007199254740991 as bigint.',
  });
}

/** Throws SHAPE unless `count` is a whole number. */
export function checkedCount(where: string, count: number): number {
  if (Number.isSafeInteger(count) && count >= 0) return count;
  throw complain('SHAPE', { where, expected: 'a whole number of values', got: `${count}` });
}

function badState(got: string) {
  return complain('CHECKPOINT', {
    where: 'TorchGenerator.setState',
    expected: `${generatorStateBytes} bytes of torch’s CPU generator`,
    got,
  });
}
