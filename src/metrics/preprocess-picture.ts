/** @file Pictures to the numbers a model reads, to the bit as transformers' Pillow backend makes them. */
import { setImmediate } from 'node:timers/promises';
import { complain } from '../core/errors.js';
import type { RasterImage } from '../formats/image.js';
import { crop, type Raster, type ResampleOptions, resamplingPasses } from '../formats/resample.js';
import type { ImageProcessor, PixelSize } from './image-processor.js';

/**
 * Values of one picture, [3, height, width] of the processor's size. The event loop is given way
 * every few milliseconds. Throws IMAGE when a side would come to nothing.
 */
export async function preprocessPicture(
  picture: RasterImage,
  processor: ImageProcessor,
): Promise<{ readonly size: PixelSize; readonly values: Float32Array }> {
  const { resize, crop: cut } = processor;
  let image = onWhite(picture);
  if (resize) {
    const { height, width } = resize.rule(image);
    if (height < 1 || width < 1) throw tooNarrow(image);
    image = await inSteps(image, { height, width, kernel: resize.kernel });
  }
  if (cut) image = centerCrop(image, cut);
  const size = { height: image.height, width: image.width };
  return { size, values: planes(image, valueTables(processor)) };
}

/** Values of one picture, [3, side, side]. Throws CONFIG when the processor gives another size. */
export async function fittedPicture(
  picture: RasterImage,
  processor: ImageProcessor,
  side: number,
): Promise<Float32Array> {
  const { size, values } = await preprocessPicture(picture, processor);
  if (size.height === side && size.width === side) return values;
  throw complain('CONFIG', {
    where: 'preprocessor_config.json',
    expected: `pictures of ${side}x${side}, as the model takes them`,
    got: `${size.width}x${size.height}`,
    next: 'Set size and crop_size to the image_size of the config.json.',
  });
}

async function inSteps(image: Raster, options: ResampleOptions): Promise<Raster> {
  const passes = resamplingPasses(image, options);
  for (;;) {
    const { done, value } = passes.next();
    if (done) return value;
    await setImmediate();
  }
}

/** Three channels, alpha over white in whole numbers as Pillow's `alpha_composite`. */
function onWhite({ width, height, channels, data }: RasterImage): Raster {
  if (channels === 3) return { width, height, channels, data };
  const out = new Uint8Array(width * height * 3);
  const bits = 7;
  for (let i = 0; i < width * height; i++) {
    const alpha = data[i * 4 + 3]!;
    for (let c = 0; c < 3; c++) {
      const mixed = (data[i * 4 + c]! * alpha + 255 * (255 - alpha)) * 2 ** bits + (0x80 << bits);
      out[i * 3 + c] = ((mixed >> 8) + mixed) >> (8 + bits);
    }
  }
  return { width, height, channels: 3, data: out };
}

function centerCrop(image: Raster, { height, width }: PixelSize): Raster {
  const top = Math.floor((image.height - height) / 2);
  const left = Math.floor((image.width - width) / 2);
  return crop(image, [left, top, left + width, top + height]);
}

/** What each byte becomes, by channel; numpy rounds every step to f32. */
function valueTables({ scale, normal }: ImageProcessor): readonly Float32Array[] {
  const f = Math.fround;
  return [0, 1, 2].map((c) =>
    Float32Array.from({ length: 256 }, (_, byte) => {
      const value = scale === undefined ? byte : f(byte * scale);
      if (!normal) return value;
      return f(f(value - f(normal.mean[c]!)) / f(normal.std[c]!));
    }),
  );
}

function planes({ width, height, data }: Raster, tables: readonly Float32Array[]): Float32Array {
  const area = width * height;
  const out = new Float32Array(3 * area);
  tables.forEach((table, c) => {
    for (let i = 0; i < area; i++) out[c * area + i] = table[data[i * 3 + c]!]!;
  });
  return out;
}

function tooNarrow({ width, height }: PixelSize): Error {
  return complain('IMAGE', {
    where: 'picture',
    expected: 'sides whose ratio leaves at least one pixel',
    got: `${width}x${height}`,
  });
}
