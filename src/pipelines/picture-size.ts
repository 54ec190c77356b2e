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

/** The size the model was trained for: its latents' size times the decoder's factor. */
export function nativeSize({ denoiser, vae, family }: TextToImageModel): PictureSize {
  const fallback = family.latentSpace === 'sd1' ? 64 : 128;
  const [height, width] = denoiser.config.sampleSize ?? [fallback, fallback];
  const factor = latentFactor(vae);
  return { width: width * factor, height: height * factor };
}

/** The size asked for, native where it is not said. Throws USAGE with the nearest sizes that work. */
export function pictureSize(
  model: TextToImageModel,
  asked: { readonly width?: number | undefined; readonly height?: number | undefined },
): PictureSize {
  const native = nativeSize(model);
  const factor = latentFactor(model.vae);
  return {
    width: checkedSide('width', asked.width ?? native.width, factor),
    height: checkedSide('height', asked.height ?? native.height, factor),
  };
}

function checkedSide(name: string, side: number, factor: number): number {
  const isWhole = Number.isInteger(side / factor);
  if (isWhole && side >= factor && side <= largestSide) return side;
  const fit = (value: number): number =>
    Math.min(Math.max(value, factor), largestSide - (largestSide % factor));
  const below = fit(Math.floor(side / factor) * factor);
  const above = fit(Math.ceil(side / factor) * factor);
  const nearest = below === above ? `${below}` : `${below} or ${above}`;
  throw complain('USAGE', {
    where: name,
    expected: `a multiple of ${factor} pixels, up to ${largestSide}`,
    got: `${side}`,
    next: Number.isFinite(side) ? `The nearest is ${nearest}.` : `Give a number of pixels.`,
  });
}
