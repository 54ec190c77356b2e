/** @file PNG files: pixels as sharp decodes them, text chunks both ways, damaged and hostile files. */
import { crc32, deflateSync, inflateSync } from 'node:zlib';
import fc from 'fast-check';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { MaliangError } from '../../src/core/errors.js';
import { encodePng, type PngImage, pngTextLimits, readPngText } from '../../src/formats/png.js';

async function decode(bytes: Uint8Array): Promise<PngImage> {
  const { data, info } = await sharp(bytes).raw().toBuffer({ resolveWithObject: true });
  const { width, height, channels } = info;
  return { width, height, channels: channels as 1 | 3 | 4, data: new Uint8Array(data) };
}

function picture(
  width: number,
  height: number,
  channels: 1 | 3 | 4,
  value: (x: number, y: number, c: number) => number,
): PngImage {
  const data = new Uint8Array(width * height * channels);
  for (let i = 0; i < data.length; i++) {
    const pixel = Math.floor(i / channels);
    data[i] = value(pixel % width, Math.floor(pixel / width), i % channels);
  }
  return { width, height, channels, data };
}

const noise = (x: number, y: number, c: number): number =>
  Math.imul(x * 73 + y * 179 + c * 283 + 1, 2654435761) >>> 24;
const pictures: Record<string, PngImage> = {
  'one gray pixel': picture(1, 1, 1, () => 7),
  'one RGBA pixel': picture(1, 1, 4, (_x, _y, c) => 60 * c),
  'a gradient': picture(97, 61, 3, (x, y, c) => (x * 2 + y * (c + 1)) & 255),
  'a diagonal gradient': picture(64, 64, 1, (x, y) => (x + y) * 2),
  'flat colour': picture(64, 64, 4, (_x, _y, c) => [200, 30, 60, 255][c]!),
  'transparent noise': picture(33, 21, 4, noise),
  'gray noise': picture(50, 3, 1, noise),
  'a tall line': picture(1, 300, 3, noise),
  'a wide line': picture(300, 1, 3, noise),
};

/** Filter byte of every row. */
function filtersOf(png: Uint8Array, image: PngImage): Set<number> {
  const raw = inflateSync(chunksOf(png).find(({ type }) => type === 'IDAT')!.data);
  const stride = image.width * image.channels + 1;
  return new Set(Array.from({ length: image.height }, (_, y) => raw[y * stride]!));
}

