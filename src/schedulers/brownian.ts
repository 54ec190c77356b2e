/** @file Brownian paths fixed by their seed: the halfway tree of torchsde's BrownianInterval (Li et al. 2020, Kidger 2021). */
import { TorchGenerator } from '../core/random.js';
import { seedWords } from '../core/random-seed-sequence.js';

const f = Math.fround;
const poolSize = 24;

/** Part of a path between two times, with the key its seeds come from. */
interface Stretch {
  readonly start: number;
  readonly end: number;
  readonly key: number;
  readonly depth: number;
}

/** A path of `count` independent values over [start, end]; times are quantised to 1e-6. */
export class BrownianPath {
  readonly #seed: bigint | number;
  readonly #count: number;
  readonly #whole: Stretch;
  readonly #change: Float32Array;

  constructor(seed: bigint | number, count: number, [start, end]: readonly [number, number]) {
    this.#seed = seed;
    this.#count = count;
    this.#whole = { start: rounded(start), end: rounded(end), key: 0, depth: 0 };
    const [first] = seedWords(seed, 3, { poolSize });
    const scale = f(Math.sqrt(end - start));
    this.#change = this.#randn(first!).map((value) => value * scale);
  }

  /** What the path gains from time `from` to `to`; times outside count as the ends. */
  change(from: number, to: number): Float32Array {
    const { start, end } = this.#whole;
    const inside = (time: number) => rounded(Math.min(Math.max(time, start), end));
    const total: { sum: Float32Array | undefined } = { sum: undefined };
    if (inside(from) < inside(to)) {
      this.#add(total, this.#whole, this.#change, [inside(from), inside(to)]);
    }
    return total.sum ?? new Float32Array(this.#count);
  }

  /** Adds the changes of the largest stretches inside the asked times, from left to right. */
  #add(
    total: { sum: Float32Array | undefined },
    stretch: Stretch,
    change: Float32Array,
    [from, to]: readonly [number, number],
  ): void {
    if (from === stretch.start && to === stretch.end) {
      total.sum = total.sum ? total.sum.map((value, i) => value + change[i]!) : change;
      return;
    }
    const middle = rounded(0.5 * (stretch.end + stretch.start));
    const left = this.#leftChange(stretch, middle, change);
    const next = { key: 2 * stretch.key, depth: stretch.depth + 1 };
    if (from < middle) {
      const part = { ...next, start: stretch.start, end: middle };
      this.#add(total, part, left, [from, Math.min(to, middle)]);
    }
    if (to > middle) {
      const part = { key: next.key + 1, depth: next.depth, start: middle, end: stretch.end };
      const right = change.map((value, i) => value - left[i]!);
      this.#add(total, part, right, [Math.max(from, middle), to]);
    }
  }

  /** The change up to `middle`: a share of the whole and bridge noise. */
  #leftChange({ start, end, key, depth }: Stretch, middle: number, change: Float32Array) {
    const [seed] = seedWords(this.#seed, 4, { spawnKey: [key, depth], poolSize });
    const noise = this.#randn(seed!);
    const perLength = 1 / (end - start);
    const share = f(middle - start);
    const spread = f(Math.sqrt((middle - start) * (end - middle) * perLength));
    const scale = f(perLength);
    return change.map((value, i) => f(f(share * value) * scale) + f(spread * noise[i]!));
  }

  #randn(seed: number): Float32Array {
    return new TorchGenerator(seed).randn(this.#count);
  }
}

/**
 * Standard normals for steps between noise levels, one path per seed and as many values each: what the path
 * gains, over the root of its length, with the sign of a falling σ.
 */
export function brownianNoise(
  seeds: readonly (bigint | number)[],
  count: number,
  ends: readonly [number, number],
): (sigma: number, next: number) => Float32Array {
  const paths = seeds.map((seed) => new BrownianPath(seed, count / seeds.length, ends));
  return (sigma, next) => {
    const out = new Float32Array(count);
    const [from, to] = sigma < next ? [sigma, next] : [next, sigma];
    const scale = f(Math.sqrt(Math.abs(f(next - sigma)))) * (sigma < next ? 1 : -1);
    for (const [i, path] of paths.entries()) {
      out.set(
        path.change(from, to).map((value) => value / scale),
        (i * count) / paths.length,
      );
    }
    return out;
  };
}

/** Python's `round(value, 6)`: the nearest decimal, exact ties to even. */
function rounded(value: number): number {
  const nearest = Number(value.toFixed(6));
  const isTie = Number.isInteger(value * 128) && (value * 128) % 2 !== 0;
  if (!isTie) return nearest;
  const below = Math.floor(value * 1e6);
  return (below % 2 === 0 ? below : below + 1) / 1e6;
}
