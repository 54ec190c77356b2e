/** @file Bilinear resizing as TensorFlow 1 does it, corners and all, in f32: torch-fidelity's rule for FID. */
import type { Plane } from './resample-float.js';

/**
 * Pixel i of the result lies at i · source / result, so that the picture shifts, and nothing is
 * averaged when it shrinks: known faults that published figures depend on.
 */
export function tensorflowBilinear(
  { width, height, data }: Plane,
  size: { readonly width: number; readonly height: number },
): Plane {
  const f = Math.fround;
  const columns = places(width, size.width);
  const rows = places(height, size.height);
  const out = new Float32Array(size.width * size.height);
  const mix = (from: number, to: number, share: number): number =>
    f(from + f(f(to - from) * share));
  rows.forEach((row, y) => {
    columns.forEach((column, x) => {
      const at = (line: number, place: number): number => data[line * width + place]!;
      const upper = mix(at(row.low, column.low), at(row.low, column.high), column.share);
      const lower = mix(at(row.high, column.low), at(row.high, column.high), column.share);
      out[y * size.width + x] = mix(upper, lower, row.share);
    });
  });
  return { ...size, data: out };
}

/** Between which pixels those of a result line lie, and how far. */
function places(source: number, count: number): { low: number; high: number; share: number }[] {
  const scale = Math.fround(source / count);
  return Array.from({ length: count }, (_, i) => {
    const place = Math.fround(i * scale);
    const low = Math.trunc(place);
    return { low, high: Math.min(low + 1, source - 1), share: Math.fround(place - low) };
  });
}
