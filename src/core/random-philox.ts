/** @file torch's CUDA random numbers: Philox 4×32 with 10 rounds (Salmon et al. 2011) and Box-Muller, one counter per value. */
import { complain } from './errors.js';
import { checkedCount, checkedSeed } from './random.js';

const multipliers = [0xd2511f53, 0xcd9e8d57] as const;
const weyl = [0x9e3779b9, 0xbb67ae85] as const;

/**
 * The normals that `torch.randn(count, device='cuda')` gives for counts of everyday pictures, and
 * stable-diffusion-webui's "NV" source gives on every machine.
 */
export class PhiloxGenerator {
  readonly seed: bigint;
  /** Calls made so far: the first word of the counter. */
  #calls = 0;

  /** `seed` is an integer from 0 to 2⁶⁴ − 1; numbers must be safe integers. */
  constructor(seed: bigint | number) {
    this.seed = checkedSeed('PhiloxGenerator', seed);
  }

  /** `count` float32 standard normals, within 1e-6 of CUDA. */
  randn(count: number): Float32Array {
    const out = new Float32Array(checkedCount('randn', count));
    const counter = new Uint32Array(4);
    for (let i = 0; i < count; i++) {
      counter[0] = this.#calls;
      counter[1] = 0;
      counter[2] = i;
      counter[3] = 0;
      philox(counter, this.seed);
      out[i] = boxMuller(counter[0]!, counter[1]!);
    }
    this.#calls += 1;
    if (this.#calls < 2 ** 32) return out;
    throw complain('USAGE', {
      where: 'PhiloxGenerator',
      expected: 'fewer than 4294967296 draws',
      got: 'one more',
    });
  }
}

/** Philox 4×32, ten rounds, of a counter of four words in place. */
export function philox(counter: Uint32Array, seed: bigint): void {
  let low = Number(seed & 0xffffffffn);
  let high = Number(seed >> 32n);
  for (let round = 0; round < 10; round++) {
    const [a, b, c, d] = counter as unknown as [number, number, number, number];
    counter[0] = highWord(c, multipliers[1]) ^ b ^ low;
    counter[1] = Math.imul(c, multipliers[1]);
    counter[2] = highWord(a, multipliers[0]) ^ d ^ high;
    counter[3] = Math.imul(a, multipliers[0]);
    low = (low + weyl[0]) >>> 0;
    high = (high + weyl[1]) >>> 0;
  }
}

/** The upper 32 bits of a product of two 32-bit words. */
function highWord(a: number, b: number): number {
  const [aHigh, aLow] = [a >>> 16, a & 0xffff];
  const [bHigh, bLow] = [b >>> 16, b & 0xffff];
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const carried = aLow * bHigh + (middle & 0xffff);
  return (aHigh * bHigh + Math.floor(middle / 65536) + Math.floor(carried / 65536)) >>> 0;
}

function boxMuller(first: number, second: number): number {
  const f = Math.fround;
  const u = f(f(f(first) * f(2 ** -32)) + f(2 ** -33));
  const turn = f(f(f(second) * f(2 ** -32 * 2 * Math.PI)) + f(2 ** -33 * 2 * Math.PI));
  return f(Math.sqrt(f(-2 * f(Math.log(u))))) * f(Math.sin(turn));
}
