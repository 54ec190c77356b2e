/** @file Resizing, blurring and cropping of 8-bit pictures to the byte as Pillow 13 does, whose pictures diffusers sees. */
import { complain } from '../core/errors.js';

/** 8-bit channels, rows from the top, interleaved. */
export interface Raster {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  /** [height, width, channels]. */
  readonly data: Uint8Array;
}

/** Left, top, right and bottom edge in pixels; right and bottom lie outside. */
export type Box = readonly [left: number, top: number, right: number, bottom: number];

/** Pillow's filters, in the order of its numbers. */
export const pillowKernels = [
  'nearest',
  'lanczos',
  'bilinear',
  'bicubic',
  'box',
  'hamming',
] as const;
export type PillowKernel = (typeof pillowKernels)[number];

export interface ResampleOptions {
  readonly width: number;
  readonly height: number;
  readonly kernel: PillowKernel;
  /** The part that fills the result; may be of no extent, then its edge does. Default: all. */
  readonly box?: Box;
}

/** Width of a kernel to each side, and its values. */
interface Kernel {
  readonly support: number;
  readonly at: (x: number) => number;
}

/** Kernels that mix pixels. */
export type MixingKernel = Exclude<PillowKernel, 'nearest'>;

const kernels: { readonly [K in MixingKernel]: Kernel } = {
  box: { support: 0.5, at: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  bilinear: { support: 1, at: (x) => Math.max(0, 1 - Math.abs(x)) },
  hamming: { support: 1, at: (x) => hamming(Math.abs(x)) },
  lanczos: { support: 3, at: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
  bicubic: { support: 2, at: (x) => cubic(Math.abs(x)) },
};

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI);
}

