/** @file The picture a drawing starts from: checked, brought to size and to numbers, with its mask. */
import { complain, type MaliangError } from '../core/errors.js';
import { type RasterImage, readPicture } from '../formats/image.js';
import { type Box, crop, gaussianBlur, luminance, type Raster } from '../formats/resample.js';
import { cropRegion } from './crop-region.js';
import type { Pixels } from './decode-latents.js';
import { type FitMode, fitPicture } from './fit-picture.js';
import { overlaid } from './overlay.js';
import { nativeSize, type PictureSize, pictureSize, sideFactor } from './picture-size.js';
import type { TextToImageModel } from './text-to-image-model.js';

/** Pixels, or the bytes of a PNG, JPEG or WebP file. */
export type PictureInput = RasterImage | Uint8Array;

export interface PictureOptions {
  /** The picture to start from. */
  readonly init?: PictureInput | undefined;
  /** White is drawn anew, black is kept; `alpha` draws the transparent parts of `init`. */
  readonly mask?: PictureInput | 'alpha' | undefined;
  /** Deviation of a Gaussian over the mask, in its pixels. Default 0. */
  readonly maskBlur?: number | undefined;
  /** Draws only what is around the mask, this many pixels wider, at the full size, and puts it back. */
  readonly onlyMasked?: number | undefined;
  /** How `init` comes to another size. Default stretch, as diffusers does. */
  readonly fit?: FitMode | undefined;
  readonly width?: number | undefined;
  readonly height?: number | undefined;
}

/** A picture ready for the encoder. */
export interface PreparedPicture {
  readonly size: PictureSize;
  /** [3, height, width], −1 to 1. */
  readonly pixels: Float32Array;
  /** [height, width], 1 where it is drawn anew and 0 elsewhere. */
  readonly mask: Float32Array | undefined;
  /** Puts what was drawn back where it belongs; the same when all of it was drawn. */
  readonly finish: (drawn: Pixels) => Pixels;
  readonly warnings: readonly string[];
}

/** Without a size asked for, pictures above this are refused: their latents would not fit in memory. */
const mostPixels = 2048 * 2048;

/** Undefined without `init`. Throws USAGE for what does not go together, IMAGE for what is no picture. */
export async function preparePicture(
  model: TextToImageModel,
  options: PictureOptions,
): Promise<PreparedPicture | undefined> {
  if (options.init === undefined) {
    refuseWithoutInit(options);
    return undefined;
  }
  checkNumbers(options);
  const warnings: string[] = [];
  const init = await pixelsOf('init', options.init, warnings);
  const original = flattened(init, 255);
  if (options.mask !== 'alpha' && isTransparent(init)) {
    warnings.push("init: transparent parts are read on white; mask 'alpha' draws them anew.");
  }
  const mask = await maskOf(init, options, warnings);
  const size = sizeOf(model, options, { original, warnings });
  if (!mask) return { ...prepared(original, size, options.fit), size, warnings };
  const { onlyMasked: padding } = options;
  if (padding === undefined) {
    return { ...prepared(original, size, options.fit, mask), size, warnings };
  }
  const box = cropRegion(mask, padding, size);
  const [part, partMask] = [crop(original, box), crop(mask, box)];
  const finish = pasteBack({ original, mask, box });
  return { ...prepared(part, size, 'fill', partMask), size, finish, warnings };
}

function prepared(
  image: Raster,
  size: PictureSize,
  fit: FitMode = 'stretch',
  mask?: Raster,
): Pick<PreparedPicture, 'pixels' | 'mask' | 'finish'> {
  const pixels = planes(fitPicture(image, size, fit));
  const finish = (drawn: Pixels): Pixels => drawn;
  return { pixels, mask: mask && binary(fitPicture(mask, size, fit)), finish };
}

