/** @file The few EXIF tags that tell how a picture was made: writing and bounded reading, Exif 3.0. */
import { joined, latin1, utf8OrLatin1, viewOf } from './byte-source.js';
import { damaged, type MetadataCollector } from './metadata-collector.js';

/** Text tags that are read: programs put prompts and graphs into them. */
const textTags: Readonly<Record<number, string>> = {
  270: 'ImageDescription',
  271: 'Make',
  272: 'Model',
  305: 'Software',
  315: 'Artist',
  37510: 'UserComment',
};
const exifPointer = 0x8769;
const userComment = 0x9286;
/** Cameras keep blocks of their own there; only a word, as Fooocus writes it, is a text. */
const makerNote = 0x927c;
const mostEntries = 512;
/** Bytes per value of the types 1 to 12. */
const typeBytes = [0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8];

export interface ExifTexts {
  readonly comment: string;
  readonly software: string;
  /** Pixels. */
  readonly width: number;
  readonly height: number;
}

/** Tag, type, and the bytes of the value. */
type Entry = readonly [tag: number, type: number, value: Uint8Array];

/**
 * An EXIF block (a TIFF file, big-endian) with stable-diffusion-webui's UserComment: `UNICODE`, a
 * zero byte, UTF-16 in the byte order of the block; and the tags Exif 2.32 demands beside it.
 */
export function writeExif({ comment, software, width, height }: ExifTexts): Uint8Array {
  const text = Buffer.from(comment, 'utf16le').swap16();
  const exif: Entry[] = [
    [0x9000, 7, Buffer.from('0232')],
    [0x9101, 7, Uint8Array.of(1, 2, 3, 0)],
    [userComment, 7, joined([Buffer.from('UNICODE\0', 'latin1'), text])],
    [0xa001, 3, Uint8Array.of(0, 1)],
    [0xa002, 4, uint32(width)],
    [0xa003, 4, uint32(height)],
  ];
  const first = (exifAt: number): Entry[] => [
    [0x0131, 2, Buffer.from(`${software}\0`, 'utf8')],
    [0x0213, 3, Uint8Array.of(0, 1)],
    [exifPointer, 4, uint32(exifAt)],
  ];
  const start = 8;
  const exifAt = start + directory(start, first(0)).length;
  return joined([
    Buffer.from('MM\0*', 'latin1'),
    uint32(start),
    directory(start, first(exifAt)),
    directory(exifAt, exif),
  ]);
}

/** A directory that begins at `at`, with the values that do not fit into it behind it. */
function directory(at: number, entries: readonly Entry[]): Uint8Array {
  const table = new Uint8Array(2 + 12 * entries.length + 4);
  const view = viewOf(table);
  const behind: Uint8Array[] = [];
  let end = at + table.length;
  view.setUint16(0, entries.length);
  entries.forEach(([tag, type, value], i) => {
    const place = 2 + 12 * i;
    view.setUint16(place, tag);
    view.setUint16(place + 2, type);
    view.setUint32(place + 4, value.length / typeBytes[type]!);
    if (value.length <= 4) {
      table.set(value, place + 8);
      return;
    }
    view.setUint32(place + 8, end);
    behind.push(value, new Uint8Array(value.length % 2));
    end += value.length + (value.length % 2);
  });
  return joined([table, ...behind]);
}

function uint32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  viewOf(bytes).setUint32(0, value);
  return bytes;
}

interface Tiff {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly isLittle: boolean;
}

/** Reads the text tags of a block, with or without `Exif` before it. Complains of damage. */
export function readExif(block: Uint8Array, found: MetadataCollector): void {
  const hasPrefix = latin1(block.subarray(0, 6)) === 'Exif\0\0';
  const bytes = hasPrefix ? block.subarray(6) : block;
  const order = latin1(bytes.subarray(0, 4));
  if ((order !== 'II*\0' && order !== 'MM\0*') || bytes.length < 8) {
    throw damaged('a TIFF header', 'other bytes');
  }
  const tiff = { bytes, view: viewOf(bytes), isLittle: order === 'II*\0' };
  const sub = readDirectory(tiff, tiff.view.getUint32(4, tiff.isLittle), found);
  // The block inside points nowhere else: no cycles.
  if (sub !== undefined) readDirectory(tiff, sub, found);
}

