/** @file PNG writing and the text chunks of PNG files, W3C PNG Third Edition; pixels are decoded in image.ts. */
import { constants, crc32, deflateSync, inflateSync } from 'node:zlib';
import { complain, type MaliangError } from '../core/errors.js';

/** Limits on text chunks, read or written: bytes of text after inflation. */
export const pngTextLimits = { chunkBytes: 2 ** 20, totalBytes: 4 * 2 ** 20 } as const;

export interface PngTextEntry {
  /** 1 to 79 printable Latin-1 characters, such as `parameters`. */
  readonly keyword: string;
  readonly text: string;
  /** Left out: `tEXt` when the text is Latin-1, else `iTXt`. */
  readonly kind?: 'tEXt' | 'iTXt';
}

/** 8-bit pixels, rows from the top, channels interleaved; alpha is straight. */
export interface PngImage {
  /** Pixels, 1 to 65535. */
  readonly width: number;
  readonly height: number;
  /** 1 gray, 3 RGB, 4 RGBA. */
  readonly channels: 1 | 3 | 4;
  /** `[height, width, channels]`, 0 to 255. */
  readonly data: Uint8Array;
  /** Written before the pixels, in this order. */
  readonly text?: readonly PngTextEntry[];
}

/** A text chunk that was read. */
export interface PngText {
  readonly keyword: string;
  readonly text: string;
  readonly kind: 'tEXt' | 'zTXt' | 'iTXt';
}

const signature = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
const colourType = { 1: 0, 3: 2, 4: 6 } as const;
const maxSide = 65535;
const maxRawBytes = 2 ** 31 - 1;
const maxKeyword = 79;
/** Counted per text chunk on top of its text, so that many empty chunks reach the limit too. */
const chunkOverhead = 12;

/**
 * Encodes a picture. The same picture gives the same bytes on the same Node build and processor;
 * other builds of zlib may compress differently. Throws USAGE when data or text do not fit.
 */
export function encodePng(image: PngImage): Uint8Array {
  requireImage(image);
  const header = new DataView(new ArrayBuffer(13));
  header.setUint32(0, image.width);
  header.setUint32(4, image.height);
  header.setUint8(8, 8);
  header.setUint8(9, colourType[image.channels]);
  const pixels = deflateSync(filterRows(image), {
    level: 6,
    memLevel: 9,
    strategy: constants.Z_FILTERED,
  });
  return concat([
    signature,
    chunk('IHDR', new Uint8Array(header.buffer)),
    ...textChunks(image.text ?? []),
    chunk('IDAT', pixels),
    chunk('IEND', new Uint8Array(0)),
  ]);
}

/**
 * Reads every tEXt, zTXt and iTXt chunk, in file order. All checksums up to IEND are verified;
 * bytes after IEND are not part of the picture and not read. Throws IMAGE on anything damaged or
 * over `pngTextLimits`.
 */
export function readPngText(bytes: Uint8Array): PngText[] {
  const texts: PngText[] = [];
  let total = 0;
  for (const { type, data } of readChunks(bytes)) {
    if (type !== 'tEXt' && type !== 'zTXt' && type !== 'iTXt') continue;
    const { keyword, text, sizeBytes } = readTextChunk(type, data);
    total += keyword.length + sizeBytes + chunkOverhead;
    if (total > pngTextLimits.totalBytes) {
      throw refuse(`at most ${pngTextLimits.totalBytes} bytes of text`, 'more');
    }
    texts.push({ keyword, text, kind: type });
  }
  return texts;
}

/** The data of one text chunk; `sizeBytes` counts its text after inflation. Throws IMAGE. */
export function readTextChunk(
  kind: PngText['kind'],
  data: Uint8Array,
): PngText & { readonly sizeBytes: number } {
  const { keyword, content } = readContent(kind, data);
  if (content.length > pngTextLimits.chunkBytes) {
    throw refuse(
      `at most ${pngTextLimits.chunkBytes} bytes of text in ${kind}`,
      `${content.length}`,
    );
  }
  return { keyword, text: decodeText(kind, content), kind, sizeBytes: content.length };
}

function requireImage({ width, height, channels, data }: PngImage): void {
  for (const [name, side] of [
    ['width', width],
    ['height', height],
  ] as const) {
    if (!Number.isInteger(side) || side < 1 || side > maxSide) {
      throw misuse(`${name} from 1 to ${maxSide}`, `${side}`);
    }
  }
  if (!(channels in colourType)) throw misuse('1, 3 or 4 channels', `${channels}`);
  if ((width * channels + 1) * height > maxRawBytes) {
    throw misuse(`at most ${maxRawBytes} bytes of pixels`, `${width}x${height}x${channels}`);
  }
  if (data.length !== width * height * channels) {
    const wanted = `${width * height * channels} bytes for ${width}x${height}x${channels}`;
    throw misuse(wanted, `${data.length}`);
  }
}

