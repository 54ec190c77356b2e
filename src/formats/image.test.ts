/** @file The image door: formats and damage it refuses, pixels it returns, SVG kept to the data build. */
import { constants, deflateRawSync, deflateSync } from 'node:zlib';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { MaliangError } from '../core/errors.js';
import { decodeImage, type RasterImage, renderSvg, resizeImage } from './image.js';

const svg = (body: string, size = 32): string =>
  `<svg xmlns="http://www.w3.org/2000/svg" width="${size}" height="${size}" viewBox="0 0 8 8">${body}</svg>`;

/** A noisy 40x24 RGB picture, so that every format has something to lose. */
function noisy(width = 40, height = 24): Buffer {
  return Buffer.from(
    Array.from({ length: width * height * 3 }, (_, i) => (i * 7919 + (i >> 3) * 31) % 251),
  );
}

function raw(data: Buffer, width: number, height: number, channels: 1 | 3 | 4 = 3) {
  return sharp(data, { raw: { width, height, channels } });
}

async function refusal(bytes: Uint8Array, maxPixels?: number): Promise<string> {
  try {
    await decodeImage(bytes, { channels: 3, ...(maxPixels ? { maxPixels } : {}) });
  } catch (error) {
    expect(error).toBeInstanceOf(MaliangError);
    expect((error as MaliangError).code).toBe('IMAGE');
    return (error as MaliangError).message;
  }
  return 'decoded';
}

/** A PNG chunk with a correct checksum. */
function chunk(type: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const out = Buffer.alloc(8 + body.length);
  out.writeUInt32BE(data.length, 0);
  body.copy(out, 4);
  out.writeUInt32BE(crc32(body), 4 + body.length);
  return out;
}

function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return (crc ^ 0xffffffff) >>> 0;
}

/** A zlib stream of `mebibytes` of zeros, made without holding them. */
function zeros(mebibytes: number): Buffer {
  const block = deflateRawSync(Buffer.alloc(2 ** 20), { finishFlush: constants.Z_FULL_FLUSH });
  const checksum = Buffer.alloc(4);
  checksum.writeUInt32BE((((mebibytes * 2 ** 20) % 65521) * 65536 + 1) >>> 0);
  const blocks = Array.from({ length: mebibytes }, () => block);
  return Buffer.concat([Buffer.from([0x78, 0x9c]), ...blocks, Buffer.from([3, 0]), checksum]);
}

function pngHeader(width: number, height: number): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  return Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), chunk('IHDR', header)]);
}

