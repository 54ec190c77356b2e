/** @file Square pictures as the data set and the models hand them over: planes of -1 to 1. */
import { complain } from '../core/errors.js';
import type { RasterImage } from '../formats/image.js';

/** A square sRGB picture in planes. */
export interface PlanarPicture {
  /** Width and height in pixels. */
  readonly size: number;
  /** `[3, size, size]`, -1 to 1; values beyond count as the nearest end. */
  readonly pixels: Float32Array;
}

/** Planes of an opaque 8-bit picture. Throws IMAGE when it is not square or has alpha. */
export function planarPicture({ width, height, channels, data }: RasterImage): PlanarPicture {
  if (width !== height || channels !== 3 || data.length !== width * height * 3) {
    throw complain('IMAGE', {
      where: 'planarPicture',
      expected: 'a square picture with three channels',
      got: `${width}x${height}x${channels}, ${data.length} bytes`,
      next: 'Resize the picture to a square and flatten its transparency.',
    });
  }
  const plane = width * height;
  const pixels = new Float32Array(3 * plane);
  for (let pixel = 0; pixel < plane; pixel++) {
    for (let channel = 0; channel < 3; channel++) {
      pixels[channel * plane + pixel] = data[pixel * 3 + channel]! / 127.5 - 1;
    }
  }
  return { size: width, pixels };
}

/** The picture turned left to right. */
export function mirrored({ size, pixels }: PlanarPicture): PlanarPicture {
  const out = new Float32Array(pixels.length);
  for (let row = 0; row < pixels.length; row += size) {
    for (let x = 0; x < size; x++) out[row + x] = pixels[row + size - 1 - x]!;
  }
  return { size, pixels: out };
}

/** Throws IMAGE when the planes do not fit the size, or hold something that is no number. */
export function requirePlanes({ size, pixels }: PlanarPicture): void {
  const fits = Number.isInteger(size) && size >= 8 && pixels.length === 3 * size * size;
  let defect = 0;
  for (const value of pixels) defect += value * 0; // NaN from the first value that is not finite
  if (fits && defect === 0) return;
  throw complain('IMAGE', {
    where: 'picture',
    expected: `finite values [3, ${size}, ${size}], at least 8 pixels a side`,
    got: fits ? 'values that are not finite' : `${pixels.length} values`,
    next: 'Pass planes of -1 to 1 and their size.',
  });
}
