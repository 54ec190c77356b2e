/** @file The part of a picture around a mask, in the shape of the drawing (diffusers' get_crop_region). */
import { complain } from '../core/errors.js';
import type { Box, Raster } from '../formats/resample.js';
import type { PictureSize } from './picture-size.js';

/**
 * The smallest box around everything in `mask` (one channel) that is not black, `padding` pixels
 * wider on each side and then grown to the aspect ratio of `size` as far as the picture allows.
 * Throws USAGE on an all-black mask.
 */
export function cropRegion(mask: Raster, padding: number, size: PictureSize): Box {
  const [left, top, right, bottom] = boundsOf(mask);
  const { width, height } = mask;
  const box = {
    x1: Math.max(left - padding, 0),
    y1: Math.max(top - padding, 0),
    x2: Math.min(right + padding, width),
    y2: Math.min(bottom + padding, height),
  };
  const wanted = size.width / size.height;
  const [wide, high] = [box.x2 - box.x1, box.y2 - box.y1];
  if (wide / high > wanted) {
    const [y1, y2] = grown([box.y1, box.y2], Math.trunc(wide / wanted - high), height);
    return [box.x1, y1, box.x2, y2];
  }
  const [x1, x2] = grown([box.x1, box.x2], Math.trunc(high * wanted - wide), width);
  return [x1, box.y1, x2, box.y2];
}

/** Grows a stretch by `more` on both ends, shifted back inside 0..limit, cut where it is too long. */
function grown(
  [start, end]: readonly [number, number],
  more: number,
  limit: number,
): readonly [number, number] {
  let from = start - Math.floor(more / 2);
  let to = end + more - Math.floor(more / 2);
  if (to >= limit) {
    from -= to - limit;
    to = limit;
  }
  if (from < 0) {
    to -= from;
    from = 0;
  }
  return [from, Math.min(to, limit)];
}

function boundsOf({ width, height, data }: Raster): Box {
  let [left, top, right, bottom] = [width, height, 0, 0];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (data[y * width + x] === 0) continue;
      [left, right] = [Math.min(left, x), Math.max(right, x + 1)];
      [top, bottom] = [Math.min(top, y), Math.max(bottom, y + 1)];
    }
  }
  if (right > 0) return [left, top, right, bottom];
  throw complain('USAGE', {
    where: 'mask',
    expected: 'something white to draw around',
    got: 'black everywhere',
    next: 'White parts of a mask are drawn anew, black parts are kept.',
  });
}