describe('encodePng', () => {
  it.each(Object.entries(pictures))('%s: sharp decodes the same pixels', async (_, image) => {
    const decoded = await decode(encodePng(image));
    // A one-channel picture may come back as three equal channels.
    const step = decoded.channels / image.channels;
    expect([decoded.width, decoded.height]).toEqual([image.width, image.height]);
    expect(decoded.data.filter((_, i) => i % step === 0)).toEqual(image.data);
  });

  it('decodes to the same pixels for any picture', async () => {
    const image = fc
      .tuple(
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1, max: 20 }),
        fc.constantFrom<3 | 4>(3, 4),
      )
      .chain(([width, height, channels]) => {
        const size = width * height * channels;
        return fc
          .uint8Array({ minLength: size, maxLength: size })
          .map((data): PngImage => ({ width, height, channels, data }));
      });
    await fc.assert(
      fc.asyncProperty(image, async (given) => {
        expect(await decode(encodePng(given))).toEqual(given);
      }),
      { numRuns: 100 },
    );
  });

  it('writes the same bytes for the same picture', () => {
    const image = { ...pictures['a gradient']!, text: [{ keyword: 'k', text: 'v' }] };
    expect(encodePng(image)).toEqual(encodePng({ ...image, data: image.data.slice() }));
  });

  it('chooses filters by row and packs smooth pictures well', () => {
    const image = picture(64, 64, 3, (x, y) => (y < 32 ? 4 * x + noise(0, y, 0) : noise(x, 0, 0)));
    const filters = filtersOf(encodePng(image), image);
    expect([filters.has(1), filters.has(2)]).toEqual([true, true]);
    const gradient = pictures['a gradient']!;
    expect(encodePng(gradient).length).toBeLessThan(gradient.data.length / 20);
  });

  it('is as small as sharp at the same level, give or take a tenth', async () => {
    const image = picture(
      200,
      200,
      3,
      (x, y, c) => 128 + 100 * Math.sin(x / 19 + c) * Math.cos(y / 23) + noise(x, y, c) / 32,
    );
    const { width, height, channels, data } = image;
    const raw = sharp(data, { raw: { width, height, channels } });
    const other = await raw.png({ compressionLevel: 6, adaptiveFiltering: true }).toBuffer();
    expect(encodePng(image).length).toBeLessThan(other.length * 1.1);
  });

  it.each<[string, Partial<PngImage>]>([
    ['a width of zero', { width: 0 }],
    ['a fractional height', { height: 1.5 }],
    ['a huge side', { width: 65536 }],
    ['two channels', { channels: 2 as 3 }],
    ['too few bytes', { data: new Uint8Array(5) }],
    ['too many pixels', { width: 65535, height: 65535 }],
    ['an empty keyword', { text: [{ keyword: '', text: 'x' }] }],
    ['a long keyword', { text: [{ keyword: 'k'.repeat(80), text: 'x' }] }],
    ['a keyword with a line break', { text: [{ keyword: 'a\nb', text: 'x' }] }],
    ['a keyword with a NUL', { text: [{ keyword: 'a\0b', text: 'x' }] }],
    ['a keyword with outer space', { text: [{ keyword: ' a', text: 'x' }] }],
    ['a keyword with double space', { text: [{ keyword: 'a  b', text: 'x' }] }],
    ['a keyword outside Latin-1', { text: [{ keyword: '提示', text: 'x' }] }],
    ['a NUL in the text', { text: [{ keyword: 'k', text: 'a\0b' }] }],
    ['a lone surrogate in the text', { text: [{ keyword: 'k', text: '\udc00' }] }],
    ['tEXt outside Latin-1', { text: [{ keyword: 'k', text: '猫', kind: 'tEXt' }] }],
    ['a text over the limit', { text: [{ keyword: 'k', text: 'x'.repeat(2 ** 20 + 1) }] }],
    [
      'texts over the limit together',
      { text: new Array(5).fill({ keyword: 'k', text: 'x'.repeat(2 ** 20 - 20) }) },
    ],
  ])('refuses %s', (_, change) => {
    const given = { ...picture(2, 1, 3, () => 0), ...change };
    expect(() => encodePng(given)).toThrowErrorMatchingSnapshot();
  });
});

