/** @file Pictures to pixels through sharp 0.35 (libvips); the only file that imports `sharp`. */
import sharp, { type Metadata, type Sharp } from 'sharp';
import { complain, type MaliangError } from '../core/errors.js';

/** An 8-bit sRGB picture, rows from the top, channels interleaved; alpha is straight. */
export interface RasterImage {
  readonly width: number;
  readonly height: number;
  readonly channels: 3 | 4;
  /** `[height, width, channels]`, 0 to 255. */
  readonly data: Uint8Array;
}

/** A square picture whose colour channels are multiplied by alpha. */
export interface PremultipliedImage {
  /** Width and height in pixels. */
  readonly size: number;
  /** `[size, size, 4]`, red, green and blue never above alpha. */
  readonly data: Uint8Array;
}

export interface DecodeOptions {
  /** 3 flattens transparent pixels onto white; 4 adds an opaque alpha where there is none. */
  readonly channels: 3 | 4;
  /** Largest width x height accepted, default 50 million. */
  readonly maxPixels?: number;
  /** What messages call the picture. Default decodeImage. */
  readonly where?: string;
}

/** A picture with what was changed to read it. */
export interface ReadPicture {
  readonly image: RasterImage;
  /** One sentence each; empty for an 8-bit RGB picture. */
  readonly notes: readonly string[];
}

/** Resampling kernels by their libvips name; `nearest` repeats pixels. */
export type ResizeKernel = 'nearest' | 'linear' | 'cubic' | 'mitchell' | 'lanczos2' | 'lanczos3';

export interface ResizeOptions {
  /** Pixels, 1 to 16384. */
  readonly width: number;
  readonly height: number;
  readonly kernel: ResizeKernel;
  /** `fill` (default) ignores the aspect ratio, `cover` crops the centre. */
  readonly fit?: 'fill' | 'cover';
}

export interface SvgOptions {
  /** Width and height of the result in pixels, 1 to 4096. */
  readonly size: number;
  /** Pixels drawn per result pixel and axis, 1 (default) to 8, then averaged. */
  readonly supersample?: number;
}

type ImageFormat = 'png' | 'jpeg' | 'webp';

/** Larger picture files are refused. */
export const maxFileBytes = 128 * 2 ** 20;
const maxDecodesAtOnce = 2;
const timeoutSeconds = 30;
const svgLoader = ['VipsForeignLoadSvg'];

sharp.cache(false);
sharp.concurrency(1);
sharp.block({ operation: ['VipsForeignLoad'] });
sharp.unblock({
  operation: ['VipsForeignLoadPngBuffer', 'VipsForeignLoadJpegBuffer', 'VipsForeignLoadWebpBuffer'],
});

/**
 * Decodes a PNG, JPEG or WebP file to 8-bit sRGB, turned upright by its EXIF orientation; of an
 * animation the first frame. Throws IMAGE for anything else: no bytes, other formats, damaged or
 * truncated files, more than `maxPixels` pixels.
 */
export async function decodeImage(bytes: Uint8Array, options: DecodeOptions): Promise<RasterImage> {
  return (await readPicture(bytes, options)).image;
}

/** As `decodeImage`, and says what was changed on the way. */
export async function readPicture(bytes: Uint8Array, options: DecodeOptions): Promise<ReadPicture> {
  const { where = 'decodeImage', maxPixels = 50_000_000, channels } = options;
  const format = requireFormat(where, bytes);
  const release = await takeDecodeSlot();
  try {
    const header = await requireHeader(where, bytes, { format, maxPixels });
    const image = await decodePixels(bytes, channels, maxPixels);
    return { image, notes: notesOn(where, header, bytes) };
  } catch (error) {
    throw asImageError(where, error, { format, sizeBytes: bytes.length });
  } finally {
    release();
  }
}

function notesOn(
  where: string,
  { pages = 1, space, depth }: Metadata,
  bytes: Uint8Array,
): string[] {
  const notes: string[] = [];
  const frames = Math.max(pages, animatedPngFrames(bytes));
  if (frames > 1) notes.push(`${where}: the first of ${frames} frames is read.`);
  if (depth === 'ushort') notes.push(`${where}: 16 bits per channel are read as 8.`);
  if (space === 'cmyk') notes.push(`${where}: CMYK is read as sRGB; colours may shift.`);
  return notes;
}

/** Frames an animated PNG declares before its first picture data; libvips reads the first alone. */
function animatedPngFrames(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isPng = bytes.length > 8 && view.getUint32(0) === 0x89504e47;
  for (let at = 8; isPng && at + 12 <= bytes.length; at += 12 + view.getUint32(at)) {
    const type = view.getUint32(at + 4);
    if (type === 0x6163544c) return view.getUint32(at + 8); // acTL
    if (type === 0x49444154) return 1; // IDAT
  }
  return 1;
}

