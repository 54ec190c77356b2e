/** @file Features of pictures as rows: one picture a row, f32, as every metric here takes them. */
import { complain } from '../core/errors.js';

/** A dense matrix of features. */
export interface FeatureRows {
  /** Pictures. */
  readonly count: number;
  /** Features of a picture. */
  readonly size: number;
  /** [count, size]. */
  readonly data: Float32Array | Float64Array;
}

/** Throws DATA unless both sets have the same number of finite features, and at least `fewest` rows. */
export function requireFeatures(
  where: string,
  fewest: number,
  ...sets: readonly FeatureRows[]
): void {
  for (const { count, size, data } of sets) {
    if (size !== sets[0]!.size) {
      throw wrong(where, `${sets[0]!.size} features a picture in every set`, `${size}`);
    }
    if (size < 1 || data.length !== count * size) {
      throw wrong(where, `${count} rows of ${size} values`, `${data.length} values`);
    }
    if (count < fewest) {
      throw wrong(where, `at least ${fewest} pictures in every set`, `${count}`);
    }
    if (!data.every(Number.isFinite)) throw wrong(where, 'finite features', 'NaN or infinity');
  }
}

function wrong(where: string, expected: string, got: string): Error {
  return complain('DATA', { where, expected, got, next: 'Give more pictures, or other features.' });
}

/** The rows `picked`, in that order. */
export function pickRows({ size, data }: FeatureRows, picked: ArrayLike<number>): FeatureRows {
  const out = new Float64Array(picked.length * size);
  for (let i = 0; i < picked.length; i++) {
    out.set(data.subarray(picked[i]! * size, (picked[i]! + 1) * size), i * size);
  }
  return { count: picked.length, size, data: out };
}

/** Every row scaled to length 1; a row of zeros stays. */
export function unitFeatures({ count, size, data }: FeatureRows): FeatureRows {
  const out = new Float64Array(data.length);
  for (let row = 0; row < data.length; row += size) {
    let square = 0;
    for (let j = row; j < row + size; j++) square += data[j]! * data[j]!;
    const scale = square === 0 ? 0 : 1 / Math.sqrt(square);
    for (let j = row; j < row + size; j++) out[j] = data[j]! * scale;
  }
  return { count, size, data: out };
}

/** Rows that come batch by batch, kept as f32 in pieces that are joined at the end. */
export class RowStore {
  readonly #pieces: Float32Array[] = [];
  #length = 0;

  /** Keeps `values`, which the caller gives up. */
  add(values: Float32Array): void {
    this.#pieces.push(values);
    this.#length += values.length;
  }

  /** All rows in the order they came; the store is empty afterwards. */
  take(size: number): FeatureRows {
    const data = new Float32Array(this.#length);
    let at = 0;
    for (const piece of this.#pieces.splice(0)) {
      data.set(piece, at);
      at += piece.length;
    }
    this.#length = 0;
    return { count: data.length / size, size, data };
  }
}