describe('text chunks', () => {
  const blank = picture(1, 1, 3, () => 0);

  it('takes tEXt for Latin-1, iTXt for other text or when asked', () => {
    const text = [
      { keyword: 'parameters', text: 'a café\nSteps: 20' },
      { keyword: 'parameters', text: '一只猫 🐱' },
      { keyword: 'XML:com.adobe.xmp', text: '<x/>', kind: 'iTXt' as const },
      { keyword: 'Ünïcode key', text: '' },
    ];
    const read = readPngText(encodePng({ ...blank, text }));
    expect(read).toEqual([
      { ...text[0], kind: 'tEXt' },
      { ...text[1], kind: 'iTXt' },
      text[2],
      { ...text[3], kind: 'tEXt' },
    ]);
  });

  it('writes text before the pixels, where sharp finds it', async () => {
    const text = [
      { keyword: 'parameters', text: 'naïve' },
      { keyword: 'prompt', text: '水墨' },
    ];
    const png = encodePng({ ...blank, text });
    expect(chunksOf(png).map(({ type }) => type)).toEqual(['IHDR', 'tEXt', 'iTXt', 'IDAT', 'IEND']);
    const { comments } = await sharp(png).metadata();
    expect(comments?.map(({ keyword }) => keyword)).toEqual(['parameters', 'prompt']);
    expect(comments?.[1]?.text).toBe('水墨');
  });

  it('reads a text of exactly the limit', () => {
    const text = 'x'.repeat(pngTextLimits.chunkBytes);
    expect(readPngText(encodePng({ ...blank, text: [{ keyword: 'k', text }] }))[0]!.text).toBe(
      text,
    );
  });

  it('gives any text back', () => {
    const text = fc
      .string({ unit: 'binary', maxLength: 60 })
      .filter((s) => !/\0|\p{Surrogate}/u.test(s));
    fc.assert(
      fc.property(fc.array(text, { maxLength: 4 }), (texts) => {
        const png = encodePng({ ...blank, text: texts.map((text) => ({ keyword: 'k', text })) });
        expect(readPngText(png).map(({ text }) => text)).toEqual(texts);
      }),
      { numRuns: 80 },
    );
  });

  it('reads compressed zTXt and iTXt', () => {
    const png = withChunks(
      ['zTXt', bytes('Comment\0\0', deflateSync(Buffer.from('café', 'latin1')))],
      ['iTXt', bytes('prompt\0\x01\0de\0Vorgabe\0', deflateSync('猫'))],
    );
    expect(readPngText(png)).toEqual([
      { keyword: 'Comment', text: 'café', kind: 'zTXt' },
      { keyword: 'prompt', text: '猫', kind: 'iTXt' },
    ]);
  });

  it('reads text after the pixels, and nothing after IEND', () => {
    const png = encodePng(blank);
    const late = Buffer.concat([
      png.subarray(0, -12),
      raw('tEXt', bytes('k\0late')),
      png.subarray(-12),
      raw('tEXt', bytes('k\0beyond')),
    ]);
    expect(readPngText(late).map(({ text }) => text)).toEqual(['late']);
  });
});

interface Chunk {
  readonly type: string;
  readonly data: Uint8Array;
}

function chunksOf(png: Uint8Array): Chunk[] {
  const chunks: Chunk[] = [];
  const buffer = Buffer.from(png);
  for (let at = 8; at < buffer.length; at += 12 + buffer.readUInt32BE(at)) {
    const data = buffer.subarray(at + 8, at + 8 + buffer.readUInt32BE(at));
    chunks.push({ type: buffer.toString('latin1', at + 4, at + 8), data });
  }
  return chunks;
}

function bytes(...parts: (string | Uint8Array)[]): Uint8Array {
  return Buffer.concat(
    parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : part)),
  );
}

function raw(type: string, data: Uint8Array): Uint8Array {
  const out = Buffer.alloc(12 + data.length);
  out.writeUInt32BE(data.length, 0);
  out.write(type, 4, 'latin1');
  out.set(data, 8);
  out.writeUInt32BE(crc32(out.subarray(4, 8 + data.length)), 8 + data.length);
  return out;
}

/** A one-pixel picture with these chunks after its header. */
function withChunks(...chunks: (readonly [type: string, data: Uint8Array])[]): Uint8Array {
  const png = encodePng(picture(1, 1, 3, () => 0));
  return Buffer.concat([
    png.subarray(0, 33),
    ...chunks.map(([type, data]) => raw(type, data)),
    png.subarray(33),
  ]);
}

const limit = pngTextLimits.chunkBytes;
const sound = encodePng({
  ...picture(2, 2, 3, noise),
  text: [
    { keyword: 'k', text: 'v' },
    { keyword: 'k', text: '猫' },
  ],
});
const flipped = Uint8Array.from(sound);
flipped[45]! ^= 1;

