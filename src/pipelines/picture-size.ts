/** @file Which picture sizes a model can draw. */
import { complain } from '../core/errors.js';
import { latentFactor } from './decode-latents.js';
import type { TextToImageModel } from './text-to-image-model.js';

/** Pixels. */
export interface PictureSize {
  readonly width: number;
  readonly height: number;
}

const largestSide = 16_384;

/** What the sides of a picture are multiples of: pixels per latent, or per patch of latents. */
export function sideFactor({ denoiser, vae }: Pick<TextToImageModel, 'denoiser' | 'vae'>): number {
  const patch = denoiser.className === 'SD3Transformer2DModel' ? denoiser.config.patchSize : 1;
  return patch * latentFactor(vae);
}

/** Where a transformer's table of positions ends. */
function largestSideOf(model: TextToImageModel): number {
  const { className, config } = model.denoiser;
  const factor = sideFactor(model);
  const table = className === 'SD3Transformer2DModel' ? config.posEmbedMaxSize * factor : Infinity;
  return Math.min(table, largestSide - (largestSide % factor));
}

/** The size the model was trained for: its latents' size times the decoder's factor. */
export function nativeSize({ denoiser, vae, family }: TextToImageModel): PictureSize {
  const fallback = family.latentSpace === 'sd1' ? 64 : 128;
  const trained = denoiser.config.sampleSize ?? fallback;
  const [height, width] = typeof trained === 'number' ? [trained, trained] : trained;
  const factor = latentFactor(vae);
  return { width: width * factor, height: height * factor };
}

/** The size asked for, native where it is not said. Throws USAGE with the nearest sizes that work. */
export function pictureSize(
  model: TextToImageModel,
  asked: { readonly width?: number | undefined; readonly height?: number | undefined },
): PictureSize {
  const native = nativeSize(model);
  const range = { factor: sideFactor(model), largest: largestSideOf(model) };
  return {
    width: checkedSide('width', asked.width ?? native.width, range),
    height: checkedSide('height', asked.height ?? native.height, range),
  };
}

interface SideRange {
  readonly factor: number;
  readonly largest: number;
}

function checkedSide(name: string, side: number, { factor, largest }: SideRange): number {
  const isWhole = Number.isInteger(side / factor);
  if (isWhole && side >= factor && side <= largest) return side;
  const fit = (value: number): number => Math.min(Math.max(value, factor), largest);
  const below = fit(Math.floor(side / factor) * factor);
  const above = fit(Math.ceil(side / factor) * factor);
  const nearest = below === above ? `${below}` : `${below} or ${above}`;
  throw complain('USAGE', {
    where: name,
    expected: `a multiple of ${factor} pixels, up to ${largest}`,
    got: `${side}`,
    next: Number.isFinite(side) ? `The nearest is ${nearest}.` : `Give a number of pixels.`,
  });
}
