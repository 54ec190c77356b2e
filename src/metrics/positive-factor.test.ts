/** @file Factors of matrices of full, low and no rank. */
import { expect, it } from 'vitest';
import { TorchGenerator } from '../core/random.js';
import { packedLength, packedRow, positiveFactor } from './positive-factor.js';

/** Σ x·xᵀ over `rank` random vectors, packed. */
function gram(size: number, rank: number): Float64Array {
  const random = new TorchGenerator(size * 100 + rank);
  const out = new Float64Array(packedLength(size));
  for (let r = 0; r < rank; r++) {
    const x = random.randn(Math.max(size, 16));
    for (let i = 0; i < size; i++) {
      for (let j = i; j < size; j++) out[packedRow(size, i) + j]! += x[i]! * x[j]!;
    }
  }
  return out;
}

it.each([
  [6, 6],
  [6, 9],
  [12, 3],
  [30, 11],
  [1, 1],
  [4, 0],
])('size %i, rank %i', (size, rank) => {
  const data = gram(size, rank);
  const factor = positiveFactor({ size, data });
  expect(factor).toMatchObject({ rows: Math.min(size, rank), columns: size });
  const most = data.reduce((top, value) => Math.max(top, Math.abs(value)), 0);
  for (let i = 0; i < size; i++) {
    for (let j = i; j < size; j++) {
      let sum = 0;
      for (let k = 0; k < factor.rows; k++) {
        sum += factor.data[k * size + i]! * factor.data[k * size + j]!;
      }
      expect(Math.abs(sum - data[packedRow(size, i) + j]!)).toBeLessThanOrEqual(1e-13 * most);
    }
  }
});

it('values that are not finite are a bug of the caller', () => {
  const data = Float64Array.of(1, 0, Number.NaN);
  expect(() => positiveFactor({ size: 2, data })).toThrow(/internal: positiveFactor/);
});
