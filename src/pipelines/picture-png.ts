/** @file A finished picture as a PNG file that says how it was made. */
import { createRequire } from 'node:module';
import { encodePng } from '../formats/png.js';
import { infotext } from './infotext.js';
import type { GeneratedImage } from './text-to-image.js';

/** The bytes of a PNG with the settings in its `parameters` text; see `infotext`. */
export function picturePng(picture: GeneratedImage): Uint8Array {
  const { width, height, pixels: data } = picture;
  const { version } = createRequire(import.meta.url)('../../package.json') as { version: string };
  const text = [{ keyword: 'parameters', text: infotext(picture, version) }];
  return encodePng({ width, height, channels: 3, data, text });
}
