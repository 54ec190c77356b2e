/** @file Rows of a batch put together on the host. */
import { type FloatTensor, floatTensor } from '../core/tensor-data.js';

/** Tensors [1, ..] -> [n, ..]. */
export function stacked(rows: readonly FloatTensor[]): FloatTensor {
  const { shape, data } = rows[0]!;
  const all = new Float32Array(rows.length * data.length);
  rows.forEach((row, i) => {
    all.set(row.data, i * data.length);
  });
  return floatTensor(all, [rows.length, ...shape.slice(1)]);
}

/** The same values `times` times. */
export function repeatedRow(values: Float32Array, times: number): Float32Array {
  const out = new Float32Array(values.length * times);
  for (let i = 0; i < times; i++) out.set(values, i * values.length);
  return out;
}

/** One array after the other. */
export function concatenated(parts: readonly Float32Array[]): Float32Array {
  const out = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const part of parts) {
    out.set(part, offset);
    offset += part.length;
  }
  return out;
}
