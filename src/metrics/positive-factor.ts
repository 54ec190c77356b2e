/** @file A factor of a positive semidefinite matrix of any rank: Cholesky with complete pivoting (Higham 1990). */
import { internal } from '../core/errors.js';
import type { Matrix } from './nuclear-norm.js';

/** The upper triangle of a symmetric matrix, row after row: row i holds columns i to size − 1. */
export interface PackedSymmetric {
  readonly size: number;
  readonly data: Float64Array;
}

/** Where row i of a packed triangle begins, less i: element (i, j ≥ i) lies at this plus j. */
export function packedRow(size: number, i: number): number {
  return i * size - (i * (i + 1)) / 2;
}

export function packedLength(size: number): number {
  return (size * (size + 1)) / 2;
}

/**
 * R of as many rows as the matrix has rank, with S = RᵀR to rounding. Pivots below size · 2⁻⁵² of
 * the largest diagonal element count as zero, as in LAPACK's dpstrf.
 */
export function positiveFactor({ size, data }: PackedSymmetric): Matrix {
  const rest = Float64Array.from({ length: size }, (_, i) => data[packedRow(size, i) + i]!);
  if (!rest.every(Number.isFinite)) throw internal('positiveFactor', 'values that are not finite');
  const tolerance = size * Number.EPSILON * rest.reduce((most, x) => Math.max(most, x), 0);
  const factor = new Float64Array(size * size);
  for (let k = 0; k < size; k++) {
    const pivot = indexOfLargest(rest);
    if (!(rest[pivot]! > tolerance))
      return { rows: k, columns: size, data: firstRows(factor, k, size) };
    const row = factor.subarray(k * size, (k + 1) * size);
    readRow({ size, data }, pivot, row);
    subtractEarlier(factor, row, { k, pivot });
    const root = Math.sqrt(rest[pivot]!);
    for (let j = 0; j < size; j++) {
      const value = rest[j] === Number.NEGATIVE_INFINITY ? 0 : row[j]! / root;
      row[j] = value;
      rest[j]! -= value * value;
    }
    row[pivot] = root;
    rest[pivot] = Number.NEGATIVE_INFINITY; // done
  }
  return { rows: size, columns: size, data: factor };
}

function firstRows(factor: Float64Array, rows: number, size: number): Float64Array {
  return factor.subarray(0, rows * size);
}

function indexOfLargest(values: Float64Array): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i;
  return best;
}

function readRow({ size, data }: PackedSymmetric, i: number, into: Float64Array): void {
  for (let j = 0; j < i; j++) into[j] = data[packedRow(size, j) + i]!;
  const start = packedRow(size, i);
  for (let j = i; j < size; j++) into[j] = data[start + j]!;
}

/** row −= Σ over the k rows before of their element at `pivot` times them; four at a time. */
function subtractEarlier(
  factor: Float64Array,
  row: Float64Array,
  { k, pivot }: { readonly k: number; readonly pivot: number },
): void {
  const size = row.length;
  let m = 0;
  for (; m + 4 <= k; m += 4) {
    const a = m * size;
    const [b, c, d] = [a + size, a + 2 * size, a + 3 * size] as const;
    const fa = factor[a + pivot]!;
    const fb = factor[b + pivot]!;
    const fc = factor[c + pivot]!;
    const fd = factor[d + pivot]!;
    for (let j = 0; j < size; j++) {
      row[j]! -=
        fa * factor[a + j]! + fb * factor[b + j]! + (fc * factor[c + j]! + fd * factor[d + j]!);
    }
  }
  for (; m < k; m++) {
    const a = m * size;
    const fa = factor[a + pivot]!;
    for (let j = 0; j < size; j++) row[j]! -= fa * factor[a + j]!;
  }
}
