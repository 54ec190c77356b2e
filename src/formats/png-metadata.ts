/** @file Texts of a PNG file for a reader that passes over damage, W3C PNG Third Edition. */
import { crc32 } from 'node:zlib';
import { type ByteSource, latin1, viewOf } from './byte-source.js';
import { readExif } from './exif.js';
import type { MetadataCollector } from './metadata-collector.js';
import { type PngText, readTextChunk } from './png.js';

export const xmpKeyword = 'XML:com.adobe.xmp';

interface Chunk {
  readonly type: string;
  /** Position of its data. */
  readonly at: number;
  readonly length: number;
}

/** Looks at every chunk up to IEND; pixels are not read. */
export async function scanPng(source: ByteSource, found: MetadataCollector): Promise<void> {
  found.set({ format: 'png' });
  for (let at = 8; found.countBlock(); ) {
    const header = await source.read(at, 8);
    if (header.length < 8) return found.warn(`the file ends at byte ${at} without an IEND chunk.`);
    const length = viewOf(header).getUint32(0);
    const type = latin1(header.subarray(4));
    if (!/^[A-Za-z]{4}$/.test(type))
      return found.warn(`no chunk at byte ${at}; the rest is not read.`);
    const end = at + 12 + length;
    if (end > source.size) {
      return found.warn(
        `chunk ${type} at byte ${at} is cut off: ${end} bytes wanted, ${source.size} there.`,
      );
    }
    if (type === 'IEND') return;
    await readChunk(source, { type, at: at + 8, length }, found);
    at = end;
  }
}

async function readChunk(source: ByteSource, chunk: Chunk, found: MetadataCollector) {
  const { type, at, length } = chunk;
  if (type === 'IHDR' || type === 'acTL') {
    const data = viewOf(await source.read(at, 8));
    if (length < 8) found.warn(`chunk ${type} has ${length} bytes only.`);
    else if (type === 'acTL') found.set({ frames: data.getUint32(0) });
    else found.set({ width: data.getUint32(0), height: data.getUint32(4) });
  } else if (type === 'caBX') found.set({ hasC2pa: true });
  else if (type === 'tEXt' || type === 'zTXt' || type === 'iTXt')
    await readText(source, chunk, found);
  else if (type === 'eXIf') {
    const data = await checked(source, chunk, found, 'chunk eXIf');
    if (data) found.attempt('chunk eXIf', () => readExif(data, found));
  }
}

async function readText(source: ByteSource, chunk: Chunk, found: MetadataCollector) {
  const keyword = latin1(await source.read(chunk.at, Math.min(chunk.length, 80))).split('\0')[0]!;
  const name = `chunk ${chunk.type} ${JSON.stringify(keyword)}`;
  const data = await checked(source, chunk, found, name);
  if (!data) return;
  found.attempt(name, () => {
    const text = readTextChunk(chunk.type as PngText['kind'], data);
    // Compressed text is counted by what it becomes.
    const grown = text.sizeBytes - data.length;
    if (grown > 0 && !found.admits(name, grown)) return;
    if (text.keyword === xmpKeyword) found.setXmp(text.text);
    else found.addText({ keyword: text.keyword, text: text.text, place: text.kind });
  });
}

/** The data of a chunk that is not too large and whose checksum is right. */
async function checked(
  source: ByteSource,
  { at, length }: Chunk,
  found: MetadataCollector,
  name: string,
): Promise<Uint8Array | undefined> {
  if (!found.admits(name, length)) return undefined;
  const bytes = await source.read(at - 4, length + 8);
  if (bytes.length < length + 8) {
    found.warn(`${name} cannot be read to its end.`);
    return undefined;
  }
  if (crc32(bytes.subarray(0, length + 4)) === viewOf(bytes).getUint32(length + 4)) {
    return bytes.subarray(4, length + 4);
  }
  found.warn(`${name} has a wrong checksum and is not read.`);
  return undefined;
}
