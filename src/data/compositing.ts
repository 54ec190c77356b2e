/** @file Draws premultiplied pictures onto a canvas: area-aware triangle resampling, then "over". */
import { internal } from '../core/errors.js';

/** A square canvas in planes, `[3, size, size]`, values 0 to 255. */
export interface Canvas {
  readonly size: number;
  readonly data: Float32Array;
}

/** Where a square picture lands, in canvas pixels; fractions are kept. */
export interface Placement {
  readonly left: number;
  readonly top: number;
  readonly side: number;
  readonly isMirrored: boolean;
}

type Rgb = readonly [number, number, number];

/** A canvas of one colour. */
export function blankCanvas(size: number, rgb: Rgb): Canvas {
  const data = new Float32Array(3 * size * size);
  for (const [plane, value] of rgb.entries()) {
    data.fill(value, plane * size * size, (plane + 1) * size * size);
  }
  return { size, data };
}

/**
 * Draws `source`, premultiplied RGBA `[sourceSize, sourceSize, 4]`, over the canvas. Shrinking
 * averages over the covered area; what falls outside the canvas is cut.
 */
export function drawPicture(
  canvas: Canvas,
  source: Uint8Array,
  sourceSize: number,
  { left, top, side, isMirrored }: Placement,
): void {
  if (!(side >= 4)) throw internal('drawPicture', `side ${side} is below 4 pixels`);
  const columns = axisWeights(canvas.size, sourceSize, left, side, isMirrored);
  const rows = axisWeights(canvas.size, sourceSize, top, side, false);
  if (columns.count === 0 || rows.count === 0) return;
  const narrowed = resampleRows(source, sourceSize, columns);
  composite(canvas, narrowed, columns, rows);
}

/** Maps 0 to 255 onto -1 to 1 in place and returns the pixels. */
export function toSignedUnit({ data }: Canvas): Float32Array {
  for (let i = 0; i < data.length; i++) data[i] = data[i]! / 127.5 - 1;
  return data;
}

/** For each touched target position the first source position, and `taps` weights. */
interface AxisWeights {
  readonly first: number;
  readonly count: number;
  readonly taps: number;
  readonly starts: Int32Array;
  readonly weights: Float32Array;
}

function axisWeights(
  targetSize: number,
  sourceSize: number,
  offset: number,
  side: number,
  isMirrored: boolean,
): AxisWeights {
  const step = sourceSize / side;
  const support = Math.max(1, step);
  const reach = (support - 0.5) / step;
  const first = Math.max(0, Math.floor(offset - reach));
  const count = Math.max(0, Math.min(targetSize, Math.ceil(offset + side + reach)) - first);
  const taps = Math.ceil(2 * support) + 1;
  const starts = new Int32Array(count);
  const weights = new Float32Array(count * taps);
  for (let i = 0; i < count; i++) {
    const along = (first + i + 0.5 - offset) * step;
    const centre = isMirrored ? sourceSize - along : along;
    const start = Math.ceil(centre - support - 0.5);
    starts[i] = start;
    let total = 0;
    for (let tap = 0; tap < taps; tap++) {
      const weight = Math.max(0, 1 - Math.abs(start + tap + 0.5 - centre) / support);
      weights[i * taps + tap] = weight;
      total += weight;
    }
    // Positions outside the picture count as transparent, so they weigh in the total only.
    for (let tap = 0; tap < taps; tap++) {
      const at = start + tap;
      const isInside = at >= 0 && at < sourceSize;
      weights[i * taps + tap] = isInside ? weights[i * taps + tap]! / total : 0;
    }
    clampStart(starts, weights, i, taps, sourceSize);
  }
  return { first, count, taps, starts, weights };
}

/** Shifts the window of one position so that all its taps lie inside the source. */
function clampStart(
  starts: Int32Array,
  weights: Float32Array,
  i: number,
  taps: number,
  sourceSize: number,
): void {
  const start = starts[i]!;
  const moved = Math.min(Math.max(start, 0), Math.max(0, sourceSize - taps));
  if (moved === start) return;
  const window = weights.slice(i * taps, (i + 1) * taps);
  for (let tap = 0; tap < taps; tap++) {
    weights[i * taps + tap] = window[tap + moved - start] ?? 0;
  }
  starts[i] = moved;
}

/** `[size, size, 4]` to `[size, columns.count, 4]`. */
function resampleRows(source: Uint8Array, size: number, columns: AxisWeights): Float32Array {
  const { count, taps, starts, weights } = columns;
  const out = new Float32Array(size * count * 4);
  for (let x = 0; x < count; x++) {
    const begin = starts[x]! * 4;
    for (let y = 0; y < size; y++) {
      let red = 0;
      let green = 0;
      let blue = 0;
      let alpha = 0;
      let at = y * size * 4 + begin;
      for (let tap = x * taps; tap < (x + 1) * taps; tap++, at += 4) {
        const weight = weights[tap]!;
        red += weight * source[at]!;
        green += weight * source[at + 1]!;
        blue += weight * source[at + 2]!;
        alpha += weight * source[at + 3]!;
      }
      const to = (y * count + x) * 4;
      out[to] = red;
      out[to + 1] = green;
      out[to + 2] = blue;
      out[to + 3] = alpha;
    }
  }
  return out;
}

function composite(
  canvas: Canvas,
  narrowed: Float32Array,
  columns: AxisWeights,
  rows: AxisWeights,
): void {
  const { size, data } = canvas;
  const plane = size * size;
  const width = columns.count;
  for (let y = 0; y < rows.count; y++) {
    const rowStart = rows.starts[y]! * width * 4;
    let to = (rows.first + y) * size + columns.first;
    for (let x = 0; x < width; x++, to++) {
      let red = 0;
      let green = 0;
      let blue = 0;
      let alpha = 0;
      let at = rowStart + x * 4;
      for (let tap = y * rows.taps; tap < (y + 1) * rows.taps; tap++, at += width * 4) {
        const weight = rows.weights[tap]!;
        red += weight * narrowed[at]!;
        green += weight * narrowed[at + 1]!;
        blue += weight * narrowed[at + 2]!;
        alpha += weight * narrowed[at + 3]!;
      }
      const through = 1 - alpha / 255;
      data[to] = red + data[to]! * through;
      data[to + plane] = green + data[to + plane]! * through;
      data[to + 2 * plane] = blue + data[to + 2 * plane]! * through;
    }
  }
}
