/** @file Pictures and masks to start from, as users give them: sizes, formats, strength, variations, refusals. */
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { floatTensor } from '../../src/core/tensor-data.js';
import type { RasterImage } from '../../src/formats/image.js';
import type { GenerateOptions } from '../../src/pipelines/generation-request.js';
import { TextToImage } from '../../src/pipelines/text-to-image.js';
import { type ReferenceFolder, referenceFolder } from '../reference-folder.js';

let folder: ReferenceFolder;
let pipe: TextToImage;
beforeAll(async () => {
  folder = referenceFolder('sd1');
  pipe = await TextToImage.fromPretrained(folder.path, { threads: 1 });
});
afterAll(async () => {
  await pipe.dispose();
  folder[Symbol.dispose]();
});

/** A gradient, or one value everywhere; `alpha` makes four channels. */
function picture(width: number, height: number, value?: number, alpha?: number): RasterImage {
  const channels = alpha === undefined ? 3 : 4;
  const data = Uint8Array.from({ length: width * height * channels }, (_, i) => {
    if (channels === 4 && i % 4 === 3) return alpha!;
    return value ?? (Math.floor(i / channels) * 5 + (i % channels) * 60) % 256;
  });
  return { width, height, channels, data };
}

const few = { steps: 4, seed: 3, guidanceScale: 3 } as const;
const draw = (options: GenerateOptions) => pipe.generate('a red apple', { ...few, ...options });
const pixelsOf = async (options: GenerateOptions) => (await draw(options)).images[0]!.pixels;

describe('a picture to start from', () => {
  it('gives its size, down to whole latents, and every seed its own picture', async () => {
    const options = { init: picture(34, 37), strength: 0.6, eta: 0.5, num: 2 };
    const { images, warnings } = await draw(options);
    expect(warnings).toEqual([
      'init: scaled from 34x37 to 32x36; sides are multiples of 4 pixels.',
    ]);
    expect(images[0]).toMatchObject({ width: 32, height: 36, strength: 0.6, steps: 4 });
    expect(images[0]!.pixels).not.toEqual(images[1]!.pixels);
    expect(await pixelsOf({ ...options, num: 1, seed: 4 })).toEqual(images[1]!.pixels);
  });

  it('takes as many steps as strength says', async () => {
    const steps = async (strength: number) => {
      let count = 0;
      const options = { ...few, init: picture(32, 32), strength };
      for await (const event of pipe.stream('a', options)) {
        if (event.kind !== 'step') continue;
        expect(event.step).toBe(++count);
        expect(event.steps).toBe(Math.floor(4 * strength));
      }
      return count;
    };
    expect([await steps(0.25), await steps(0.74), await steps(1)]).toEqual([1, 2, 4]);
  });

  it('comes back through the autoencoder at strength 0, and says so', async () => {
    const init = picture(32, 32);
    const { images, warnings } = await draw({ init, strength: 0, encodeMode: 'mode' });
    expect(warnings).toEqual([
      'strength: 0 of 4 steps is none; the picture only goes through the autoencoder.',
    ]);
    const other = await draw({ init, strength: 0.1, encodeMode: 'mode', seed: 9 });
    expect(other.images[0]!.pixels).toEqual(images[0]!.pixels);
  });

  it.each([1, 999])('can be drawn from in %i steps', { timeout: 120_000 }, async (steps) => {
    const strength = steps === 1 ? 1 : 0.003;
    const { images } = await draw({ init: picture(16, 16), steps, strength });
    expect(images[0]).toMatchObject({ steps, width: 16 });
  });

  it('is enlarged from one pixel when a size is asked for', async () => {
    const { images } = await draw({ init: picture(1, 1, 200), width: 32, height: 24, steps: 1 });
    expect(images[0]).toMatchObject({ width: 32, height: 24 });
  });

  it('is stretched, filled out or cropped to another shape', async () => {
    const init = picture(64, 16);
    const results: Uint8Array[] = [];
    for (const fit of ['stretch', 'fill', 'crop'] as const) {
      results.push(await pixelsOf({ init, width: 32, height: 32, fit, strength: 0.25 }));
    }
    expect(new Set(results.map((pixels) => pixels.join())).size).toBe(3);
  });

  it('is read from files: sixteen bits, CMYK, animations, transparent parts', async () => {
    const raw = { raw: { width: 16, height: 16, channels: 3 as const } };
    const plain = sharp(picture(16, 16, 120).data, raw);
    const frames = Buffer.concat([Buffer.alloc(768, 10), Buffer.alloc(768, 200)]);
    const animation = { raw: { width: 16, height: 32, channels: 3 as const, pageHeight: 16 } };
    const clear = { raw: { width: 16, height: 16, channels: 4 as const } };
    const files: [Buffer, string][] = [
      [
        await plain.clone().toColourspace('rgb16').png().toBuffer(),
        '16 bits per channel are read as 8',
      ],
      [await plain.clone().toColourspace('cmyk').jpeg().toBuffer(), 'CMYK is read as sRGB'],
      [
        await sharp(frames, animation).webp({ loop: 0 }).toBuffer(),
        'the first of 2 frames is read',
      ],
      [
        await sharp(picture(16, 16, 9, 0).data, clear)
          .png()
          .toBuffer(),
        'transparent parts are read on white',
      ],
    ];
    for (const [init, note] of files) {
      const { images, warnings } = await draw({ init, strength: 0.25 });
      expect(warnings).toEqual([expect.stringContaining(`init: `)]);
      expect(warnings[0]).toContain(note);
      expect(images[0]).toMatchObject({ width: 16, height: 16 });
    }
    await expect(draw({ init: Buffer.from('GIF89a') })).rejects.toMatchObject({
      code: 'IMAGE',
      message: expect.stringContaining('init: expected a PNG, JPEG or WebP file, got a GIF file.'),
    });
  });
});

