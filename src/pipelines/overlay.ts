/** @file Puts a drawn part back into its picture under the mask, to the byte as diffusers' apply_overlay with Pillow. */
import { type Box, pasted, type Raster } from '../formats/resample.js';
import { resizedToCover } from './fit-picture.js';

export interface OverlayOptions {
  /** The picture as it was, RGB. */
  readonly original: Raster;
  /** One channel, the size of `original`; white shows the drawn part. */
  readonly mask: Raster;
  /** Where the drawn part belongs. */
  readonly box: Box;
}

/** `original` with `drawn` (RGB) scaled into `box`, mixed by the mask. */
export function overlaid(drawn: Raster, { original, mask, box }: OverlayOptions): Raster {
  const { width, height } = original;
  const [left, top, right, bottom] = box;
  const black = { width, height, channels: 3, data: new Uint8Array(width * height * 3) };
  const part = resizedToCover(drawn, { width: right - left, height: bottom - top });
  const base = pasted(black, part, { left, top });
  const data = new Uint8Array(base.data.length);
  for (let i = 0; i < mask.data.length; i++) {
    const alpha = 255 - mask.data[i]!;
    for (let c = 3 * i; c < 3 * i + 3; c++) {
      data[c] = composited(original.data[c]!, base.data[c]!, alpha);
    }
  }
  return { width, height, channels: 3, data };
}

/** `over` with `alpha` on an opaque `under`; on the way through premultiplied bytes and back. */
function composited(over: number, under: number, alpha: number): number {
  if (alpha === 0) return under;
  const premultiplied = divided255(over * alpha + 0x80);
  const straight =
    alpha === 255 ? premultiplied : Math.min(Math.floor((255 * premultiplied) / alpha), 255);
  const precision = 7;
  const share = alpha << precision;
  const mixed = straight * share + under * ((255 << precision) - share);
  return divided255(mixed + (0x80 << precision)) >> precision;
}

/** x / 255, rounded when x comes with 0x80 added. */
function divided255(x: number): number {
  return ((x >> 8) + x) >> 8;
}
