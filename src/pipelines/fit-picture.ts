/** @file Brings a picture to the size of the drawing: stretched, filled out or cropped (diffusers' VaeImageProcessor.resize). */
import { type Box, pasted, type Raster, resample } from '../formats/resample.js';
import type { PictureSize } from './picture-size.js';

/** Stretched to both sides, inside with its edges drawn out, or covering with the rest cut off. */
export type FitMode = 'stretch' | 'fill' | 'crop';

export function fitPicture(image: Raster, size: PictureSize, mode: FitMode): Raster {
  if (mode === 'fill') return resizedToFill(image, size);
  return mode === 'crop' ? resizedToCover(image, size) : resample(image, { ...size, ...lanczos });
}

const lanczos = { kernel: 'lanczos' } as const;

/** Covers the size, the same on both sides cut off. */
export function resizedToCover(image: Raster, { width, height }: PictureSize): Raster {
  const isWider = width / height > image.width / image.height;
  const wide = isWider ? width : whole((image.width * height) / image.height);
  const high = isWider ? whole((image.height * width) / image.width) : height;
  const resized = resample(image, { width: wide, height: high, ...lanczos });
  return centred(resized, { width, height });
}

/** Lies inside the size; what is left over repeats the nearest edge. */
function resizedToFill(image: Raster, { width, height }: PictureSize): Raster {
  const isNarrower = width / height < image.width / image.height;
  const isWider = width / height > image.width / image.height;
  const wide = isNarrower ? width : whole((image.width * height) / image.height);
  const high = isNarrower ? whole((image.height * width) / image.width) : height;
  const resized = resample(image, { width: wide, height: high, ...lanczos });
  const placed = centred(resized, { width, height });
  const edge = (box: Box, part: PictureSize): Raster =>
    resample(resized, { ...part, kernel: 'bicubic', box });
  if (isNarrower) {
    const left = half(height) - half(high);
    if (left <= 0) return placed;
    const part = { width, height: left };
    const above = pasted(placed, edge([0, 0, width, 0], part), { left: 0, top: 0 });
    const below = edge([0, high, width, high], part);
    return pasted(above, below, { left: 0, top: left + high });
  }
  const left = half(width) - half(wide);
  if (!isWider || left <= 0) return placed;
  const part = { width: left, height };
  const before = pasted(placed, edge([0, 0, 0, height], part), { left: 0, top: 0 });
  return pasted(before, edge([wide, 0, wide, height], part), { left: left + wide, top: 0 });
}

/** In the middle of a black picture. */
function centred(image: Raster, { width, height }: PictureSize): Raster {
  const { channels } = image;
  const black = { width, height, channels, data: new Uint8Array(width * height * channels) };
  return pasted(black, image, {
    left: half(width) - half(image.width),
    top: half(height) - half(image.height),
  });
}

function whole(side: number): number {
  return Math.max(Math.floor(side), 1);
}

function half(side: number): number {
  return Math.floor(side / 2);
}