describe('a mask', () => {
  it('keeps what is black: the latents there are those of the picture', async () => {
    const mask = picture(32, 32, 0);
    mask.data.fill(255, 0, 32 * 16 * 3);
    const { images } = await draw({ init: picture(32, 32), mask, encodeMode: 'mode' });
    const { images: untouched } = await draw({
      init: picture(32, 32),
      strength: 0,
      encodeMode: 'mode',
    });
    const [drawn, kept] = [images[0]!.latents.data, untouched[0]!.latents.data];
    for (let i = 0; i < drawn.length; i++) {
      const isBlack = Math.floor((i % 64) / 8) >= 4;
      if (isBlack) expect(drawn[i]).toBe(kept[i]);
      else expect(drawn[i]).not.toBe(kept[i]);
    }
  });

  it('may be black everywhere, with a warning, or of another size in the same proportions', async () => {
    const init = picture(32, 32);
    expect((await draw({ init, mask: picture(32, 32, 0) })).warnings).toEqual([
      'mask: black everywhere; nothing is drawn anew.',
    ]);
    expect((await draw({ init, mask: picture(64, 64, 255) })).warnings).toEqual([
      'mask: scaled from 64x64 to 32x32, the size of the picture.',
    ]);
  });

  it('can be the transparency of the picture', async () => {
    const init = picture(32, 32, 90, 255);
    for (let i = 3; i < 2048; i += 4) init.data[i] = 0;
    const { warnings, images } = await draw({ init, mask: 'alpha', strength: 1 });
    expect(warnings).toEqual([]);
    expect(images[0]!.strength).toBe(1);
  });
});

it('goes on from the latents of another run as if it had not stopped', async () => {
  const options = { ...few, steps: 6, width: 32, height: 32 };
  const whole = await pipe.generate('a', options);
  const first = await pipe.generate('a', { ...options, denoisingEnd: 0.5 });
  const second = await pipe.generate('a', {
    ...options,
    initLatents: first.images[0]!.latents,
    denoisingStart: 0.5,
  });
  expect(second.images[0]!.pixels).toEqual(whole.images[0]!.pixels);
});

it('varies a picture around its seed', async () => {
  const size = { width: 32, height: 32 };
  const own = await pixelsOf(size);
  const { images } = await draw({ ...size, num: 2, variationSeed: 8, variationStrength: 0.2 });
  expect(images.map(({ seed, variationSeed }) => [seed, variationSeed])).toEqual([
    [3, 8],
    [3, 9],
  ]);
  const distance = (pixels: Uint8Array) =>
    pixels.reduce((sum, value, i) => sum + Math.abs(value - own[i]!), 0);
  const other = await pixelsOf({ ...size, variationSeed: 8, variationStrength: 1 });
  expect(distance(images[0]!.pixels)).toBeGreaterThan(0);
  expect(distance(images[0]!.pixels)).toBeLessThan(distance(other));
  expect(other).toEqual(await pixelsOf({ ...size, seed: 8 }));
});

it('previews at full size with a small decoder', async () => {
  using tiny = referenceFolder('xl-single-encoder');
  const previewDecoder = join(tiny.path, 'vae');
  await using seen = await TextToImage.fromPretrained(folder.path, { threads: 1, previewDecoder });
  for await (const event of seen.stream('a', { ...few, steps: 1, width: 32, height: 16 })) {
    if (event.kind !== 'step') continue;
    const { width, height } = await event.preview();
    expect([width, height]).toEqual([32, 16]);
  }
  await expect(
    TextToImage.fromPretrained(folder.path, { previewDecoder: join(folder.path, 'vae') }),
  ).rejects.toMatchObject({
    code: 'MODEL_UNSUPPORTED',
    message: expect.stringContaining('_class_name of AutoencoderTiny, got "AutoencoderKL"'),
  });
});

