/** @file Pictures [1, c, h, w] on the host, cut into bands of rows and put together again. */
import { type FloatTensor, floatTensor } from '../core/tensor-data.js';
import type { Rows } from '../graph/bands.js';
import type { Tensor } from '../graph/tensor.js';

/** The bands of a picture, from the top. */
export function bandsOf(target: Tensor, rows: number): Rows[] {
  const height = target.shape[2]!;
  return Array.from({ length: Math.ceil(height / rows) }, (_, i) => ({
    from: i * rows,
    to: Math.min((i + 1) * rows, height),
  }));
}

/** Rows of a picture [1, c, h, w]. */
export function rowsOf({ data, shape }: FloatTensor, { from, to }: Rows): FloatTensor {
  const [, channels, height, width] = shape as [number, number, number, number];
  const size = (to - from) * width;
  const out = new Float32Array(channels * size);
  for (let c = 0; c < channels; c++) {
    const at = (c * height + from) * width;
    out.set(data.subarray(at, at + size), c * size);
  }
  return floatTensor(out, [1, channels, to - from, width]);
}

/** Bands [1, c, rows, w] one below the other. */
export function stackedRows(bands: readonly FloatTensor[], shape: readonly number[]): FloatTensor {
  const [, channels, height, width] = shape as [number, number, number, number];
  const out = new Float32Array(channels * height * width);
  let from = 0;
  for (const { data, shape: own } of bands) {
    const size = own[2]! * width;
    for (let c = 0; c < channels; c++) {
      out.set(data.subarray(c * size, (c + 1) * size), (c * height + from) * width);
    }
    from += own[2]!;
  }
  return floatTensor(out, shape);
}
