/** @file Texts of PNG, JPEG and WebP files: what we write is read, damage is named, size is bounded, nothing hangs. */
import { crc32, deflateSync } from 'node:zlib';
import fc from 'fast-check';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import type { ByteSource } from '../../src/formats/byte-source.js';
import { writeExif } from '../../src/formats/exif.js';
import { encodeImage } from '../../src/formats/image.js';
import { withJpegMetadata } from '../../src/formats/jpeg-metadata.js';
import { readPictureMetadata } from '../../src/formats/picture-metadata.js';
import { encodePng } from '../../src/formats/png.js';
import { withWebpMetadata } from '../../src/formats/webp-metadata.js';
import { exifBlock } from '../exif-block.js';

const image = {
  width: 20,
  height: 12,
  channels: 3,
  data: Uint8Array.from({ length: 20 * 12 * 3 }, (_, i) => (i * 37) % 251),
} as const;
const texts = { comment: 'prompt 红苹果 🍎\nSteps: 4', software: 'Maliang 1' };
const exif = writeExif({ ...texts, ...image });
const xmp = '<x:xmpmeta xmlns:x="adobe:ns:meta/"/>';

const read = (bytes: Uint8Array | ByteSource) => readPictureMetadata(bytes, 'f');

function chunk(type: string, data: Uint8Array, length = data.length): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const out = Buffer.alloc(8 + body.length);
  out.writeUInt32BE(length, 0);
  body.copy(out, 4);
  out.writeUInt32BE(crc32(body), 4 + body.length);
  return out;
}

/** A PNG with these chunks before its pixels. */
function pngWith(...chunks: Uint8Array[]): Buffer {
  const png = Buffer.from(encodePng(image));
  return Buffer.concat([png.subarray(0, 33), ...chunks, png.subarray(33)]);
}

const text = (type: string, ...parts: (string | Uint8Array)[]): Buffer =>
  chunk(type, Buffer.concat(parts.map((part) => Buffer.from(part as string))));

/** Bytes that are there only when they are read. */
function spread(parts: readonly (readonly [at: number, bytes: Uint8Array])[], size: number) {
  let readBytes = 0;
  const source: ByteSource = {
    size,
    read: async (at, length) => {
      readBytes += length;
      const out = new Uint8Array(Math.max(0, Math.min(length, size - at)));
      for (const [start, bytes] of parts) {
        for (let i = 0; i < bytes.length; i++) {
          const place = start + i - at;
          if (place >= 0 && place < out.length) out[place] = bytes[i]!;
        }
      }
      return out;
    },
  };
  return { source, readBytes: () => readBytes };
}