function pasteBack(options: { original: Raster; mask: Raster; box: Box }) {
  return ({ width, height, pixels }: Pixels): Pixels => {
    const { data, ...size } = overlaid({ width, height, channels: 3, data: pixels }, options);
    return { width: size.width, height: size.height, pixels: data };
  };
}

/** [height, width, 3] bytes -> [3, height, width] in −1..1, rounded as numpy and torch do. */
function planes({ width, height, data }: Raster): Float32Array {
  const area = width * height;
  const out = new Float32Array(3 * area);
  for (let i = 0; i < out.length; i++) {
    const value = Math.fround(data[(i % area) * 3 + Math.floor(i / area)]! / 255);
    out[i] = Math.fround(2 * value) - 1;
  }
  return out;
}

function binary({ data }: Raster): Float32Array {
  return Float32Array.from(data, (value) => (value >= 128 ? 1 : 0));
}

async function pixelsOf(
  where: string,
  picture: PictureInput,
  warnings: string[],
): Promise<RasterImage> {
  if (!(picture instanceof Uint8Array)) return checked(where, picture);
  const { image, notes } = await readPicture(picture, { channels: 4, where });
  warnings.push(...notes);
  return image;
}

/** The mask at the size of `init`, blurred, one channel. */
async function maskOf(
  init: RasterImage,
  { mask: given, maskBlur = 0, onlyMasked }: PictureOptions,
  warnings: string[],
): Promise<Raster | undefined> {
  if (given === undefined) return undefined;
  let mask: Raster;
  if (given === 'alpha') mask = transparency(init);
  else mask = luminance(flattened(await pixelsOf('mask', given, warnings), 0));
  const { width, height } = init;
  if (mask.width !== width || mask.height !== height) {
    if (!isSameShape(mask, init)) throw wrongMask(mask, init);
    const sizes = `${mask.width}x${mask.height} to ${width}x${height}`;
    warnings.push(`mask: scaled from ${sizes}, the size of the picture.`);
    // diffusers scales mask and picture to the drawing each on its own; a crop needs one size.
    if (onlyMasked !== undefined) mask = fitPicture(mask, init, 'stretch');
  }
  if (mask.data.every((value) => value < 128)) {
    warnings.push('mask: black everywhere; nothing is drawn anew.');
  }
  return gaussianBlur(mask, maskBlur);
}

/** Equal proportions, up to the rounding of one pixel. */
function isSameShape(a: PictureSize, b: PictureSize): boolean {
  const width = (a.height * b.width) / b.height;
  const height = (a.width * b.height) / b.width;
  return Math.abs(width - a.width) <= 1 || Math.abs(height - a.height) <= 1;
}

/** White where the picture is transparent. */
function transparency({ width, height, channels, data }: RasterImage): Raster {
  const out = new Uint8Array(width * height);
  const hasAlpha = channels === 4;
  for (let i = 0; hasAlpha && i < out.length; i++) out[i] = 255 - data[4 * i + 3]!;
  if (out.some((value) => value > 0)) return { width, height, channels: 1, data: out };
  throw misuse('mask', 'a picture with transparent parts', 'an opaque one', 'Give a mask.');
}

function isTransparent({ channels, data }: RasterImage): boolean {
  return channels === 4 && data.some((value, i) => i % 4 === 3 && value < 255);
}

/** RGB over a grey of `background`. */
function flattened({ width, height, channels, data }: RasterImage, background: number): Raster {
  if (channels === 3) return { width, height, channels, data };
  const out = new Uint8Array(width * height * 3);
  for (let i = 0; i < width * height; i++) {
    const alpha = data[4 * i + 3]!;
    for (let c = 0; c < 3; c++) {
      const mixed = data[4 * i + c]! * alpha + background * (255 - alpha);
      out[3 * i + c] = Math.round(mixed / 255);
    }
  }
  return { width, height, channels: 3, data: out };
}

