/** @file numpy's SeedSequence (O'Neill 2015, "Developing a seed_seq alternative"): many good seeds from one. */

const initA = 0x43b0d7e5;
const multiplierA = 0x931e8875;
const initB = 0x8b51f9dd;
const multiplierB = 0x58f38ded;
const mixLeft = 0xca01f9dd;
const mixRight = 0x4973f715;

/** What `numpy.random.SeedSequence` takes. */
export interface SeedSequenceOptions {
  /** Place in a tree of sequences; words below 2³². Default none. */
  readonly spawnKey?: readonly number[];
  /** Words of the pool, 4 or more. Default 4. */
  readonly poolSize?: number;
}

/** `SeedSequence(entropy, …).generate_state(count)`: 32-bit words, exact. */
export function seedWords(
  entropy: bigint | number,
  count: number,
  { spawnKey = [], poolSize = 4 }: SeedSequenceOptions = {},
): Uint32Array {
  const pool = mixedPool(assembled(BigInt(entropy), spawnKey, poolSize), poolSize);
  let hash = initB;
  return Uint32Array.from({ length: count }, (_, i) => {
    const value = pool[i % poolSize]! ^ hash;
    hash = Math.imul(hash, multiplierB);
    return folded(Math.imul(value, hash));
  });
}

/** Entropy in words, low first; padded to the pool when a spawn key follows, so that keys never collide. */
function assembled(entropy: bigint, spawnKey: readonly number[], poolSize: number): number[] {
  const words: number[] = [];
  let rest = entropy;
  do {
    words.push(Number(rest & 0xffffffffn));
    rest >>= 32n;
  } while (rest > 0n);
  if (spawnKey.length === 0) return words;
  while (words.length < poolSize) words.push(0);
  return [...words, ...spawnKey];
}

function mixedPool(entropy: readonly number[], poolSize: number): Int32Array {
  let hash = initA;
  const hashed = (value: number): number => {
    const mixed = value ^ hash;
    hash = Math.imul(hash, multiplierA);
    return folded(Math.imul(mixed, hash));
  };
  const pool = Int32Array.from({ length: poolSize }, (_, i) => hashed(entropy[i] ?? 0));
  const stir = (value: number, target: number) => {
    const sum = Math.imul(mixLeft, pool[target]!) - Math.imul(mixRight, hashed(value));
    pool[target] = folded(sum | 0);
  };
  for (let source = 0; source < poolSize; source++) {
    for (let target = 0; target < poolSize; target++) {
      if (source !== target) stir(pool[source]!, target);
    }
  }
  for (const value of entropy.slice(poolSize)) {
    for (let target = 0; target < poolSize; target++) stir(value, target);
  }
  return pool;
}

function folded(value: number): number {
  return value ^ (value >>> 16);
}