describe('what is written is read', () => {
  it('in JPEG, and sharp finds the same', async () => {
    const plain = await encodeImage(image, { format: 'jpeg', quality: 90 });
    const jpeg = withJpegMetadata(plain, { exif, xmp, comment: 'né 红' });
    const found = await read(jpeg);
    expect(found).toMatchObject({ format: 'jpeg', width: 20, height: 12, xmp, warnings: [] });
    expect(found.texts).toEqual([
      { keyword: 'Software', text: 'Maliang 1', place: 'EXIF' },
      { keyword: 'UserComment', text: texts.comment, place: 'EXIF' },
      { keyword: 'Comment', text: 'né 红', place: 'COM' },
    ]);
    const metadata = await sharp(jpeg).metadata();
    expect(metadata.xmp?.toString()).toBe(xmp);
    expect(metadata.exif?.subarray(6)).toEqual(Buffer.from(exif));
    const pixels = (bytes: Uint8Array) => sharp(bytes).raw().toBuffer();
    expect(await pixels(jpeg)).toEqual(await pixels(plain));
  });

  it.each([70, 'lossless'] as const)('in WebP of quality %s', async (quality) => {
    const plain = await encodeImage(image, { format: 'webp', quality });
    const webp = withWebpMetadata(plain, { exif, xmp }, image);
    const found = await read(webp);
    expect(found).toMatchObject({ format: 'webp', width: 20, height: 12, xmp, warnings: [] });
    expect(found.texts.map(({ text: one }) => one)).toEqual(['Maliang 1', texts.comment]);
    const metadata = await sharp(webp).metadata();
    expect(metadata.xmp?.toString()).toBe(xmp);
    expect(metadata.exif?.subarray(-exif.length)).toEqual(Buffer.from(exif));
    const back = await sharp(webp).raw().toBuffer();
    expect(back).toEqual(await sharp(plain).raw().toBuffer());
    if (quality === 'lossless') expect(new Uint8Array(back)).toEqual(image.data);
    expect(withWebpMetadata(plain, {}, image)).toBe(plain);
  });

  it('in PNG, by all three kinds of text', async () => {
    const bytes = pngWith(
      text('tEXt', 'a\0b'),
      text('zTXt', 'z\0\0', deflateSync(Buffer.from('long'))),
      text('iTXt', 'i\0\u0001\0en\0\0', deflateSync(Buffer.from('红'))),
      text('iTXt', 'XML:com.adobe.xmp\0\0\0\0\0', xmp),
      chunk('eXIf', exif),
      chunk('caBX', Uint8Array.of(1)),
    );
    expect(await read(bytes)).toEqual({
      format: 'png',
      width: 20,
      height: 12,
      frames: 1,
      hasC2pa: true,
      xmp,
      warnings: [],
      texts: [
        { keyword: 'a', text: 'b', place: 'tEXt' },
        { keyword: 'z', text: 'long', place: 'zTXt' },
        { keyword: 'i', text: '红', place: 'iTXt' },
        { keyword: 'Software', text: 'Maliang 1', place: 'EXIF' },
        { keyword: 'UserComment', text: texts.comment, place: 'EXIF' },
      ],
    });
  });
});

describe('EXIF of others', () => {
  const commentIn = async (value: Buffer, little = true) =>
    (await read(pngWith(chunk('eXIf', exifBlock(0x9286, value, { little }))))).texts[0]?.text;
  const unicode = (body: Buffer): Buffer => Buffer.concat([Buffer.from('UNICODE\0'), body]);
  const utf16 = (body: string): Buffer => Buffer.from(body, 'utf16le');

  it.each([
    ['UTF-16 as the block says', unicode(utf16('a 红')), true],
    ['UTF-16 of the webui in a block of the other order', unicode(utf16('a 红').swap16()), true],
    ['the same the other way round', unicode(utf16('a 红')), false],
    ['UTF-16 with a mark', unicode(utf16('\ufeffa 红')), false],
    ['ASCII that is UTF-8', Buffer.from('ASCII\0\0\0a 红'), true],
    ['no character set', Buffer.from('\0\0\0\0\0\0\0\0a 红\0\0'), true],
    ['no prefix, as Pillow writes it', Buffer.from('a 红'), false],
  ])('a comment in %s', async (_, value, little) => {
    expect(await commentIn(value, little)).toBe('a 红');
  });

  it('Latin-1 where it is not UTF-8', async () => {
    const bytes = pngWith(
      chunk('eXIf', exifBlock(0x010f, Buffer.from('Caf\xe9 n\xe9\0', 'latin1'), { type: 2 })),
    );
    expect((await read(bytes)).texts).toEqual([
      { keyword: 'Make', text: 'Café né', place: 'EXIF' },
    ]);
  });

  it('damage is named and the rest is read', async () => {
    const far = exifBlock(0x9286, Buffer.from('x'));
    far.writeUInt32LE(2 ** 31, 18);
    far.writeUInt32LE(2 ** 30, 14);
    const many = exifBlock(0x9286, Buffer.from('x'));
    many.writeUInt16LE(60_000, 8);
    const lost = exifBlock(0x9286, Buffer.from('x'));
    lost.writeUInt32LE(2 ** 32 - 1, 4);
    const found = await read(
      pngWith(
        chunk('eXIf', far),
        chunk('eXIf', many),
        chunk('eXIf', lost),
        chunk('eXIf', Buffer.from('II')),
      ),
    );
    expect(found.texts).toEqual([]);
    expect(found.warnings).toMatchInlineSnapshot(`
      [
        "f: EXIF UserComment is broken and not read: expected text inside the block, got 1073741824 bytes at 2147483648 of 27.",
        "f: chunk eXIf is broken and not read: expected an EXIF directory of at most 512 entries inside the block, got 60000.",
        "f: chunk eXIf is broken and not read: expected an EXIF directory inside the block, got byte 4294967295.",
        "f: chunk eXIf is broken and not read: expected a TIFF header, got other bytes.",
      ]
    `);
  });
});

