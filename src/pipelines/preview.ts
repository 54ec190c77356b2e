/** @file A look at an unfinished picture: the model's present estimate, made visible cheaply. */
import type { FloatTensor } from '../core/tensor-data.js';
import { decodeLatents, type Pixels } from './decode-latents.js';
import { colourMaps, latentColours } from './latent-colours.js';
import type { SessionCache } from './session-cache.js';
import type { Autoencoder, TextToImageModel } from './text-to-image-model.js';

/** How an unfinished picture is made visible. */
export interface PreviewRule {
  readonly model: TextToImageModel;
  /** A small decoder for previews, such as TAESD. */
  readonly decoder: Autoencoder | undefined;
}

/** Longest side, in latents, that a large decoder is shown. */
const longestSide = 8;

/**
 * A small decoder draws at full size. Without one the published colours of the latents are shown,
 * one pixel each; latents of no known space are averaged down and decoded, because AutoencoderKL
 * costs as much as several steps.
 */
export async function previewLatents(
  { model, decoder }: PreviewRule,
  sessions: SessionCache,
  latents: FloatTensor,
  signal?: AbortSignal,
): Promise<Pixels> {
  const [, channels, height, width] = latents.shape as [number, number, number, number];
  const { vae, family } = model;
  const small = decoder ?? (vae.className === 'AutoencoderTiny' ? vae : undefined);
  if (small) return decodeLatents({ vae: small, family }, sessions, latents, { signal });
  const space = family.latentSpace;
  if (colourMaps[space].factors.length === channels) return latentColours(latents, space);
  const shrink = Math.min(height, width, Math.ceil(Math.max(height, width) / longestSide));
  return decodeLatents(model, sessions, latents, { shrink, signal });
}