/** Each row with the filter whose bytes, read as signed, have the smallest sum of magnitudes. */
function filterRows({ width, height, channels, data }: PngImage): Uint8Array {
  const rowBytes = width * channels;
  const out = new Uint8Array((rowBytes + 1) * height);
  const candidates = Array.from({ length: 5 }, () => new Uint8Array(rowBytes));
  let above: Uint8Array = new Uint8Array(rowBytes);
  for (let y = 0; y < height; y++) {
    const row = data.subarray(y * rowBytes, (y + 1) * rowBytes);
    let best = 0;
    let bestSum = Number.POSITIVE_INFINITY;
    for (let filter = 0; filter < 5; filter++) {
      const sum = applyFilter(filter, row, above, channels, candidates[filter]!);
      if (sum < bestSum) [best, bestSum] = [filter, sum];
    }
    out[y * (rowBytes + 1)] = best;
    out.set(candidates[best]!, y * (rowBytes + 1) + 1);
    above = row;
  }
  return out;
}

/** Filters 0 to 4 of the standard: None, Sub, Up, Average, Paeth. Returns the sum of magnitudes. */
function applyFilter(
  filter: number,
  row: Uint8Array,
  above: Uint8Array,
  channels: number,
  out: Uint8Array,
): number {
  let sum = 0;
  for (let i = 0; i < row.length; i++) {
    const left = i < channels ? 0 : row[i - channels]!;
    const up = above[i]!;
    const corner = i < channels ? 0 : above[i - channels]!;
    const value = (row[i]! - predict(filter, left, up, corner)) & 0xff;
    out[i] = value;
    sum += value < 128 ? value : 256 - value;
  }
  return sum;
}

function predict(filter: number, left: number, up: number, corner: number): number {
  switch (filter) {
    case 1:
      return left;
    case 2:
      return up;
    case 3:
      return (left + up) >> 1;
    case 4:
      return paeth(left, up, corner);
    default:
      return 0;
  }
}

function paeth(left: number, up: number, corner: number): number {
  const toLeft = Math.abs(up - corner);
  const toUp = Math.abs(left - corner);
  const toCorner = Math.abs(left + up - 2 * corner);
  if (toLeft <= toUp && toLeft <= toCorner) return left;
  return toUp <= toCorner ? up : corner;
}

function textChunks(entries: readonly PngTextEntry[]): Uint8Array[] {
  let total = 0;
  return entries.map((entry) => {
    const { type, keyword, content } = encodeText(entry);
    total += keyword.length + content.length + chunkOverhead;
    if (content.length > pngTextLimits.chunkBytes || total > pngTextLimits.totalBytes) {
      const limits = `${pngTextLimits.chunkBytes} bytes per text, ${pngTextLimits.totalBytes} in all`;
      throw misuse(`at most ${limits}`, `${content.length} for ${entry.keyword}, ${total} in all`);
    }
    // iTXt: keyword, NUL, not compressed, method 0, no language, no translated keyword.
    const between = new Uint8Array(type === 'tEXt' ? 1 : 5);
    return chunk(type, concat([keyword, between, content]));
  });
}

function encodeText({ keyword, text, kind }: PngTextEntry) {
  requireKeyword(keyword);
  requireText(keyword, text);
  const isLatin1 = !/[\u0100-\uffff]/.test(text);
  if (kind === 'tEXt' && !isLatin1) throw misuse(`Latin-1 text for tEXt ${keyword}`, 'other text');
  const type = kind ?? (isLatin1 ? 'tEXt' : 'iTXt');
  const content = Buffer.from(text, type === 'tEXt' ? 'latin1' : 'utf8');
  return { type, keyword: Buffer.from(keyword, 'latin1'), content };
}

function requireKeyword(keyword: string): void {
  const isPrintable = /^[\u0020-\u007e\u00a1-\u00ff]{1,79}$/.test(keyword);
  if (isPrintable && !/^ | {2}| $/.test(keyword)) return;
  throw misuse(
    `a keyword of 1 to ${maxKeyword} printable Latin-1 characters, single spaces inside only`,
    JSON.stringify(keyword.slice(0, maxKeyword + 1)),
  );
}

function requireText(keyword: string, text: string): void {
  if (text.includes('\0')) throw misuse(`text without NUL for ${keyword}`, 'a NUL character');
  if (/\p{Surrogate}/u.test(text))
    throw misuse(`well-formed text for ${keyword}`, 'a lone surrogate');
}