describe('damage and size', () => {
  it('a chunk of 100 MB is not read, and the texts behind it are', async () => {
    const size = 100 * 2 ** 20;
    const png = encodePng({ ...image, text: [{ keyword: 'after', text: 'x' }] });
    const head = Buffer.from('\0\0\0\0tEXtprompt\0');
    head.writeUInt32BE(size, 0);
    const start = 33 + 12 + size;
    const { source, readBytes } = spread(
      [
        [0, png.subarray(0, 33)],
        [33, head],
        [start, png.subarray(33)],
      ],
      start + png.length - 33,
    );
    const found = await read(source);
    expect(found.texts).toEqual([{ keyword: 'after', text: 'x', place: 'tEXt' }]);
    expect(found.warnings).toEqual([
      'f: chunk tEXt "prompt" has 104857600 bytes, more than 1048576; it is not read.',
    ]);
    expect(readBytes()).toBeLessThan(2 ** 20);
  });

  it('texts that grow when they are inflated are bounded', async () => {
    const zeros = deflateSync(Buffer.alloc(64 * 2 ** 20));
    const found = await read(pngWith(text('zTXt', 'bomb\0\0', zeros), text('tEXt', 'a\0b')));
    expect(found.warnings).toEqual([
      'f: chunk zTXt "bomb" is broken and not read: expected at most 1048576 bytes of text in zTXt after inflation, got more.',
    ]);
    expect(found.texts).toHaveLength(1);
  });

  it('many texts are bounded together, compressed or not', async () => {
    const million = Buffer.alloc(1_000_000, 'x');
    const plain = pngWith(...Array.from({ length: 6 }, () => text('tEXt', 'a\0', million)));
    expect((await read(plain)).texts).toHaveLength(4);
    const packed = deflateSync(million);
    const small = pngWith(...Array.from({ length: 30 }, () => text('zTXt', 'a\0\0', packed)));
    const found = await read(small);
    expect(found.texts).toHaveLength(4);
    expect(found.warnings).toHaveLength(20);
  });

  it('broken chunks are named', async () => {
    const wrong = text('tEXt', 'sum\0x');
    wrong[wrong.length - 1]! ^= 1;
    const found = await read(
      pngWith(
        wrong,
        text('tEXt', 'no end'),
        text('zTXt', 'z\0\u0007'),
        text('iTXt', 'i\0\u0002\0\0\0'),
        text('iTXt', 'u\0\0\0\0\0', Uint8Array.of(0xff)),
      ),
    );
    expect(found.texts).toEqual([]);
    expect(found.warnings).toMatchInlineSnapshot(`
      [
        "f: chunk tEXt "sum" has a wrong checksum and is not read.",
        "f: chunk tEXt "no end" is broken and not read: expected a NUL byte after the keyword of a tEXt chunk, got none.",
        "f: chunk zTXt "z" is broken and not read: expected zTXt compression method 0, got 7.",
        "f: chunk iTXt "i" is broken and not read: expected an iTXt compression flag of 0 or 1, method 0, got 2, 0.",
        "f: chunk iTXt "u" is broken and not read: expected UTF-8 in an iTXt chunk, got other bytes.",
      ]
    `);
  });

  it('files that are cut off give what is before', async () => {
    const bytes = pngWith(text('tEXt', 'a\0b'));
    const cut = await read(bytes.subarray(0, bytes.length - 30));
    expect(cut.texts).toHaveLength(1);
    expect(cut.warnings[0]).toMatch(/^f: (chunk IDAT at byte \d+ is cut off|the file ends)/);
    const webp = withWebpMetadata(
      await encodeImage(image, { format: 'webp', quality: 50 }),
      { exif, xmp },
      image,
    );
    expect((await read(webp.subarray(0, webp.length - 8))).warnings).toEqual([
      `f: the file is cut off: ${webp.length} bytes wanted, ${webp.length - 8} there.`,
      expect.stringMatching(/^f: chunk "XMP " at byte \d+ is cut off\.$/),
    ]);
    const jpeg = withJpegMetadata(await encodeImage(image, { format: 'jpeg', quality: 50 }), {
      exif,
    });
    expect((await read(jpeg.subarray(0, 40))).warnings[0]).toMatch(
      /^f: the segment at byte \d+ is cut off/,
    );
  });

  it('a bomb of pixels is only a header', async () => {
    const header = Buffer.alloc(13);
    header.writeUInt32BE(100_000, 0);
    header.writeUInt32BE(100_000, 4);
    const signature = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1');
    const bytes = Buffer.concat([signature, chunk('IHDR', header), chunk('IEND', Buffer.alloc(0))]);
    expect(await read(bytes)).toMatchObject({ width: 100_000, height: 100_000 });
  });

  it('animations say how many frames they have', async () => {
    const control = Buffer.alloc(8);
    control.writeUInt32BE(3, 0);
    expect(await read(pngWith(chunk('acTL', control)))).toMatchObject({ frames: 3 });
    const two = Buffer.concat([Buffer.from(image.data), Buffer.from(image.data.toReversed())]);
    const raw = { width: 20, height: 24, channels: 3, pageHeight: 12 } as const;
    const webp = await sharp(two, { raw }).webp({ loop: 0 }).toBuffer();
    expect(await read(webp)).toMatchObject({ frames: 2 });
  });

  it.each([
    ['zero bytes', Buffer.alloc(0), 'zero bytes'],
    ['words', Buffer.from('hello there'), 'a file beginning with 68656c6c6f207468'],
    ['a GIF', Buffer.from('GIF89a'), 'a file beginning with 474946383961'],
  ])('%s is IMAGE', async (_, bytes, got) => {
    await expect(read(bytes)).rejects.toMatchObject({
      code: 'IMAGE',
      message: expect.stringContaining(`f: expected a PNG, JPEG or WebP file, got ${got}.`),
    });
  });

  it('no bytes make it crash, and a million empty chunks do not hold it up', async () => {
    const many = Buffer.concat(
      Array.from({ length: 150_000 }, () => chunk('tEXt', Buffer.alloc(0))),
    );
    const { warnings } = await read(pngWith(many));
    expect(warnings).toHaveLength(20);
    const plain = { exif, xmp, comment: 'c' };
    const files = [
      pngWith(text('zTXt', 'z\0\0', deflateSync(Buffer.from('long'))), chunk('eXIf', exif)),
      withJpegMetadata(await encodeImage(image, { format: 'jpeg', quality: 50 }), plain),
      withWebpMetadata(await encodeImage(image, { format: 'webp', quality: 50 }), plain, image),
    ];
    const edit = fc.tuple(fc.nat(400), fc.nat(255));
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...files),
        fc.array(edit, { maxLength: 8 }),
        fc.nat(900),
        async (file, edits, end) => {
          const bytes = Uint8Array.from(file.subarray(0, Math.max(12, file.length - end)));
          for (const [at, value] of edits) if (at >= 12) bytes[at % bytes.length] = value;
          bytes.set(file.subarray(0, 12));
          const found = await read(bytes);
          expect(found.texts.length).toBeLessThan(10);
        },
      ),
      { numRuns: 300 },
    );
  });
});