describe('decodeImage', () => {
  it('returns the exact pixels of a PNG', async () => {
    const pixels = noisy();
    const png = await raw(pixels, 40, 24).png().toBuffer();
    const image = await decodeImage(png, { channels: 3 });
    expect(image).toMatchObject({ width: 40, height: 24, channels: 3 });
    expect(Buffer.compare(Buffer.from(image.data), pixels)).toBe(0);
  });

  it('returns the exact pixels of a lossless WebP and near ones of a JPEG', async () => {
    const flat = Buffer.alloc(16 * 16 * 3, 100);
    const webp = await raw(noisy(), 40, 24).webp({ lossless: true }).toBuffer();
    const jpeg = await raw(flat, 16, 16).jpeg({ quality: 95 }).toBuffer();
    expect(Buffer.from((await decodeImage(webp, { channels: 3 })).data)).toEqual(noisy());
    for (const value of (await decodeImage(jpeg, { channels: 3 })).data) {
      expect(Math.abs(value - 100)).toBeLessThanOrEqual(2);
    }
  });

  it('flattens onto white for 3 channels and keeps straight alpha for 4', async () => {
    const png = await raw(Buffer.from([200, 40, 0, 128]), 1, 1, 4)
      .png()
      .toBuffer();
    expect([...(await decodeImage(png, { channels: 4 })).data]).toEqual([200, 40, 0, 128]);
    const [red, green, blue] = (await decodeImage(png, { channels: 3 })).data;
    expect([red, green, blue]).toEqual([227, 147, 127]);
    const opaque = await raw(Buffer.from([1, 2, 3]), 1, 1)
      .png()
      .toBuffer();
    expect([...(await decodeImage(opaque, { channels: 4 })).data]).toEqual([1, 2, 3, 255]);
  });

  it('widens grey, narrows 16 bit, converts CMYK, and turns by EXIF', async () => {
    const grey = await raw(Buffer.from([0, 90, 180, 255]), 2, 2, 1)
      .toColourspace('b-w')
      .png()
      .toBuffer();
    expect([...(await decodeImage(grey, { channels: 3 })).data.slice(3, 6)]).toEqual([90, 90, 90]);
    const deep = await raw(Buffer.from([10, 20, 30]), 1, 1)
      .toColourspace('rgb16')
      .png()
      .toBuffer();
    expect([...(await decodeImage(deep, { channels: 3 })).data]).toEqual([10, 20, 30]);
    const cmyk = await raw(Buffer.alloc(192, 255), 8, 8).toColourspace('cmyk').jpeg().toBuffer();
    const fromCmyk = await decodeImage(cmyk, { channels: 3 });
    expect(fromCmyk.data).toHaveLength(192);
    expect(Math.min(...fromCmyk.data)).toBeGreaterThan(245);
    const turned = await raw(noisy(), 40, 24).jpeg().withMetadata({ orientation: 6 }).toBuffer();
    expect(await decodeImage(turned, { channels: 3 })).toMatchObject({ width: 24, height: 40 });
  });

  it('names what it got when the bytes are no PNG, JPEG or WebP', async () => {
    const gif = await raw(noisy(), 40, 24).gif().toBuffer();
    const tiff = await raw(noisy(), 40, 24).tiff().toBuffer();
    const ftyp = (brand: string): Buffer => Buffer.from(`\0\0\0\x18ftyp${brand}\0\0\0\0`, 'latin1');
    const files: readonly [Uint8Array, string][] = [
      [new Uint8Array(), 'zero bytes'],
      [gif, 'a GIF file'],
      [tiff, 'a TIFF file'],
      [Buffer.from(svg('<rect width="8" height="8"/>')), 'an SVG or XML file'],
      [Buffer.from('<?xml version="1.0"?><svg/>'), 'an SVG or XML file'],
      [ftyp('heic'), 'a HEIC file'],
      [ftyp('avif'), 'an AVIF file'],
      [Buffer.from('%PDF-1.7'), 'a PDF file'],
      [Buffer.from('BM123456'), 'a BMP file'],
      [Buffer.from('hello world'), 'a file beginning with 68656c6c6f20776f'],
      [Buffer.from([1]), 'a file beginning with 01'],
    ];
    for (const [bytes, got] of files) {
      expect(await refusal(bytes)).toBe(
        `decodeImage: expected a PNG, JPEG or WebP file, got ${got}. Convert it to PNG, JPEG or WebP within the limits the message gives.`,
      );
    }
  });

  it('refuses files cut anywhere', async () => {
    const picture = raw(noisy(80, 60), 80, 60);
    const files = [
      await picture.clone().png().toBuffer(),
      await picture.clone().jpeg().toBuffer(),
      await picture.clone().webp().toBuffer(),
    ];
    for (const file of files) {
      expect(await refusal(file)).toBe('decoded');
      for (const share of [0.02, 0.3, 0.6, 0.9]) {
        const cut = file.subarray(0, Math.max(12, Math.floor(file.length * share)));
        expect(await refusal(cut)).toMatch(
          /^decodeImage: expected a complete (PNG|JPEG|WEBP) file/,
        );
      }
    }
  });

  it('refuses by the header what has too many pixels, without decoding it', async () => {
    const claim = Buffer.concat([
      pngHeader(14000, 14000),
      chunk('IDAT', deflateSync(Buffer.alloc(1000))),
      chunk('IEND', new Uint8Array()),
    ]);
    expect(await refusal(claim)).toContain('at most 50000000 pixels, got 14000x14000 = 196000000');
    const small = await raw(noisy(), 40, 24).png().toBuffer();
    expect(await refusal(small, 959)).toContain('at most 959 pixels, got 40x24 = 960');
    expect(await refusal(small, 960)).toBe('decoded');
  });

  it('does not inflate a compressed text bomb', async () => {
    const small = await raw(noisy(), 40, 24).png().toBuffer();
    const afterHeader = 8 + 25;
    const text = Buffer.concat([Buffer.from('Comment\0\0', 'latin1'), zeros(256)]);
    const file = Buffer.concat([
      small.subarray(0, afterHeader),
      chunk('zTXt', text),
      small.subarray(afterHeader),
    ]);
    const before = process.resourceUsage().maxRSS;
    await refusal(file);
    expect((process.resourceUsage().maxRSS - before) / 1024).toBeLessThan(64); // MiB at the peak
  });

  it('takes the first frame of an animation', async () => {
    const frames = Buffer.concat([Buffer.alloc(300, 200), Buffer.alloc(300, 20)]);
    const film = await sharp(frames, {
      raw: { width: 10, height: 20, channels: 3, pageHeight: 10 },
    })
      .webp({ lossless: true, delay: 100 })
      .toBuffer();
    expect(film.includes('ANIM')).toBe(true);
    const { width, height, data } = await decodeImage(film, { channels: 3 });
    expect([width, height, ...new Set(data)]).toEqual([10, 10, 200]);
  });

  it('decodes many files at once, a bad one among them', async () => {
    const png = await raw(noisy(), 40, 24).png().toBuffer();
    const jobs = Array.from({ length: 12 }, (_, i) => refusal(i === 3 ? png.subarray(0, 90) : png));
    const results = await Promise.all(jobs);
    expect(results.filter((result) => result === 'decoded')).toHaveLength(11);
  });
});