function cubic(x: number): number {
  const a = -0.5;
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

function hamming(x: number): number {
  if (x === 0) return 1;
  return x >= 1
    ? 0
    : (Math.sin(x * Math.PI) / (x * Math.PI)) * (0.54 + 0.46 * Math.cos(x * Math.PI));
}

/** Fractional bits of a tap. */
const precision = 22;

/** For each pixel of a result line, which source pixels it mixes and by how much. */
interface Taps {
  readonly first: Int32Array;
  readonly count: Int32Array;
  /** Fixed point, `stride` per result pixel. */
  readonly weights: Int32Array;
  readonly stride: number;
}

/**
 * Resizes with an antialiasing kernel, one axis after the other; each pass rounds to bytes.
 * Pillow 13 takes rows first unless the height shrinks by more than twice what the width does.
 */
export function resample(image: Raster, options: ResampleOptions): Raster {
  const passes = resamplingPasses(image, options);
  for (;;) {
    const { done, value } = passes.next();
    if (done) return value;
  }
}

/** Source values that are mixed between two pauses of `resamplingPasses`: some milliseconds of work. */
const valuesPerStep = 2 ** 20;

/** `resample` in short steps, so that a caller can do other things between them. */
export function* resamplingPasses(
  image: Raster,
  options: ResampleOptions,
): Generator<undefined, Raster, undefined> {
  const { width, height, kernel: name, box } = options;
  const [left, top, right, bottom] = box ?? [0, 0, image.width, image.height];
  const isWide = width === image.width && left === 0 && right === width;
  const isHigh = height === image.height && top === 0 && bottom === height;
  if (name === 'nearest') {
    return isWide && isHigh
      ? image
      : nearest(image, { width, height, box: [left, top, right, bottom] });
  }
  const across = { source: image.width, from: left, to: right, width };
  const down = { source: image.height, from: top, to: bottom, width: height };
  const shrinks = image.height - height;
  const isColumnsFirst = shrinks > 0 && shrinks > 2 * (image.width - width);
  let out = image;
  if (isColumnsFirst && !isHigh) out = yield* filterColumns(out, tapsOf(name, down));
  if (!isWide) out = yield* filterRows(out, tapsOf(name, across));
  if (!isColumnsFirst && !isHigh) out = yield* filterColumns(out, tapsOf(name, down));
  return out;
}

/** The pixel under each middle; places add up as in Pillow, and past the edge there is black. */
function nearest(
  image: Raster,
  { width, height, box }: { readonly width: number; readonly height: number; readonly box: Box },
): Raster {
  const { channels, data } = image;
  const places = (from: number, to: number, count: number, size: number): number[] => {
    const step = (to - from) / count;
    let at = from + step * 0.5;
    return Array.from({ length: count }, () => {
      const place = at < 0 || at >= size ? -1 : Math.trunc(at);
      at += step;
      return place;
    });
  };
  const columns = places(box[0], box[2], width, image.width);
  const rows = places(box[1], box[3], height, image.height);
  const out = new Uint8Array(width * height * channels);
  rows.forEach((row, y) => {
    columns.forEach((column, x) => {
      if (row < 0 || column < 0) return;
      const from = (row * image.width + column) * channels;
      out.set(data.subarray(from, from + channels), (y * width + x) * channels);
    });
  });
  return { width, height, channels, data: out };
}

/** Part of a source line that fills a result line. */
export interface Line {
  /** Pixels of the source line. */
  readonly source: number;
  readonly from: number;
  readonly to: number;
  /** Pixels of the result. */
  readonly width: number;
}

/** For pixel i of a result line: the first source pixel it mixes, and the shares, which add up to 1. */
export function lineShares(
  name: MixingKernel,
  { source, from, to, width }: Line,
): readonly { readonly first: number; readonly shares: readonly number[] }[] {
  const { support, at } = kernels[name];
  const scale = (to - from) / width;
  const spread = Math.max(scale, 1);
  const reach = support * spread;
  return Array.from({ length: width }, (_, i) => {
    const center = from + (i + 0.5) * scale;
    const first = Math.max(Math.trunc(center - reach + 0.5), 0);
    const count = Math.min(Math.trunc(center + reach + 0.5), source) - first;
    const values = Array.from({ length: count }, (_, x) =>
      at((x + first - center + 0.5) * (1 / spread)),
    );
    const sum = values.reduce((total, value) => total + value, 0);
    return { first, shares: values.map((value) => (sum === 0 ? value : value / sum)) };
  });
}

function tapsOf(name: MixingKernel, line: Line): Taps {
  const rows = lineShares(name, line);
  const { width } = line;
  const stride = rows.reduce((most, { shares }) => Math.max(most, shares.length), 0);
  const taps = {
    first: Int32Array.from(rows, ({ first }) => first),
    count: Int32Array.from(rows, ({ shares }) => shares.length),
    weights: new Int32Array(width * stride),
    stride,
  };
  rows.forEach(({ shares }, i) => {
    shares.forEach((value, x) => {
      const share = value * 2 ** precision;
      taps.weights[i * stride + x] = Math.trunc(share < 0 ? share - 0.5 : share + 0.5);
    });
  });
  return taps;
}

/** Every row through the taps. */
function* filterRows(image: Raster, taps: Taps): Generator<undefined, Raster, undefined> {
  const { width, height, channels, data } = image;
  const wide = taps.first.length;
  const out = new Uint8ClampedArray(wide * height * channels);
  const filter = channels === 3 ? filterRgbRow : filterRow;
  const rowsPerStep = Math.ceil(valuesPerStep / (wide * taps.stride * channels));
  for (let y = 0; y < height; y++) {
    if (y > 0 && y % rowsPerStep === 0) yield;
    const row = data.subarray(y * width * channels, (y + 1) * width * channels);
    filter(row, out.subarray(y * wide * channels, (y + 1) * wide * channels), taps, channels);
  }
  return { width: wide, height, channels, data: new Uint8Array(out.buffer) };
}

const half = 2 ** (precision - 1);

function filterRow(
  row: Uint8Array,
  out: Uint8ClampedArray,
  { first, count, weights, stride }: Taps,
  channels: number,
): void {
  for (let i = 0; i < out.length; i++) {
    const x = Math.floor(i / channels);
    const from = first[x]! * channels + (i % channels);
    let sum = half;
    for (let k = 0; k < count[x]!; k++) {
      sum = (sum + Math.imul(row[from + k * channels]!, weights[x * stride + k]!)) | 0;
    }
    out[i] = sum >> precision;
  }
}

/** As `filterRow` for three channels, one tap for all of them: several times as fast. */
function filterRgbRow(
  row: Uint8Array,
  out: Uint8ClampedArray,
  { first, count, weights, stride }: Taps,
): void {
  for (let x = 0, to = 0; x < first.length; x++, to += 3) {
    const end = x * stride + count[x]!;
    let red = half;
    let green = half;
    let blue = half;
    for (let k = x * stride, i = first[x]! * 3; k < end; k++, i += 3) {
      const weight = weights[k]!;
      red = (red + Math.imul(row[i]!, weight)) | 0;
      green = (green + Math.imul(row[i + 1]!, weight)) | 0;
      blue = (blue + Math.imul(row[i + 2]!, weight)) | 0;
    }
    out[to] = red >> precision;
    out[to + 1] = green >> precision;
    out[to + 2] = blue >> precision;
  }
}

/** Every column through the taps, a row of the result at a time. */
function* filterColumns(
  image: Raster,
  { first, count, weights, stride }: Taps,
): Generator<undefined, Raster, undefined> {
  const { width, channels, data } = image;
  const high = first.length;
  const length = width * channels;
  const out = new Uint8ClampedArray(length * high);
  const rowsPerStep = Math.ceil(valuesPerStep / (length * stride));
  for (let y = 0; y < high; y++) {
    if (y > 0 && y % rowsPerStep === 0) yield;
    const shares = weights.subarray(y * stride, y * stride + count[y]!);
    const rows = data.subarray(first[y]! * length, (first[y]! + count[y]!) * length);
    filterColumnsOfRow(rows, out.subarray(y * length, (y + 1) * length), shares);
  }
  return { width, height: high, channels, data: new Uint8Array(out.buffer) };
}

/** Mixes rows by their shares, four values at a time: twice as fast as one by one. */
function filterColumnsOfRow(rows: Uint8Array, out: Uint8ClampedArray, shares: Int32Array): void {
  const { length } = out;
  const whole = length - (length % 4);
  for (let i = 0; i < whole; i += 4) {
    let a = half;
    let b = half;
    let c = half;
    let d = half;
    for (let k = 0, at = i; k < shares.length; k++, at += length) {
      const share = shares[k]!;
      a = (a + Math.imul(rows[at]!, share)) | 0;
      b = (b + Math.imul(rows[at + 1]!, share)) | 0;
      c = (c + Math.imul(rows[at + 2]!, share)) | 0;
      d = (d + Math.imul(rows[at + 3]!, share)) | 0;
    }
    out[i] = a >> precision;
    out[i + 1] = b >> precision;
    out[i + 2] = c >> precision;
    out[i + 3] = d >> precision;
  }
  for (let i = whole; i < length; i++) {
    let sum = half;
    for (let k = 0, at = i; k < shares.length; k++, at += length) {
      sum = (sum + Math.imul(rows[at]!, shares[k]!)) | 0;
    }
    out[i] = sum >> precision;
  }
}

function transposed({ width, height, channels, data }: Raster): Raster {
  const out = new Uint8Array(data.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = (y * width + x) * channels;
      const to = (x * height + y) * channels;
      for (let c = 0; c < channels; c++) out[to + c] = data[from + c]!;
    }
  }
  return { width: height, height: width, channels, data: out };
}

