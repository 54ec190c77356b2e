/** @file The thing on a white picture: a soft mask, and a square crop around it at a fixed size. */
import { blankCanvas, drawPicture } from '../data/compositing.js';
import type { PlanarPicture } from './planar-picture.js';

/** Distance from white of the darkest channel, 0 to 255: nothing below the first, all above the second. */
const maskRamp = [12, 64] as const;
/** Share of the mask, per side and axis, that may lie outside the box: specks and noise. */
const trimmedShare = 0.004;

/** A crop in planes: colours 0 to 255 and the mask 0 to 1, `[side, side]` each. */
export interface Crop {
  readonly side: number;
  /** `[3, side, side]`, 0 to 255. */
  readonly colours: Float32Array;
  /** `[side, side]`, 0 background, 1 thing. */
  readonly mask: Float32Array;
  /** Width over height of the thing's box. */
  readonly aspect: number;
}

interface Box {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/**
 * Cuts the smallest square around what is not white and scales it to `side` pixels, aspect kept,
 * the thing in the middle. A blank picture is taken whole.
 */
export function cropForeground(picture: PlanarPicture, side: number): Crop {
  const { size } = picture;
  const source = opaqueBytes(picture);
  const { left, top, width, height } = foregroundBox(source, size);
  const scale = side / Math.max(width, height);
  const canvas = blankCanvas(side, [255, 255, 255]);
  drawPicture(canvas, source, size, {
    left: side / 2 - (left + width / 2) * scale,
    top: side / 2 - (top + height / 2) * scale,
    side: size * scale,
    isMirrored: false,
  });
  return { side, colours: canvas.data, mask: maskOf(canvas.data), aspect: width / height };
}

/** -1..1 planes to `[size, size, 4]` bytes with full alpha. */
function opaqueBytes({ size, pixels }: PlanarPicture): Uint8Array {
  const plane = size * size;
  const bytes = new Uint8ClampedArray(plane * 4);
  for (let pixel = 0; pixel < plane; pixel++) {
    for (let channel = 0; channel < 3; channel++) {
      bytes[pixel * 4 + channel] = (pixels[channel * plane + pixel]! + 1) * 127.5;
    }
    bytes[pixel * 4 + 3] = 255;
  }
  return new Uint8Array(bytes.buffer);
}

function coverage(red: number, green: number, blue: number): number {
  const [low, high] = maskRamp;
  const away = 255 - Math.min(red, green, blue);
  return Math.min(1, Math.max(0, (away - low) / (high - low)));
}

function maskOf(colours: Float32Array): Float32Array {
  const plane = colours.length / 3;
  const mask = new Float32Array(plane);
  for (let at = 0; at < plane; at++) {
    mask[at] = coverage(colours[at]!, colours[at + plane]!, colours[at + 2 * plane]!);
  }
  return mask;
}

/** Found on a smoothed half-size picture, so that specks and noise count little. */
function foregroundBox(bytes: Uint8Array, size: number): Box {
  const half = Math.floor(size / 2);
  const columns = new Float64Array(half);
  const rows = new Float64Array(half);
  for (const [at, covered] of maskOf(smoothHalf(bytes, size)).entries()) {
    columns[at % half]! += covered;
    rows[Math.floor(at / half)]! += covered;
  }
  const [left, right] = trimmedRange(columns);
  const [top, bottom] = trimmedRange(rows);
  const scale = size / half;
  const [width, height] = [(right - left) * scale, (bottom - top) * scale];
  return { left: left * scale, top: top * scale, width, height };
}

/** Half-size planes `[3, size / 2, size / 2]`, each value a mean of 6x6 pixels; edges repeat. */
function smoothHalf(bytes: Uint8Array, size: number): Float32Array {
  const half = Math.floor(size / 2);
  const planes = new Float32Array(3 * half * half);
  for (let channel = 0, to = 0; channel < 3; channel++) {
    for (let y = 0; y < half; y++) {
      const end = (2 * y * size + 2 * half) * 4;
      for (let at = 2 * y * size * 4 + channel; at < end; at += 8, to++) {
        const below = at + size * 4;
        planes[to] = (bytes[at]! + bytes[at + 4]! + bytes[below]! + bytes[below + 4]!) / 4;
      }
    }
  }
  return boxMean(boxMean(planes, half, 1), half, half);
}

/** Mean of three neighbours along rows (`step` 1) or columns (`step` side); edges repeat. */
function boxMean(planes: Float32Array, side: number, step: number): Float32Array {
  const out = new Float32Array(planes.length);
  for (let at = 0; at < planes.length; at++) {
    const along = (step === 1 ? at : (at / step) | 0) % side;
    const before = planes[along > 0 ? at - step : at]!;
    const after = planes[along < side - 1 ? at + step : at]!;
    out[at] = (before + planes[at]! + after) / 3;
  }
  return out;
}

/** Ends of the range that holds all but `trimmedShare` of the mass at either side. */
function trimmedRange(mass: Float64Array): [number, number] {
  const spare = mass.reduce((a, b) => a + b, 0) * trimmedShare;
  if (spare === 0) return [0, mass.length];
  let [first, last] = [0, mass.length - 1];
  for (let sum = mass[first]!; sum <= spare; sum += mass[first]!) first++;
  for (let sum = mass[last]!; sum <= spare; sum += mass[last]!) last--;
  return [first, last + 1];
}
