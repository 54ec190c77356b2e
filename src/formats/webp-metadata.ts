/** @file Chunks of a WebP file that hold texts: EXIF and XMP (RFC 9649). */
import { type ByteSource, joined, latin1, utf8OrLatin1, viewOf } from './byte-source.js';
import { readExif } from './exif.js';
import type { MetadataCollector } from './metadata-collector.js';

export interface WebpMetadata {
  /** A block of `writeExif`. */
  readonly exif?: Uint8Array | undefined;
  readonly xmp?: string | undefined;
}

const flags = { exif: 0x08, xmp: 0x04, alpha: 0x10 } as const;

/** The file, of one opaque frame as `encodeWebp` writes it, with these chunks. */
export function withWebpMetadata(
  webp: Uint8Array,
  { exif, xmp }: WebpMetadata,
  { width, height }: { readonly width: number; readonly height: number },
): Uint8Array {
  if (!exif && xmp === undefined) return webp;
  const header = new Uint8Array(10);
  header[0] = (exif ? flags.exif : 0) | (xmp === undefined ? 0 : flags.xmp);
  const view = viewOf(header);
  for (const [at, side] of [
    [4, width],
    [7, height],
  ] as const) {
    view.setUint16(at, (side - 1) & 0xffff, true);
    header[at + 2] = (side - 1) >> 16;
  }
  const body = joined([
    Buffer.from('WEBP', 'latin1'),
    chunk('VP8X', header),
    webp.subarray(12),
    ...(exif ? [chunk('EXIF', exif)] : []),
    ...(xmp === undefined ? [] : [chunk('XMP ', Buffer.from(xmp, 'utf8'))]),
  ]);
  return chunk('RIFF', body);
}

function chunk(type: string, data: Uint8Array): Uint8Array {
  const out = new Uint8Array(8 + data.length + (data.length % 2));
  out.set(Buffer.from(type, 'latin1'));
  viewOf(out).setUint32(4, data.length, true);
  out.set(data, 8);
  return out;
}

/** Looks at every chunk; pixels are not read. */
export async function scanWebp(source: ByteSource, found: MetadataCollector): Promise<void> {
  found.set({ format: 'webp' });
  const riff = await source.read(4, 4);
  const end = 8 + viewOf(riff).getUint32(0, true);
  if (end > source.size)
    found.warn(`the file is cut off: ${end} bytes wanted, ${source.size} there.`);
  let frames = 0;
  for (let at = 12; at + 8 <= Math.min(end, source.size) && found.countBlock(); ) {
    const header = await source.read(at, 8);
    const length = viewOf(header).getUint32(4, true);
    const type = latin1(header.subarray(0, 4));
    if (at + 8 + length > source.size) {
      found.warn(`chunk ${JSON.stringify(type)} at byte ${at} is cut off.`);
      break;
    }
    if (type === 'ANMF') frames += 1;
    else await readChunk(source, { type, at: at + 8, length }, found);
    at += 8 + length + (length % 2);
  }
  if (frames > 0) found.set({ frames });
}

interface Chunk {
  readonly type: string;
  readonly at: number;
  readonly length: number;
}

async function readChunk(
  source: ByteSource,
  { type, at, length }: Chunk,
  found: MetadataCollector,
) {
  if (type === 'VP8X' || type === 'VP8 ' || type === 'VP8L') {
    const size = sizeOf(type, await source.read(at, Math.min(length, 10)));
    if (size) found.set(size);
  } else if (type === 'C2PA') found.set({ hasC2pa: true });
  else if (type === 'EXIF' || type === 'XMP ') {
    if (!found.admits(`chunk ${type.trim()}`, length)) return;
    const data = await source.read(at, length);
    if (type === 'EXIF') found.attempt('chunk EXIF', () => readExif(data, found));
    else found.setXmp(utf8OrLatin1(data));
  }
}

function sizeOf(type: string, data: Uint8Array): { width: number; height: number } | undefined {
  const view = viewOf(data);
  if (type === 'VP8L' && data.length >= 5) {
    const bits = view.getUint32(1, true);
    return { width: (bits & 0x3fff) + 1, height: ((bits >> 14) & 0x3fff) + 1 };
  }
  if (data.length < 10) return undefined;
  if (type === 'VP8 ') {
    return { width: view.getUint16(6, true) & 0x3fff, height: view.getUint16(8, true) & 0x3fff };
  }
  const side = (from: number): number => 1 + view.getUint16(from, true) + (data[from + 2]! << 16);
  return { width: side(4), height: side(7) };
}
