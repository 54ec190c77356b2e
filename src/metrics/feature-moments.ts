/** @file Mean and covariance of features in one pass: sums about a fixed point near the mean (Chan, Golub and LeVeque 1983). */
import { complain, internal } from '../core/errors.js';
import type { FeatureRows } from './feature-rows.js';
import { type PackedSymmetric, packedLength, packedRow } from './positive-factor.js';

/** Sums of a set of rows x about a point c; sets about the same point add up. */
export interface MomentSums {
  readonly size: number;
  readonly count: number;
  /** The point c, [size]. */
  readonly origin: Float64Array;
  /** Σ (x − c), [size]. */
  readonly first: Float64Array;
  /** Σ (x − c)(x − c)ᵀ, packed. */
  readonly second: Float64Array;
}

/** What the Fréchet distance compares. */
export interface Moments {
  readonly count: number;
  readonly mean: Float64Array;
  /** Of the sample: divided by count − 1. */
  readonly covariance: PackedSymmetric;
}

/** Collects rows as they come, in memory that does not grow with their number. */
export class MomentCollector {
  readonly size: number;
  /** Row i of all rows belongs to group i mod their number. */
  readonly #groups: readonly Group[];
  #origin: Float64Array | undefined;
  #seen = 0;

  /** Several groups are for resampling; their sums together are those of one. */
  constructor(size: number, groups = 1) {
    this.size = size;
    this.#groups = Array.from({ length: groups }, () => ({
      first: new Float64Array(new SharedArrayBuffer(size * 8)),
      second: new Float64Array(new SharedArrayBuffer(packedLength(size) * 8)),
      count: 0,
      waiting: [],
    }));
  }

  /** Throws DATA for features that are not finite. */
  add({ count, size, data }: FeatureRows): void {
    if (size !== this.size) throw internal('moments', `${size} features where ${this.size} were`);
    if (count === 0) return;
    this.#origin ??= columnMeans({ count, size, data });
    for (let i = 0; i < count; i++) {
      const row = new Float64Array(size);
      let defect = 0;
      for (let j = 0; j < size; j++) {
        row[j] = data[i * size + j]! - this.#origin[j]!;
        defect += row[j]! * 0; // NaN from the first value that is not finite
      }
      if (defect !== 0) throw notFinite();
      const group = this.#groups[this.#seen++ % this.#groups.length]!;
      group.waiting.push(row);
      if (group.waiting.length === rowsAtOnce) addWaiting(group);
    }
  }

  /** The sums of the groups that have rows. */
  sums(): MomentSums[] {
    const { size } = this;
    const origin = this.#origin ?? new Float64Array(size);
    this.#groups.forEach(addWaiting);
    return this.#groups
      .filter(({ count }) => count > 0)
      .map(({ first, second, count }) => ({ size, origin, first, second, count }));
  }
}

interface Group {
  readonly first: Float64Array;
  readonly second: Float64Array;
  count: number;
  /** Rows that are not in the sums yet: taken together they cost a quarter. */
  readonly waiting: Float64Array[];
}

const rowsAtOnce = 8;

function notFinite(): Error {
  const [expected, got] = ['finite features', 'NaN or infinity'];
  return complain('DATA', { where: 'moments', expected, got });
}

function columnMeans({ count, size, data }: FeatureRows): Float64Array {
  const means = new Float64Array(size);
  for (let i = 0; i < data.length; i++) means[i % size]! += data[i]! / count;
  return means;
}

/** Moves the waiting rows into the sums. */
function addWaiting(group: Group): void {
  const rows = group.waiting.splice(0);
  if (rows.length === 0) return;
  group.count += rows.length;
  const size = rows[0]!.length;
  for (const row of rows) for (let j = 0; j < size; j++) group.first[j]! += row[j]!;
  while (rows.length < rowsAtOnce) rows.push(new Float64Array(size));
  addOuter(group.second, rows as Eight<Float64Array>);
}

type Eight<T> = [T, T, T, T, T, T, T, T];

/** second += Σ x·xᵀ. */
function addOuter(second: Float64Array, [a, b, c, d, e, f, g, h]: Eight<Float64Array>): void {
  const size = a.length;
  for (let i = 0; i < size; i++) {
    const start = packedRow(size, i);
    const [ai, bi, ci, di] = [a[i]!, b[i]!, c[i]!, d[i]!];
    const [ei, fi, gi, hi] = [e[i]!, f[i]!, g[i]!, h[i]!];
    for (let j = i; j < size; j++) {
      const low = ai * a[j]! + bi * b[j]! + (ci * c[j]! + di * d[j]!);
      const high = ei * e[j]! + fi * f[j]! + (gi * g[j]! + hi * h[j]!);
      second[start + j]! += low + high;
    }
  }
}

/** Mean and covariance of the union, set i taken `weights[i]` times; at least two rows in all. */
export function momentsOf(sets: readonly MomentSums[], weights?: ArrayLike<number>): Moments {
  const size = sets[0]?.size ?? 0;
  const first = new Float64Array(size);
  const second = new Float64Array(packedLength(size));
  let count = 0;
  sets.forEach((set, s) => {
    const weight = weights?.[s] ?? 1;
    if (weight === 0) return;
    count += weight * set.count;
    for (let i = 0; i < size; i++) first[i]! += weight * set.first[i]!;
    for (let i = 0; i < second.length; i++) second[i]! += weight * set.second[i]!;
  });
  if (count < 2) {
    const [expected, got] = ['at least 2 pictures in every set', `${count}`];
    throw complain('DATA', { where: 'fid', expected, got, next: 'Give more pictures.' });
  }
  for (let i = 0; i < size; i++) {
    const start = packedRow(size, i);
    for (let j = i; j < size; j++) {
      second[start + j] = (second[start + j]! - (first[i]! * first[j]!) / count) / (count - 1);
    }
  }
  const origin = sets[0]!.origin;
  const mean = first.map((sum, i) => origin[i]! + sum / count);
  return { count, mean, covariance: { size, data: second } };
}
