/** @file Resizing along one axis as a matrix; the sampling rules of torch.nn.functional.interpolate. */
import { complain } from '../core/errors.js';
import type { ResizeMode } from './ops.js';

/** Keys' cubic kernel; a = -0.75 samples, a = -0.5 (Catmull-Rom) averages. */
function cubic(distance: number, a: number): number {
  const x = Math.abs(distance);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

function triangle(distance: number): number {
  return Math.max(0, 1 - Math.abs(distance));
}

/** Step in the input for one step in the output. */
function scaleOf(inSize: number, outSize: number, alignCorners: boolean): number {
  if (!alignCorners) return inSize / outSize;
  return outSize > 1 ? (inSize - 1) / (outSize - 1) : 0;
}

/** torch computes the source index in f32; the same rounding picks the same neighbour. */
function nearestRow(row: Float64Array, outSize: number, at: number): void {
  const scale = Math.fround(row.length / outSize);
  row[Math.min(Math.floor(Math.fround(at * scale)), row.length - 1)] = 1;
}

function sampledRow(
  row: Float64Array,
  mode: 'bilinear' | 'bicubic',
  center: number,
  alignCorners: boolean,
): void {
  const last = row.length - 1;
  const source = mode === 'bilinear' && !alignCorners ? Math.max(center, 0) : center;
  const first = Math.floor(source);
  const [from, to] = mode === 'bilinear' ? [0, 1] : [-1, 2];
  for (let tap = from; tap <= to; tap++) {
    const distance = first + tap - source;
    const weight = mode === 'bilinear' ? triangle(distance) : cubic(distance, -0.75);
    row[Math.min(Math.max(first + tap, 0), last)]! += weight;
  }
}

function averagedRow(
  row: Float64Array,
  mode: 'bilinear' | 'bicubic',
  at: number,
  scale: number,
): void {
  const stretch = Math.max(scale, 1);
  const support = (mode === 'bilinear' ? 1 : 2) * stretch;
  const center = scale * (at + 0.5);
  const from = Math.max(Math.trunc(center - support + 0.5), 0);
  const to = Math.min(Math.trunc(center + support + 0.5), row.length);
  let total = 0;
  for (let i = from; i < to; i++) {
    const distance = (i + 0.5 - center) / stretch;
    row[i] = mode === 'bilinear' ? triangle(distance) : cubic(distance, -0.5);
    total += row[i]!;
  }
  for (let i = from; i < to; i++) row[i]! /= total;
}

/**
 * The matrix [outSize, inSize], row-major, that resizes one axis: `output = matrix · input`.
 *
 * `nearest` takes the pixel at floor(i · in/out). `bilinear` and `bicubic` sample at pixel centres,
 * or from corner to corner with `alignCorners`, and repeat the edge; with `antialias` the kernel
 * widens when shrinking and is cut off and renormalised at the edge. Throws SHAPE when `nearest`
 * comes with one of the two options, or a size is not a positive integer.
 */
export function resizeMatrix(
  mode: ResizeMode,
  inSize: number,
  outSize: number,
  alignCorners: boolean,
  antialias: boolean,
): Float64Array {
  checkResize(mode, [inSize, outSize], alignCorners || antialias);
  const matrix = new Float64Array(outSize * inSize);
  const scale = scaleOf(inSize, outSize, alignCorners);
  for (let at = 0; at < outSize; at++) {
    const row = matrix.subarray(at * inSize, (at + 1) * inSize);
    if (mode === 'nearest') nearestRow(row, outSize, at);
    else if (antialias) averagedRow(row, mode, at, scale);
    else sampledRow(row, mode, alignCorners ? at * scale : (at + 0.5) * scale - 0.5, alignCorners);
  }
  return matrix;
}

function checkResize(mode: ResizeMode, sizes: readonly number[], hasOptions: boolean): void {
  if (mode === 'nearest' && hasOptions) {
    throw complain('SHAPE', {
      where: 'Resize',
      expected: 'nearest without alignCorners and antialias',
      got: 'nearest with one of them',
    });
  }
  if (sizes.some((size) => !Number.isInteger(size) || size < 1)) {
    throw complain('SHAPE', {
      where: 'Resize',
      expected: 'positive sizes',
      got: sizes.join(' to '),
    });
  }
}
