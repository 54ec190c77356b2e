/** @file Dot products between the rows of two sets, tile by tile: what kernels and distances are made of. */
import { setImmediate as breathe } from 'node:timers/promises';
import { throwIfAborted } from '../core/errors.js';
import type { FeatureRows } from './feature-rows.js';

/** a·bᵀ in doubles, [a.count, b.count]. */
export type RowProducts = (a: FeatureRows, b: FeatureRows) => Promise<Float64Array>;

export interface PairwiseOptions {
  /** Default: computed in this thread. */
  readonly products?: RowProducts | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called after each tile with the share that is done, 0 to 1. */
  readonly onProgress?: ((share: number) => void) | undefined;
}

/** Rows of a tile's side. */
export const tileRows = 512;

/** Computes in this thread and lets other work in between tiles. */
export const productsHere: RowProducts = async (a, b) => {
  await breathe();
  const out = new Float64Array(a.count * b.count);
  const { size } = a;
  for (let i = 0; i < a.count; i++) {
    const left = a.data.subarray(i * size, (i + 1) * size);
    for (let j = 0; j < b.count; j++) {
      const start = j * size;
      let [even, odd] = [0, 0];
      let k = 0;
      for (; k + 1 < size; k += 2) {
        even += left[k]! * b.data[start + k]!;
        odd += left[k + 1]! * b.data[start + k + 1]!;
      }
      if (k < size) even += left[k]! * b.data[start + k]!;
      out[i * b.count + j] = even + odd;
    }
  }
  return out;
};

/** A tile of all products: rows from `firstA` of a by rows from `firstB` of b. */
export interface Tile {
  readonly firstA: number;
  readonly firstB: number;
  readonly rows: number;
  readonly columns: number;
  /** [rows, columns]; the visitor may overwrite it. */
  readonly dots: Float64Array;
}

/**
 * Visits every tile of a·bᵀ; when both are one object, only tiles on and above the diagonal. Throws
 * CANCELLED.
 */
export async function eachTile(
  a: FeatureRows,
  b: FeatureRows,
  { products = productsHere, signal, onProgress }: PairwiseOptions,
  visit: (tile: Tile) => void,
): Promise<void> {
  const places: [number, number][] = [];
  for (let firstA = 0; firstA < a.count; firstA += tileRows) {
    const start = a === b ? firstA : 0;
    for (let firstB = start; firstB < b.count; firstB += tileRows) places.push([firstA, firstB]);
  }
  for (const [done, [firstA, firstB]] of places.entries()) {
    throwIfAborted('metrics', signal);
    const left = rowsFrom(a, firstA);
    const right = rowsFrom(b, firstB);
    const dots = await products(left, right);
    visit({ firstA, firstB, rows: left.count, columns: right.count, dots });
    onProgress?.((done + 1) / places.length);
  }
}

function rowsFrom({ count, size, data }: FeatureRows, first: number): FeatureRows {
  const rows = Math.min(tileRows, count - first);
  return { count: rows, size, data: data.subarray(first * size, (first + rows) * size) };
}

/** |row|² of every row. */
export function squaresOf({ count, size, data }: FeatureRows): Float64Array {
  const squares = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    let sum = 0;
    for (let j = i * size; j < (i + 1) * size; j++) sum += data[j]! * data[j]!;
    squares[i] = sum;
  }
  return squares;
}
