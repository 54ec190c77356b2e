/** @file Sums of singular values against matrices whose singular values are known. */
import { expect, it } from 'vitest';
import { TorchGenerator } from '../core/random.js';
import { type Matrix, nuclearNorm } from './nuclear-norm.js';

const random = new TorchGenerator(5);

/** I − 2·v·vᵀ/(vᵀv) from the left on a matrix of `rows`. */
function reflected({ rows, columns, data }: Matrix): Matrix {
  const v = random.randn(Math.max(rows, 16)).subarray(0, rows);
  const square = v.reduce((sum, value) => sum + value * value, 0);
  const out = data.slice();
  for (let j = 0; j < columns; j++) {
    let dot = 0;
    for (let i = 0; i < rows; i++) dot += v[i]! * data[i * columns + j]!;
    for (let i = 0; i < rows; i++) out[i * columns + j]! -= (2 * v[i]! * dot) / square;
  }
  return { rows, columns, data: out };
}

function turned({ rows, columns, data }: Matrix): Matrix {
  const out = new Float64Array(data.length);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) out[j * rows + i] = data[i * columns + j]!;
  }
  return { rows: columns, columns: rows, data: out };
}

/** A matrix with these singular values and reflections as its singular vectors. */
function withSingularValues(values: readonly number[], rows: number, columns: number): Matrix {
  const data = new Float64Array(rows * columns);
  values.forEach((value, i) => {
    data[i * columns + i] = value;
  });
  return reflected(turned(reflected(turned(reflected({ rows, columns, data })))));
}

it.each([
  [[3, 2, 1], 3, 3],
  [[5, 4, 3, 2], 9, 4],
  [[5, 4, 3, 2], 4, 9],
  [[7], 1, 1],
  [[2], 1, 6],
  [[2], 6, 1],
  [[1, 1, 1, 1, 1, 1], 6, 6],
  [[9, 1e-3, 1e-6, 1e-9], 8, 7],
  [[4, 3, 0, 0, 0], 5, 5],
  [[0, 0, 0], 3, 3],
  [[1e150, 1e140], 4, 4],
  [Array.from({ length: 60 }, (_, i) => 1 / (1 + i)), 60, 75],
  [[], 0, 5],
  [[], 5, 0],
] as const)('%j in %i × %i', (values, rows, columns) => {
  const expected = values.reduce((sum: number, value) => sum + value, 0);
  const found = nuclearNorm(withSingularValues(values, rows, columns));
  expect(Math.abs(found - expected)).toBeLessThanOrEqual(1e-13 * expected);
});
