/** @file Weights computed from names, for parity fixtures: FNV-1a 64 (Fowler, Noll, Vo) and the splitmix64 mixer (Steele et al. 2014). */
import { complain } from './errors.js';
import { elementCount } from './tensor-data.js';

const encoder = new TextEncoder();

/** FNV-1a 64 of the UTF-8 bytes of `text`. */
export function fnv1a64(text: string): bigint {
  let hash = 0xcbf29ce484222325n;
  for (const byte of encoder.encode(text)) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  }
  return hash;
}

/**
 * The reference value of the floating-point parameter `name`, named as in published checkpoint
 * files. Weights of two or more dimensions are uniform in ±√(3/fanIn); one-dimensional `weight` and
 * `running_var` lie in 1 ± 0.1; all else in ±0.02. A name ending in `.alpha` gets `rank / 2` and so
 * needs `rank`. `logit_scale`, integers and non-parameter buffers keep their own values: never ask
 * for those.
 */
export function referenceWeight(
  name: string,
  shape: readonly number[],
  rank?: number,
): Float32Array {
  const out = new Float32Array(elementCount(shape));
  if (name.endsWith('.alpha')) return out.fill(alphaOf(name, rank));
  const { offset, scale } = rangeOf(name, shape);
  fillMixed(out, fnv1a64(name), offset, scale);
  return out;
}

function alphaOf(name: string, rank: number | undefined): number {
  if (rank !== undefined) return rank / 2;
  throw complain('CONFIG', {
    where: `referenceWeight(${name})`,
    expected: 'the rank of the adapter',
    got: 'none',
    next: 'Give the first dimension of its down weight.',
  });
}

function rangeOf(name: string, shape: readonly number[]): { offset: number; scale: number } {
  if (shape.length >= 2) {
    return { offset: 0, scale: Math.sqrt(3 / elementCount(shape.slice(1))) };
  }
  const isGain = name.endsWith('weight') || name.endsWith('running_var');
  return shape.length === 1 && isGain ? { offset: 1, scale: 0.1 } : { offset: 0, scale: 0.02 };
}

/**
 * out[i] = offset + scale · r(mix(hash + (i + 1)·golden)), r in [−1, 1). 64-bit words are kept as
 * two 32-bit halves: about ten times faster than bigint.
 */
function fillMixed(out: Float32Array, hash: bigint, offset: number, scale: number): void {
  let high = Number(hash >> 32n) | 0;
  let low = Number(hash & 0xffffffffn) | 0;
  for (let i = 0; i < out.length; i++) {
    const sum = (low >>> 0) + 0x7f4a7c15;
    high = (high + 0x9e3779b9 + (sum > 0xffffffff ? 1 : 0)) | 0;
    low = sum | 0;
    // z ^= z >> 30; z *= 0xbf58476d1ce4e5b9
    let zl = low ^ ((low >>> 30) | (high << 2));
    let zh = high ^ (high >>> 30);
    zh = (mulHigh(zl, 0x1ce4e5b9) + Math.imul(zh, 0x1ce4e5b9) + Math.imul(zl, 0xbf58476d)) | 0;
    zl = Math.imul(zl, 0x1ce4e5b9);
    // z ^= z >> 27; z *= 0x94d049bb133111eb
    const yl = zl ^ ((zl >>> 27) | (zh << 5));
    const yh = zh ^ (zh >>> 27);
    zh = (mulHigh(yl, 0x133111eb) + Math.imul(yh, 0x133111eb) + Math.imul(yl, 0x94d049bb)) | 0;
    // The top 24 bits of z ^ (z >> 31) depend on the high half alone.
    const top = (zh ^ (zh >>> 31)) >>> 8;
    out[i] = offset + scale * ((2 * top) / 2 ** 24 - 1);
  }
}

/** The high 32 bits of the product of two unsigned 32-bit integers. */
function mulHigh(a: number, b: number): number {
  const a0 = a & 0xffff;
  const a1 = a >>> 16;
  const b0 = b & 0xffff;
  const b1 = b >>> 16;
  const middle = a1 * b0 + ((a0 * b0) >>> 16);
  const carry = a0 * b1 + (middle & 0xffff);
  return (a1 * b1 + (middle >>> 16) + (carry >>> 16)) | 0;
}