/** The size asked for; else the picture's own, down to whole latents; else the model's for a part. */
function sizeOf(
  model: TextToImageModel,
  { width, height, onlyMasked }: PictureOptions,
  { original, warnings }: { readonly original: Raster; readonly warnings: string[] },
): PictureSize {
  const factor = sideFactor(model);
  const floor = (side: number): number => side - (side % factor);
  const own = { width: floor(original.width), height: floor(original.height) };
  const fallback = onlyMasked === undefined ? own : nativeSize(model);
  const size = { width: width ?? fallback.width, height: height ?? fallback.height };
  if (size.width === 0 || size.height === 0) throw tooSmall(original, factor);
  const isAsked = width !== undefined && height !== undefined;
  if (!isAsked && size.width * size.height > mostPixels) throw tooLarge(original, factor);
  const isCut = onlyMasked === undefined && !isAsked;
  if (isCut && (size.width !== original.width || size.height !== original.height)) {
    const from = `${original.width}x${original.height}`;
    const to = `${size.width}x${size.height}`;
    warnings.push(`init: scaled from ${from} to ${to}; sides are multiples of ${factor} pixels.`);
  }
  return pictureSize(model, size);
}

function refuseWithoutInit({ mask, maskBlur, onlyMasked, fit }: PictureOptions): void {
  for (const [name, value] of Object.entries({ mask, maskBlur, onlyMasked, fit })) {
    if (value !== undefined)
      throw misuse(name, 'init beside it', 'none', 'Give a picture to start from.');
  }
}

function checkNumbers({ mask, maskBlur, onlyMasked, fit }: PictureOptions): void {
  for (const [name, value, most] of [
    ['maskBlur', maskBlur, 1000],
    ['onlyMasked', onlyMasked, 16_384],
  ] as const) {
    if (value === undefined) continue;
    if (mask === undefined) throw misuse(name, 'mask beside it', 'none', 'Give a mask.');
    const isWhole = name === 'maskBlur' || Number.isInteger(value);
    if (isWhole && value >= 0 && value <= most) continue;
    throw misuse(name, `a number of pixels from 0 to ${most}`, `${value}`);
  }
  if (fit !== undefined && !['stretch', 'fill', 'crop'].includes(fit)) {
    throw misuse('fit', 'stretch, fill or crop', `${fit}`);
  }
}

function checked(where: string, picture: RasterImage): RasterImage {
  const { width, height, channels, data } = picture;
  const isSound =
    Number.isInteger(width) &&
    width > 0 &&
    Number.isInteger(height) &&
    height > 0 &&
    (channels === 3 || channels === 4) &&
    data?.length === width * height * channels;
  if (isSound) return picture;
  throw misuse(where, 'width, height, 3 or 4 channels and as many bytes', 'others');
}

function wrongMask(mask: PictureSize, init: PictureSize): MaliangError {
  return misuse(
    'mask',
    `the proportions of the picture, ${init.width}x${init.height}`,
    `${mask.width}x${mask.height}`,
    'Scale or crop the mask to the picture.',
  );
}

function tooSmall({ width, height }: PictureSize, factor: number): MaliangError {
  const next = 'Give a size (width and height, or `--size`) to enlarge it to.';
  return misuse('init', `at least ${factor}x${factor} pixels`, `${width}x${height}`, next);
}

function tooLarge({ width, height }: PictureSize, factor: number): MaliangError {
  const scale = Math.sqrt(mostPixels / (width * height));
  const fit = (side: number): number =>
    Math.min(Math.max(Math.floor((side * scale) / factor), 1) * factor, 16_384);
  const next = `Give a size (width and height, or \`--size\`), for example ${fit(width)}x${fit(height)}.`;
  return misuse('init', `at most ${mostPixels} pixels`, `${width}x${height}`, next);
}

function misuse(where: string, expected: string, got: string, next?: string): MaliangError {
  const how = next ?? 'Leave it out to use the default.';
  return complain('USAGE', { where, expected, got, next: how });
}