function chunk(type: string, data: Uint8Array): Uint8Array {
  const out = new Uint8Array(12 + data.length);
  const view = new DataView(out.buffer);
  view.setUint32(0, data.length);
  out.set(Buffer.from(type, 'latin1'), 4);
  out.set(data, 8);
  view.setUint32(8 + data.length, crc32(out.subarray(4, 8 + data.length)));
  return out;
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

interface PngChunk {
  readonly type: string;
  readonly data: Uint8Array;
}

/** The chunks from IHDR to IEND. */
function* readChunks(bytes: Uint8Array): Generator<PngChunk, void, undefined> {
  if (!signature.every((byte, i) => bytes[i] === byte)) {
    throw refuse('the signature of a PNG file', 'other bytes');
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = signature.length;
  for (let isFirst = true; ; isFirst = false) {
    if (at + 12 > bytes.length) throw refuse('an IEND chunk', `the end of the file at byte ${at}`);
    const end = at + 12 + view.getUint32(at);
    const type = Buffer.from(bytes.subarray(at + 4, at + 8)).toString('latin1');
    if (!/^[A-Za-z]{4}$/.test(type)) throw refuse(`a chunk at byte ${at}`, 'another type');
    if (end > bytes.length) throw refuse(`${end} bytes for chunk ${type}`, `${bytes.length}`);
    if (isFirst !== (type === 'IHDR')) throw refuse('IHDR once, as the first chunk', type);
    if (crc32(bytes.subarray(at + 4, end - 4)) !== view.getUint32(end - 4)) {
      throw refuse(`the checksum of chunk ${type} at byte ${at}`, 'another one');
    }
    yield { type, data: bytes.subarray(at + 8, end - 4) };
    if (type === 'IEND') return;
    at = end;
  }
}

/** Splits a text chunk at its NUL bytes and inflates what is compressed. */
function readContent(
  type: PngText['kind'],
  data: Uint8Array,
): { keyword: string; content: Uint8Array } {
  const [name, afterName] = cutAtNul(type, 'keyword', data);
  if (name.length < 1 || name.length > maxKeyword) {
    throw refuse(`a ${type} keyword of 1 to ${maxKeyword} bytes`, `${name.length}`);
  }
  const keyword = Buffer.from(name).toString('latin1');
  if (type === 'tEXt') return { keyword, content: afterName };
  if (type === 'zTXt') {
    if (afterName[0] !== 0)
      throw refuse('zTXt compression method 0', `${afterName[0] ?? 'nothing'}`);
    return { keyword, content: inflate(type, afterName.subarray(1)) };
  }
  const [isCompressed, method] = afterName;
  if ((isCompressed !== 0 && isCompressed !== 1) || method !== 0) {
    throw refuse(
      'an iTXt compression flag of 0 or 1, method 0',
      `${isCompressed ?? 'nothing'}, ${method ?? 'nothing'}`,
    );
  }
  const [, afterLanguage] = cutAtNul(type, 'language', afterName.subarray(2));
  const [, content] = cutAtNul(type, 'translated keyword', afterLanguage);
  return { keyword, content: isCompressed === 1 ? inflate(type, content) : content };
}

function cutAtNul(type: string, field: string, data: Uint8Array): [Uint8Array, Uint8Array] {
  const at = data.indexOf(0);
  if (at < 0) throw refuse(`a NUL byte after the ${field} of a ${type} chunk`, 'none');
  return [data.subarray(0, at), data.subarray(at + 1)];
}

function inflate(type: string, data: Uint8Array): Uint8Array {
  try {
    return inflateSync(data, { maxOutputLength: pngTextLimits.chunkBytes });
  } catch (cause) {
    const isTooLong = cause instanceof RangeError;
    const expected = isTooLong
      ? `at most ${pngTextLimits.chunkBytes} bytes of text in ${type} after inflation`
      : `zlib data in a ${type} chunk`;
    throw refuse(expected, isTooLong ? 'more' : 'damaged data', cause);
  }
}

function decodeText(type: PngText['kind'], content: Uint8Array): string {
  if (type !== 'iTXt') return Buffer.from(content).toString('latin1');
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(content);
  } catch (cause) {
    throw refuse('UTF-8 in an iTXt chunk', 'other bytes', cause);
  }
}

function refuse(expected: string, got: string, cause?: unknown): MaliangError {
  return complain('IMAGE', { where: 'readPngText', expected, got }, cause);
}

function misuse(expected: string, got: string): MaliangError {
  const next = 'Correct the picture or the text given to the writer.';
  return complain('USAGE', { where: 'encodePng', expected, got, next });
}