const hostile: Record<string, Uint8Array> = {
  'no bytes': new Uint8Array(0),
  'a JPEG': Uint8Array.of(0xff, 0xd8, 0xff, 0xe0, 0, 16, 0x4a, 0x46, 0x49, 0x46),
  'only the signature': sound.subarray(0, 8),
  'a file cut inside a chunk': sound.subarray(0, 50),
  'a file without IEND': sound.subarray(0, -12),
  'a wrong checksum in a text chunk': flipped,
  'a chunk length beyond the file': bytes(
    sound.subarray(0, 33),
    '\xff\xff\xff\xff',
    sound.subarray(37),
  ),
  'a chunk type that is not letters': withChunks(['t\0Xt', bytes('k\0v')]),
  'a second IHDR': withChunks(['IHDR', sound.subarray(16, 29)]),
  'text before IHDR': bytes(sound.subarray(0, 8), raw('tEXt', bytes('k\0v')), sound.subarray(8)),
  'a tEXt without a NUL': withChunks(['tEXt', bytes('keyword')]),
  'an empty keyword': withChunks(['tEXt', bytes('\0text')]),
  'a keyword of 80 bytes': withChunks(['tEXt', bytes('k'.repeat(80), '\0text')]),
  'an unknown zTXt method': withChunks(['zTXt', bytes('k\0\x01', deflateSync('x'))]),
  'a zTXt without a method': withChunks(['zTXt', bytes('k\0')]),
  'zTXt data that is not zlib': withChunks(['zTXt', bytes('k\0\0', 'not zlib')]),
  'zTXt data that ends early': withChunks([
    'zTXt',
    bytes('k\0\0', deflateSync('x'.repeat(99)).subarray(0, -6)),
  ]),
  'an iTXt compression flag of 2': withChunks(['iTXt', bytes('k\0\x02\0\0\0', 'x')]),
  'an iTXt cut after the keyword': withChunks(['iTXt', bytes('k\0')]),
  'an iTXt without a language': withChunks(['iTXt', bytes('k\0\0\0en')]),
  'an iTXt without a translated keyword': withChunks(['iTXt', bytes('k\0\0\0en\0tr')]),
  'an iTXt that is not UTF-8': withChunks(['iTXt', bytes('k\0\0\0\0\0', '\xff\xfe')]),
  'a zTXt bomb': withChunks(['zTXt', bytes('k\0\0', deflateSync(Buffer.alloc(20 * limit)))]),
  'an iTXt bomb': withChunks([
    'iTXt',
    bytes('k\0\x01\0\0\0', deflateSync(Buffer.alloc(20 * limit))),
  ]),
  'a tEXt over the limit': withChunks(['tEXt', bytes('k\0', new Uint8Array(limit + 1).fill(65))]),
  'five bombs, each within the limit': withChunks(
    ...Array.from(
      { length: 5 },
      () => ['zTXt', bytes('k\0\0', deflateSync(Buffer.alloc(limit)))] as const,
    ),
  ),
  'very many empty texts': bytes(
    sound.subarray(0, 33),
    Buffer.concat(new Array<Uint8Array>(330_000).fill(raw('tEXt', bytes('k\0')))),
    sound.subarray(33),
  ),
};

describe('readPngText refuses', () => {
  it.each(Object.entries(hostile))('%s', (_, file) => {
    expect(() => readPngText(file)).toThrowErrorMatchingSnapshot();
  });

  it('or reads any mutated file', () => {
    const edits = fc.array(fc.tuple(fc.nat(sound.length - 1), fc.nat(255)), {
      minLength: 1,
      maxLength: 4,
    });
    const fixesChecksums = fc.boolean();
    let refused = 0;
    fc.assert(
      fc.property(edits, fixesChecksums, fc.nat(sound.length), (list, fixes, length) => {
        const file = sound.slice(0, Math.max(length, 60));
        for (const [at, value] of list) file[at % file.length] = value;
        if (fixes) repairChecksums(file);
        try {
          readPngText(file);
        } catch (error) {
          if (!(error instanceof MaliangError) || error.code !== 'IMAGE') throw error;
          refused++;
        }
      }),
      { numRuns: 3000 },
    );
    expect(refused).toBeGreaterThan(100);
  });
});

function repairChecksums(file: Uint8Array): void {
  const view = new DataView(file.buffer);
  for (let at = 8; at + 12 <= file.length; ) {
    const end = at + 12 + view.getUint32(at);
    if (end > file.length) return;
    view.setUint32(end - 4, crc32(file.subarray(at + 4, end - 4)));
    at = end;
  }
}