/** A Gaussian of `radius` as three box blurs (Gwosdek et al. 2011), edges repeated. */
export function gaussianBlur(image: Raster, radius: number): Raster {
  if (radius === 0) return image;
  const box = Math.fround(boxRadius(radius, 3));
  let out = image;
  for (let pass = 0; pass < 3; pass++) out = boxBlurRows(out, box);
  out = transposed(out);
  for (let pass = 0; pass < 3; pass++) out = boxBlurRows(out, box);
  return transposed(out);
}

/** Radius of the box whose `passes`-fold convolution has the Gaussian's deviation. */
function boxRadius(radius: number, passes: number): number {
  const f = Math.fround;
  const variance = f(f(f(radius) * f(radius)) / passes);
  const length = f(Math.sqrt(12 * variance + 1));
  const whole = f(Math.floor((length - 1) / 2));
  const above = f(f(2 * whole + 1) * f(f(whole * f(whole + 1)) - f(3 * variance)));
  const below = f(6 * f(variance - f(f(whole + 1) * f(whole + 1))));
  return f(whole + f(above / below));
}

function boxBlurRows(image: Raster, box: number): Raster {
  const { width, height, channels, data } = image;
  const radius = Math.trunc(box);
  const share = Math.trunc(Math.fround(2 ** 24 / Math.fround(box * 2 + 1)));
  const edge = Math.trunc((2 ** 24 - (radius * 2 + 1) * share) / 2);
  const out = new Uint8Array(data.length);
  const clamp = (x: number): number => Math.min(Math.max(x, 0), width - 1);
  for (let y = 0; y < height; y++) {
    for (let c = 0; c < channels; c++) {
      const at = (x: number): number => data[(y * width + clamp(x)) * channels + c]!;
      let sum = 0;
      for (let x = -radius; x <= radius; x++) sum += at(x);
      for (let x = 0; x < width; x++) {
        const mixed = sum * share + (at(x - radius - 1) + at(x + radius + 1)) * edge;
        out[(y * width + x) * channels + c] = Math.floor((mixed + 2 ** 23) / 2 ** 24);
        sum += at(x + radius + 1) - at(x - radius);
      }
    }
  }
  return { width, height, channels, data: out };
}

