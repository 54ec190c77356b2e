/** @file A finished picture as a PNG, JPEG or WebP file that says how it was made. */
import { complain } from '../../core/errors.js';
import { writeExif } from '../../formats/exif.js';
import { type EncodeQuality, encodeImage } from '../../formats/image.js';
import { jpegRoom, withJpegMetadata } from '../../formats/jpeg-metadata.js';
import { withWebpMetadata } from '../../formats/webp-metadata.js';
import type { Pixels } from '../decode-latents.js';
import { type MarkedPixels, type MetadataOptions, marksAt, picturePng } from '../picture-png.js';
import { type Marks, xmpOf } from './marks.js';

export const pictureFormats = ['png', 'jpeg', 'webp'] as const;
export type PictureFormat = (typeof pictureFormats)[number];

export interface EncodePictureOptions extends MetadataOptions {
  /** Default png. */
  readonly format?: PictureFormat | undefined;
  /** 1 to 100 for JPEG and WebP, default 90; `lossless` for WebP. PNG is lossless and takes none. */
  readonly quality?: EncodeQuality | undefined;
}

export interface EncodedPicture {
  readonly bytes: Uint8Array;
  /** What did not fit into the file. */
  readonly warnings: readonly string[];
}

const defaultQuality = 90;

/** The file. Throws USAGE for options that do not go together, IMAGE for a picture too large for the format. */
export async function encodePicture(
  picture: MarkedPixels,
  options: EncodePictureOptions = {},
): Promise<EncodedPicture> {
  const { format = 'png', quality } = options;
  if (!pictureFormats.includes(format)) throw misuse('format', pictureFormats.join(', '), format);
  if (format === 'png') {
    if (quality !== undefined) throw misuse('quality', 'none for PNG, which is lossless', quality);
    return { bytes: picturePng(picture, options), warnings: [] };
  }
  const { width, height, pixels: data } = picture;
  const marks = marksAt(picture, options);
  const plain = await encodeImage(
    { width, height, channels: 3, data },
    { format, quality: quality ?? defaultQuality },
  );
  if (format === 'jpeg') return jpegFile(plain, marks, picture);
  const exif = exifOf(marks, picture);
  const bytes = withWebpMetadata(plain, { exif, xmp: xmpOf(marks, marks.recipe) }, picture);
  return { bytes, warnings: [] };
}

function exifOf(
  { infotext, software = '' }: Marks,
  { width, height }: Pixels,
): Uint8Array | undefined {
  if (infotext === undefined) return undefined;
  return writeExif({ comment: infotext, software, width, height });
}

/** A segment of a JPEG has 64 KiB: a recipe that makes the packet too large becomes the comment. */
function jpegFile(plain: Uint8Array, marks: Marks, picture: Pixels): EncodedPicture {
  const warnings: string[] = [];
  const fits = (text: string | undefined, room: number): boolean =>
    text !== undefined && Buffer.byteLength(text) <= room;
  const whole = xmpOf(marks, marks.recipe);
  const isWhole = fits(whole, jpegRoom.xmp);
  const bare = isWhole ? whole : xmpOf(marks);
  const mark = xmpOf({ ...marks, xmp: marks.xmp.slice(0, 1) });
  const xmp = fits(bare, jpegRoom.xmp) ? bare : mark;
  if (xmp === mark && bare !== mark) warnings.push(tooLong('The texts for people'));
  const isComment = !isWhole && fits(marks.recipe, jpegRoom.comment);
  if (!isWhole && !isComment && marks.recipe !== undefined) warnings.push(tooLong('The recipe'));
  const exif = exifOf(marks, picture);
  const isExif = exif !== undefined && exif.length <= jpegRoom.exif;
  if (exif && !isExif) warnings.push(tooLong('The infotext'));
  const metadata = {
    exif: isExif ? exif : undefined,
    xmp,
    comment: isComment ? marks.recipe : undefined,
  };
  return { bytes: withJpegMetadata(plain, metadata), warnings };
}

function tooLong(what: string): string {
  return `jpeg: ${what} did not fit into the file and was left out; PNG and WebP have room.`;
}

function misuse(where: string, expected: string, got: unknown): Error {
  return complain('USAGE', {
    where,
    expected,
    got: `${got}`,
    next: 'Leave it out for the default.',
  });
}
