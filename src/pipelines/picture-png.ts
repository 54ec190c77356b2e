/** @file A finished picture as a PNG file that says how it was made. */
import { complain } from '../core/errors.js';
import { encodePng } from '../formats/png.js';
import type { Pixels } from './decode-latents.js';
import type { AltText } from './provenance/alt-text.js';
import {
  type MarkedPicture,
  type Marks,
  type MetadataLevel,
  marksOf,
  metadataLevels,
  pngTexts,
} from './provenance/marks.js';

export interface MetadataOptions {
  /** Default full. */
  readonly metadata?: MetadataLevel | undefined;
  /** In place of the picture's own. */
  readonly altText?: AltText | undefined;
}

/** A picture with its recipe and alt text; a `GeneratedImage`. */
export type MarkedPixels = Pixels & MarkedPicture;

/** A PNG file at once; see `encodePicture`. */
export function picturePng(picture: MarkedPixels, options: MetadataOptions = {}): Uint8Array {
  const { width, height, pixels: data } = picture;
  const text = pngTexts(marksAt(picture, options));
  return encodePng({ width, height, channels: 3, data, text });
}

/** What is written at the level asked for. Throws USAGE for another one. */
export function marksAt(
  picture: MarkedPixels,
  { metadata = 'full', altText }: MetadataOptions,
): Marks {
  if (!metadataLevels.includes(metadata)) {
    const expected = metadataLevels.join(', ');
    throw complain('USAGE', { where: 'metadata', expected, got: `${metadata}` });
  }
  return marksOf({ recipe: picture.recipe, altText: altText ?? picture.altText }, metadata);
}