describe('resizeImage', () => {
  const checker: RasterImage = {
    width: 2,
    height: 2,
    channels: 3,
    data: Uint8Array.from([255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9]),
  };

  it('repeats pixels with nearest', async () => {
    const { width, height, data } = await resizeImage(checker, {
      width: 4,
      height: 4,
      kernel: 'nearest',
    });
    expect([width, height]).toEqual([4, 4]);
    expect([...data.slice(0, 12)]).toEqual([255, 0, 0, 255, 0, 0, 0, 255, 0, 0, 255, 0]);
  });

  it('keeps the colour of transparent edges', async () => {
    const data = new Uint8Array(16 * 16 * 4); // transparent black, with an opaque red half
    for (let i = 0; i < 16 * 16; i++) if (i % 16 < 8) data.set([255, 0, 0, 255], i * 4);
    const image = { width: 16, height: 16, channels: 4 as const, data };
    const small = await resizeImage(image, { width: 5, height: 5, kernel: 'lanczos3' });
    for (let i = 0; i < 25; i++) {
      if (small.data[i * 4 + 3]! > 20) expect(small.data[i * 4]).toBeGreaterThan(240);
    }
  });

  it('crops the centre with cover', async () => {
    const data = new Uint8Array(30 * 10 * 3).fill(0);
    for (let i = 0; i < 300; i++) if (i % 30 >= 10 && i % 30 < 20) data.fill(200, i * 3, i * 3 + 3);
    const image = { width: 30, height: 10, channels: 3 as const, data };
    const square = await resizeImage(image, {
      width: 10,
      height: 10,
      kernel: 'nearest',
      fit: 'cover',
    });
    expect(new Set(square.data)).toEqual(new Set([200]));
  });

  it('complains about sizes and data that do not fit', async () => {
    await expect(resizeImage(checker, { width: 0, height: 4, kernel: 'cubic' })).rejects.toThrow(
      'resizeImage: expected width to be an integer from 1 to 16384, got 0. Change `width`.',
    );
    await expect(
      resizeImage({ ...checker, width: 3 }, { width: 4, height: 4, kernel: 'cubic' }),
    ).rejects.toThrow('resizeImage: expected 18 bytes for 3x2x3, got 12.');
  });
});

describe('renderSvg', () => {
  it('multiplies colour by alpha', async () => {
    const half = '<rect width="8" height="8" fill="#ff8000" fill-opacity="0.5"/>';
    const { size, data } = await renderSvg(svg(half), { size: 32 });
    expect(size).toBe(32);
    const [red, green, blue, alpha] = data;
    expect(alpha).toBe(128);
    expect([red, green, blue]).toEqual([128, 64, 0]);
  });

  it('averages supersampled edges without dark fringes', async () => {
    const disc = '<circle cx="4" cy="4" r="3.3" fill="#fff"/>';
    const { data } = await renderSvg(svg(disc, 64), { size: 16, supersample: 4 });
    let edges = 0;
    for (let i = 0; i < data.length; i += 4) {
      const alpha = data[i + 3]!;
      if (alpha > 0 && alpha < 255) edges++;
      for (const channel of [0, 1, 2])
        expect(Math.abs(data[i + channel]! - alpha)).toBeLessThanOrEqual(1);
    }
    expect(edges).toBeGreaterThan(20);
  });

  it('names its place when the text is no SVG', async () => {
    await expect(renderSvg('<svg', { size: 8 })).rejects.toThrow(
      /^renderSvg: expected an SVG that can be drawn/,
    );
  });

  it('closes the SVG loader again, also after failures and overlapping calls', async () => {
    const square = svg('<rect width="8" height="8"/>');
    await Promise.allSettled([
      renderSvg(square, { size: 8 }),
      renderSvg('<svg', { size: 8 }),
      renderSvg(square, { size: 8 }),
    ]);
    await expect(sharp(Buffer.from(square)).metadata()).rejects.toThrow();
    expect(await refusal(Buffer.from(square))).toContain('an SVG or XML file');
  });
});