/** Resizes with the named kernel; alpha is premultiplied meanwhile. Throws IMAGE on bad sizes. */
export async function resizeImage(
  image: RasterImage,
  options: ResizeOptions,
): Promise<RasterImage> {
  requireInteger('resizeImage', 'width', options.width, 16384);
  requireInteger('resizeImage', 'height', options.height, 16384);
  requireData('resizeImage', image);
  const { width, height, channels } = image;
  const { data } = await sharp(image.data, { raw: { width, height, channels } })
    .resize({
      width: options.width,
      height: options.height,
      kernel: options.kernel,
      fit: options.fit ?? 'fill',
      fastShrinkOnLoad: false,
    })
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { width: options.width, height: options.height, channels, data: asBytes(data) };
}

/** 1 to 100; `lossless` for WebP keeps every pixel. */
export type EncodeQuality = number | 'lossless';

const largestSide = { jpeg: 65_535, webp: 16_383 } as const;

/**
 * Encodes an opaque picture as JPEG or WebP, without metadata. The same picture gives the same bytes
 * with the same sharp. Throws IMAGE when it is too large for the format or its data do not fit.
 */
export async function encodeImage(
  image: RasterImage,
  { format, quality }: { readonly format: 'jpeg' | 'webp'; readonly quality: EncodeQuality },
): Promise<Uint8Array> {
  const { width, height, channels, data } = image;
  requireInteger('encodeImage', 'width', width, largestSide[format]);
  requireInteger('encodeImage', 'height', height, largestSide[format]);
  requireData('encodeImage', image);
  const isLossless = quality === 'lossless';
  if (!isLossless) requireInteger('encodeImage', 'quality', quality, 100);
  const picture = sharp(data, { raw: { width, height, channels } });
  if (format === 'webp') {
    const how = isLossless ? { lossless: true } : { quality };
    return asBytes(await picture.webp(how).toBuffer());
  }
  if (isLossless) throw refuse('encodeImage', 'a quality from 1 to 100 for JPEG', quality);
  // Colour at half the resolution shows at the edges of drawn things.
  const chromaSubsampling = quality >= 90 ? '4:4:4' : '4:2:0';
  return asBytes(await picture.jpeg({ quality, chromaSubsampling }).toBuffer());
}

let svgsInWork = 0;

/**
 * Draws one trusted SVG, at its own `width` and `height` then resized, as premultiplied RGBA. Only the build of the pictogram data set calls
 * this: the SVG loader is open to libvips just while a drawing is under way.
 */
export async function renderSvg(svg: string, options: SvgOptions): Promise<PremultipliedImage> {
  const { size, supersample = 1 } = options;
  requireInteger('renderSvg', 'size', size, 4096);
  requireInteger('renderSvg', 'supersample', supersample, 8);
  const drawn = size * supersample;
  if (svgsInWork++ === 0) sharp.unblock({ operation: svgLoader });
  try {
    const { data } = await sharp(Buffer.from(svg), { limitInputPixels: (4096 * 8) ** 2 })
      .resize(drawn, drawn, { fit: 'fill', kernel: 'lanczos3' })
      .ensureAlpha()
      .toColourspace('srgb')
      .raw()
      .toBuffer({ resolveWithObject: true });
    return { size, data: premultiplyAndAverage(data, size, supersample) };
  } catch (error) {
    throw complain(
      'IMAGE',
      { where: 'renderSvg', expected: 'an SVG that can be drawn', got: firstLine(error) },
      error,
    );
  } finally {
    if (--svgsInWork === 0) sharp.block({ operation: svgLoader });
  }
}

/** Straight RGBA `[size*k, size*k, 4]` to premultiplied `[size, size, 4]` by box average. */
function premultiplyAndAverage(straight: Uint8Array, size: number, k: number): Uint8Array {
  const out = new Uint8Array(size * size * 4);
  const stride = size * k * 4;
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      let [red, green, blue, alpha] = [0, 0, 0, 0];
      for (let row = 0; row < k; row++) {
        const start = (y * k + row) * stride + x * k * 4;
        for (let at = start; at < start + k * 4; at += 4) {
          const a = straight[at + 3]!;
          red += straight[at]! * a;
          green += straight[at + 1]! * a;
          blue += straight[at + 2]! * a;
          alpha += a;
        }
      }
      const to = (y * size + x) * 4;
      const samples = k * k;
      out[to] = Math.round(red / (255 * samples));
      out[to + 1] = Math.round(green / (255 * samples));
      out[to + 2] = Math.round(blue / (255 * samples));
      out[to + 3] = Math.round(alpha / samples);
    }
  }
  return out;
}