/** The pixels inside `box`; what lies outside the picture is black. */
export function crop(image: Raster, [left, top, right, bottom]: Box): Raster {
  const [width, height] = [right - left, bottom - top];
  if (width < 1 || height < 1) {
    throw complain('IMAGE', {
      where: 'crop',
      expected: 'a box with an extent',
      got: `${width}x${height}`,
    });
  }
  const { channels } = image;
  const empty = new Uint8Array(width * height * channels);
  return pasted({ width, height, channels, data: empty }, image, { left: -left, top: -top });
}

/** `base` with `image` over it, its corner at left, top; what does not fit is left out. */
export function pasted(
  base: Raster,
  image: Raster,
  { left, top }: { readonly left: number; readonly top: number },
): Raster {
  const { width, height, channels } = base;
  const data = base.data.slice();
  const from = Math.max(left, 0);
  const to = Math.min(left + image.width, width);
  for (let y = Math.max(top, 0); from < to && y < Math.min(top + image.height, height); y++) {
    const row = ((y - top) * image.width + from - left) * channels;
    data.set(image.data.subarray(row, row + (to - from) * channels), (y * width + from) * channels);
  }
  return { width, height, channels, data };
}

/** Grey by ITU-R 601-2, one channel; alpha is not looked at. */
export function luminance({ width, height, channels, data }: Raster): Raster {
  const out = new Uint8Array(width * height);
  for (let i = 0; i < out.length; i++) {
    const [red, green, blue] = [0, 1, 2].map((c) => data[i * channels + c]!) as [
      number,
      number,
      number,
    ];
    out[i] = (red * 19_595 + green * 38_470 + blue * 7_471 + 0x8000) >> 16;
  }
  return { width, height, channels: 1, data: out };
}