it('wants picture and mask on a model made for inpainting', async () => {
  using made = referenceFolder('sd1-inpainting');
  await using inpainting = await TextToImage.fromPretrained(made.path, { threads: 1 });
  await expect(inpainting.generate('a')).rejects.toMatchObject({
    code: 'MODEL_UNSUPPORTED',
    message: expect.stringContaining('init and mask, as this is an inpainting model, got neither'),
  });
  await expect(inpainting.generate('a', { init: picture(32, 32) })).rejects.toThrow('got no mask');
});

const given = { init: picture(32, 32) };
const refused: [string, GenerateOptions, string][] = [
  [
    'a mask alone',
    { mask: picture(8, 8) },
    'mask: expected init beside it, got none. Give a picture to start from.',
  ],
  [
    'blur without a mask',
    { ...given, maskBlur: 2 },
    'maskBlur: expected mask beside it, got none.',
  ],
  ['a crop without a mask', { ...given, onlyMasked: 2 }, 'onlyMasked: expected mask beside it'],
  [
    'half a pixel of padding',
    { ...given, mask: given.init, onlyMasked: 0.5 },
    'onlyMasked: expected a number of pixels from 0 to 16384, got 0.5.',
  ],
  ['strength alone', { strength: 0.5 }, 'strength: expected init beside it, got none.'],
  [
    'too much strength',
    { ...given, strength: 1.5 },
    'strength: expected a number from 0 to 1, got 1.5.',
  ],
  [
    'one pixel',
    { init: picture(1, 1) },
    'init: expected at least 4x4 pixels, got 1x1. Give a size (width and height, or `--size`) to enlarge it to.',
  ],
  [
    'a very wide picture',
    { init: picture(40_000, 8) },
    'width: expected a multiple of 4 pixels, up to 16384, got 40000.',
  ],
  [
    'a very large picture',
    { init: picture(3000, 2000) },
    'init: expected at most 4194304 pixels, got 3000x2000. Give a size (width and height, or `--size`), for example 2508x1672.',
  ],
  [
    'a mask of another shape',
    { ...given, mask: picture(32, 16) },
    'mask: expected the proportions of the picture, 32x32, got 32x16. Scale or crop the mask to the picture.',
  ],
  [
    'nothing to draw around',
    { ...given, mask: picture(32, 32, 0), onlyMasked: 4 },
    'mask: expected something white to draw around, got black everywhere.',
  ],
  [
    'an opaque picture as its own mask',
    { ...given, mask: 'alpha' },
    'mask: expected a picture with transparent parts, got an opaque one.',
  ],
  [
    'too few bytes',
    { init: { width: 8, height: 8, channels: 3, data: new Uint8Array(3) } },
    'init: expected width, height, 3 or 4 channels and as many bytes',
  ],
  [
    'latents of another shape',
    { initLatents: floatTensor(new Float32Array(64), [1, 1, 8, 8]) },
    'initLatents: expected f32[1,4,8,8], got f32[1,1,8,8].',
  ],
  [
    'two starts',
    { ...given, initLatents: floatTensor(new Float32Array(256), [1, 4, 8, 8]) },
    'initLatents: expected no init beside it, got both.',
  ],
  [
    'an end before the start',
    { ...given, denoisingStart: 0.7, denoisingEnd: 0.6 },
    'denoisingStart: expected a share below denoisingEnd 0.6, got 0.7.',
  ],
  [
    'an end at the end',
    { denoisingEnd: 1 },
    'denoisingEnd: expected a number between 0 and 1, got 1.',
  ],
  [
    'a variation without strength',
    { variationSeed: 4 },
    'variationSeed: expected variationStrength above 0 beside it, got none.',
  ],
  [
    'too strong a variation',
    { variationStrength: 2 },
    'variationStrength: expected a number from 0 to 1, got 2.',
  ],
  [
    'another syntax',
    { promptSyntax: 'comfy' as 'plain' },
    'promptSyntax: expected one of a1111, plain, got comfy.',
  ],
];

it.each(refused)('refuses %s', async (_, options, message) => {
  await expect(pipe.generate('a', options)).rejects.toMatchObject({
    code: 'USAGE',
    message: expect.stringContaining(message),
  });
});

it('says what a device needs that is not there', async () => {
  for (const device of ['coreml', 'dml'] as const) {
    await using other = await TextToImage.fromPretrained(folder.path, { device });
    const work = other.generate('a', { steps: 1, width: 16, height: 16 });
    const isHere = await work.then(
      () => true,
      () => false,
    );
    if (!isHere) await expect(work).rejects.toMatchObject({ code: 'DEVICE' });
  }
  const wrong = TextToImage.fromPretrained(folder.path, { device: 'gpu' as 'cpu' });
  await expect(wrong).rejects.toMatchObject({ code: 'USAGE' });
});
