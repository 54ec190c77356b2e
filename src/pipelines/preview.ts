/** @file A look at an unfinished picture: the model's present estimate, decoded cheaply. */
import type { FloatTensor } from '../core/tensor-data.js';
import { decodeLatents, type Pixels } from './decode-latents.js';
import type { SessionCache } from './session-cache.js';
import type { TextToImageModel } from './text-to-image-model.js';

/** Longest side, in latents, that a large decoder is shown. */
const longestSide = 8;

/**
 * AutoencoderTiny decodes at full size. AutoencoderKL costs as much as several steps, so its
 * latents are averaged down to at most 8 on a side first: for 512×512 pixels, 1/64 of the work.
 */
export function previewLatents(
  model: TextToImageModel,
  sessions: SessionCache,
  latents: FloatTensor,
  signal?: AbortSignal,
): Promise<Pixels> {
  const [, , height, width] = latents.shape as [number, number, number, number];
  const shrink =
    model.vae.className === 'AutoencoderTiny'
      ? 1
      : Math.min(height, width, Math.ceil(Math.max(height, width) / longestSide));
  return decodeLatents(model, sessions, latents, { shrink, signal });
}