/** Returns where the EXIF directory is, if this one says so. */
function readDirectory(tiff: Tiff, at: number, found: MetadataCollector): number | undefined {
  const { bytes, view, isLittle } = tiff;
  if (at + 2 > bytes.length) throw damaged('an EXIF directory inside the block', `byte ${at}`);
  const count = view.getUint16(at, isLittle);
  if (count > mostEntries || at + 2 + 12 * count > bytes.length) {
    throw damaged(
      `an EXIF directory of at most ${mostEntries} entries inside the block`,
      `${count}`,
    );
  }
  let sub: number | undefined;
  for (let place = at + 2; place < at + 2 + 12 * count; place += 12) {
    const tag = view.getUint16(place, isLittle);
    if (tag === exifPointer) sub = view.getUint32(place + 8, isLittle);
    const keyword = Object.hasOwn(textTags, tag) ? textTags[tag] : undefined;
    if (keyword === undefined) continue;
    found.attempt(`EXIF ${keyword}`, () => {
      const text = textOf(tiff, place, tag === userComment);
      if (text !== '' && (tag !== makerNote || /^[\w-]{1,32}$/.test(text)))
        found.addText({ keyword, text, place: 'EXIF' });
    });
  }
  return sub;
}

function textOf(tiff: Tiff, place: number, isComment: boolean): string {
  const { bytes, view, isLittle } = tiff;
  const size = typeBytes[view.getUint16(place + 2, isLittle)] ?? 0;
  const length = size * view.getUint32(place + 4, isLittle);
  const at = length <= 4 ? place + 8 : view.getUint32(place + 8, isLittle);
  if (size !== 1 || at + length > bytes.length) {
    throw damaged('text inside the block', `${length} bytes at ${at} of ${bytes.length}`);
  }
  const value = bytes.subarray(at, at + length);
  if (isComment) return commentOf(value, isLittle);
  const end = value.indexOf(0);
  return utf8OrLatin1(end < 0 ? value : value.subarray(0, end));
}

/** A comment says its character set in the first eight bytes. */
function commentOf(value: Uint8Array, isLittle: boolean): string {
  const set = latin1(value.subarray(0, 8));
  const text = value.subarray(8);
  if (set === 'UNICODE\0') return utf16(text, isLittle).replace(/\0+$/, '');
  if (set === 'ASCII\0\0\0' || set === '\0\0\0\0\0\0\0\0') {
    return utf8OrLatin1(text).replace(/\0+$/, '');
  }
  if (set.startsWith('JIS')) throw damaged('a comment in UNICODE or ASCII', 'JIS');
  return utf8OrLatin1(value).replace(/\0+$/, '');
}

/**
 * Programs disagree whether UTF-16 follows the block's byte order: zero bytes of Latin letters show
 * which it is, else a byte order mark, else the block decides.
 */
function utf16(bytes: Uint8Array, isLittle: boolean): string {
  const text = bytes.subarray(0, bytes.length - (bytes.length % 2));
  const zeros = [0, 0];
  for (let i = 0; i < text.length; i++) if (text[i] === 0) zeros[i % 2]!++;
  const mark = text.length >= 2 ? viewOf(text).getUint16(0) : 0;
  let little = isLittle;
  if (zeros[0] !== zeros[1]) little = zeros[1]! > zeros[0]!;
  if (mark === 0xfeff || mark === 0xfffe) little = mark === 0xfffe;
  const decoded = new TextDecoder(little ? 'utf-16le' : 'utf-16be').decode(text);
  return decoded;
}
