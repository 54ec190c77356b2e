/** @file Resizing of single channels without rounding to bytes, as Pillow does in mode F; clean-fid (Parmar et al. 2022) rests on it. */
import { lineShares, type MixingKernel } from './resample.js';

/** One channel, rows from the top. */
export interface Plane {
  readonly width: number;
  readonly height: number;
  /** [height, width]. */
  readonly data: Float32Array;
}

export interface ResamplePlaneOptions {
  readonly width: number;
  readonly height: number;
  readonly kernel: MixingKernel;
}

/** The order of the passes is that of `resample`; each rounds to f32. */
export function resamplePlane(plane: Plane, options: ResamplePlaneOptions): Plane {
  const { width, height, kernel } = options;
  const rows = (from: Plane): Plane =>
    width === from.width ? from : filterRows(from, width, kernel);
  const columns = (from: Plane): Plane =>
    height === from.height ? from : filterColumns(from, height, kernel);
  const shrinks = plane.height - height;
  const isColumnsFirst = shrinks > 0 && shrinks > 2 * (plane.width - width);
  return isColumnsFirst ? rows(columns(plane)) : columns(rows(plane));
}

function filterRows({ width, height, data }: Plane, wide: number, kernel: MixingKernel): Plane {
  const taps = lineShares(kernel, { source: width, from: 0, to: width, width: wide });
  const out = new Float32Array(wide * height);
  for (let y = 0; y < height; y++) {
    taps.forEach(({ first, shares }, x) => {
      let sum = 0;
      for (let k = 0; k < shares.length; k++) sum += data[y * width + first + k]! * shares[k]!;
      out[y * wide + x] = sum;
    });
  }
  return { width: wide, height, data: out };
}

function filterColumns({ width, height, data }: Plane, high: number, kernel: MixingKernel): Plane {
  const taps = lineShares(kernel, { source: height, from: 0, to: height, width: high });
  const out = new Float32Array(width * high);
  taps.forEach(({ first, shares }, y) => {
    for (let x = 0; x < width; x++) {
      let sum = 0;
      for (let k = 0; k < shares.length; k++) sum += data[(first + k) * width + x]! * shares[k]!;
      out[y * width + x] = sum;
    }
  });
  return { width, height: high, data: out };
}
