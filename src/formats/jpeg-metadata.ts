/** @file Segments of a JPEG file that hold texts: EXIF, XMP, comments (ITU-T T.81; XMP part 3). */
import { type ByteSource, joined, latin1, utf8OrLatin1, viewOf } from './byte-source.js';
import { readExif } from './exif.js';
import type { MetadataCollector } from './metadata-collector.js';

const xmpName = 'http://ns.adobe.com/xap/1.0/\0';
const xmpMoreName = 'http://ns.adobe.com/xmp/extension/\0';
const exifName = 'Exif\0\0';
/** Bytes a segment holds after its length. */
const segmentBytes = 65_533;

export interface JpegMetadata {
  /** A block of `writeExif`. */
  readonly exif?: Uint8Array | undefined;
  readonly xmp?: string | undefined;
  readonly comment?: string | undefined;
}

/** What fits into a file: the EXIF block, and the XMP packet or comment in UTF-8. */
export const jpegRoom = {
  exif: segmentBytes - exifName.length,
  xmp: segmentBytes - xmpName.length,
  comment: segmentBytes,
} as const;

/** The file with these segments after its first ones. The caller keeps them within `jpegRoom`. */
export function withJpegMetadata(
  jpeg: Uint8Array,
  { exif, xmp, comment }: JpegMetadata,
): Uint8Array {
  const view = viewOf(jpeg);
  let at = 2;
  if (view.getUint16(at) === 0xffe0) at += 2 + view.getUint16(at + 2); // JFIF comes first
  const name = (text: string): Uint8Array => Buffer.from(text, 'latin1');
  return joined([
    jpeg.subarray(0, at),
    ...(exif ? [segment(0xe1, [name(exifName), exif])] : []),
    ...(xmp === undefined ? [] : [segment(0xe1, [name(xmpName), Buffer.from(xmp, 'utf8')])]),
    ...(comment === undefined ? [] : [segment(0xfe, [Buffer.from(comment, 'utf8')])]),
    jpeg.subarray(at),
  ]);
}

function segment(marker: number, parts: readonly Uint8Array[]): Uint8Array {
  const head = new Uint8Array(4);
  const out = joined([head, ...parts]);
  viewOf(out).setUint16(0, 0xff00 | marker);
  viewOf(out).setUint16(2, out.length - 2);
  return out;
}

/** Looks at every segment up to the pixels. */
export async function scanJpeg(source: ByteSource, found: MetadataCollector): Promise<void> {
  found.set({ format: 'jpeg' });
  for (let at = 2; found.countBlock(); ) {
    const header = await source.read(at, 4);
    if (header.length < 4) return found.warn(`the file ends at byte ${at} before its pixels.`);
    const [start, marker] = header as unknown as [number, number];
    if (start !== 0xff) return found.warn(`no segment at byte ${at}; the rest is not read.`);
    if (marker === 0xff) {
      at += 1; // a fill byte
      continue;
    }
    if (marker === 0xda || marker === 0xd9) return;
    if (marker === 0x01 || (marker >= 0xd0 && marker <= 0xd7)) {
      at += 2;
      continue;
    }
    const length = viewOf(header).getUint16(2);
    if (length < 2 || at + 2 + length > source.size) {
      return found.warn(`the segment at byte ${at} is cut off; the rest is not read.`);
    }
    await readSegment(source, { marker, at: at + 4, length: length - 2 }, found);
    at += 2 + length;
  }
}

interface Segment {
  readonly marker: number;
  readonly at: number;
  readonly length: number;
}

async function readSegment(source: ByteSource, segment: Segment, found: MetadataCollector) {
  const { marker, at, length } = segment;
  if (isFrame(marker) && length >= 5) {
    const view = viewOf(await source.read(at, 5));
    found.set({ height: view.getUint16(1), width: view.getUint16(3) });
  }
  if (marker !== 0xe1 && marker !== 0xeb && marker !== 0xfe) return;
  const name = marker === 0xfe ? 'the comment' : `segment APP${marker - 0xe0} at byte ${at - 4}`;
  if (!found.admits(name, length)) return;
  const data = await source.read(at, length);
  if (marker === 0xfe) {
    found.addText({ keyword: 'Comment', text: utf8OrLatin1(data), place: 'COM' });
    return;
  }
  const head = latin1(data.subarray(0, 64));
  if (marker === 0xeb) {
    if (head.startsWith('JP') && head.includes('c2pa')) found.set({ hasC2pa: true });
  } else if (head.startsWith(exifName)) found.attempt(name, () => readExif(data, found));
  else if (head.startsWith(xmpMoreName))
    found.warn('XMP that goes on in further segments is not read.');
  else if (head.startsWith(xmpName)) found.setXmp(utf8OrLatin1(data.subarray(xmpName.length)));
}

/** Start of frame, which has the size; not the tables between those codes. */
function isFrame(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
}