async function decodePixels(
  bytes: Uint8Array,
  channels: 3 | 4,
  maxPixels: number,
): Promise<RasterImage> {
  let pipeline = open(bytes, maxPixels).autoOrient().toColourspace('srgb');
  pipeline = channels === 4 ? pipeline.ensureAlpha() : pipeline.flatten({ background: '#ffffff' });
  const { data, info } = await pipeline
    .timeout({ seconds: timeoutSeconds })
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, channels, data: asBytes(data) };
}

function open(bytes: Uint8Array, maxPixels: number): Sharp {
  return sharp(bytes, { failOn: 'error', limitInputPixels: maxPixels, pages: 1, unlimited: false });
}

async function requireHeader(
  where: string,
  bytes: Uint8Array,
  { format, maxPixels }: { readonly format: ImageFormat; readonly maxPixels: number },
): Promise<Metadata> {
  // The limit belongs to the message below, so the header is read without one.
  const header = await sharp(bytes, { limitInputPixels: false, pages: 1 }).metadata();
  if (header.format !== format) throw refuse(where, `a PNG, JPEG or WebP file`, header.format);
  const { width, height } = header;
  if (width * height > maxPixels) {
    const got = `${width}x${height} = ${width * height}`;
    throw refuse(where, `at most ${maxPixels} pixels`, got);
  }
  return header;
}

function requireFormat(where: string, bytes: Uint8Array): ImageFormat {
  if (bytes.length === 0) throw refuse(where, 'a PNG, JPEG or WebP file', 'zero bytes');
  if (bytes.length > maxFileBytes) {
    throw refuse(where, `at most ${maxFileBytes} bytes`, `${bytes.length} bytes`);
  }
  const format = formatOf(bytes);
  if (format === 'png' || format === 'jpeg' || format === 'webp') return format;
  throw refuse(where, 'a PNG, JPEG or WebP file', format);
}

/** The format by its first bytes, or words for a message. */
function formatOf(bytes: Uint8Array): string {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, 512));
  const text = head.toString('latin1');
  if (text.startsWith('\x89PNG\r\n\x1a\n')) return 'png';
  if (text.startsWith('\xff\xd8\xff')) return 'jpeg';
  if (text.startsWith('RIFF') && text.slice(8, 12) === 'WEBP') return 'webp';
  if (/^GIF8[79]a/.test(text)) return 'a GIF file';
  if (/^(II\*\0|MM\0\*|II\+\0|MM\0\+)/.test(text)) return 'a TIFF file';
  if (text.startsWith('BM')) return 'a BMP file';
  if (text.slice(4, 8) === 'ftyp') return isoKind(text.slice(8, 12));
  if (text.startsWith('%PDF')) return 'a PDF file';
  if (/^\s*(\xef\xbb\xbf)?\s*<(\?xml|!doctype svg|!--|svg)/i.test(text))
    return 'an SVG or XML file';
  return `a file beginning with ${head.subarray(0, 8).toString('hex')}`;
}

function isoKind(brand: string): string {
  if (brand === 'avif' || brand === 'avis') return 'an AVIF file';
  return /^(hei|hev|mif1|msf1)/.test(brand) ? 'a HEIC file' : 'a video or HEIF file';
}

function asImageError(
  where: string,
  error: unknown,
  { format, sizeBytes }: { readonly format: ImageFormat; readonly sizeBytes: number },
): MaliangError {
  if (error instanceof Error && error.name === 'MaliangError') return error as MaliangError;
  const got = `${sizeBytes} bytes that fail to decode (${firstLine(error)})`;
  const expected = `a complete ${format.toUpperCase()} file`;
  return complain('IMAGE', { where, expected, got }, error);
}

function refuse(where: string, expected: string, got: string): MaliangError {
  return complain('IMAGE', { where, expected, got });
}

function firstLine(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return (message.split('\n')[0] ?? '').slice(0, 200);
}

function requireInteger(where: string, name: string, value: number, most: number): void {
  if (Number.isInteger(value) && value >= 1 && value <= most) return;
  const expected = `${name} to be an integer from 1 to ${most}`;
  throw complain('IMAGE', { where, expected, got: `${value}`, next: `Change \`${name}\`.` });
}

function requireData(where: string, { width, height, channels, data }: RasterImage): void {
  if (data.length === width * height * channels) return;
  throw complain('IMAGE', {
    where,
    expected: `${width * height * channels} bytes for ${width}x${height}x${channels}`,
    got: `${data.length}`,
    next: 'Pass a picture whose data fits its size.',
  });
}

function asBytes(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}

let freeSlots = maxDecodesAtOnce;
const waiting: (() => void)[] = [];

/** Bounds memory: at most `maxDecodesAtOnce` pictures are decoded at a time. */
async function takeDecodeSlot(): Promise<() => void> {
  if (freeSlots > 0) freeSlots--;
  else await new Promise<void>((resolve) => waiting.push(resolve));
  return () => {
    const next = waiting.shift();
    if (next) next();
    else freeSlots++;
  };
}
