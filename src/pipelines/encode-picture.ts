/** @file Stage 2a, pixels to latents: the encoder's distribution, sampled once per use with the picture's own noise. */

import type { NoiseSource } from '../core/random-source.js';
import { floatTensor } from '../core/tensor-data.js';
import * as g from '../graph/build.js';
import type { Graph, Tensor } from '../graph/tensor.js';
import { autoencoderKlEncode } from '../models/autoencoder-kl.js';
import { autoencoderTinyEncode } from '../models/autoencoder-tiny.js';
import { Scope } from '../models/registry.js';
import { statisticsOf } from './decode-latents.js';
import type { Family } from './families.js';
import type { PictureSize } from './picture-size.js';
import type { Tiling } from './run-mode.js';
import { floatOutput, type SessionCache } from './session-cache.js';
import type { Autoencoder, TextToImageModel } from './text-to-image-model.js';
import { runAutoencoder } from './tiled-run.js';

/** Takes a sample of the distribution, or its likeliest value. */
export type EncodeMode = 'sample' | 'mode';

/** What the encoder says of a picture, not yet scaled. */
export interface EncodedPicture {
  /** [c, h, w]. */
  readonly mean: Float32Array;
  /** Absent for autoencoders that give one value. */
  readonly deviation: Float32Array | undefined;
}

/** Pixels [3, height, width] in −1..1 through the encoder. */
export async function encodePicture(
  { vae }: TextToImageModel,
  sessions: SessionCache,
  { pixels, size, tiling, signal }: EncodeRequest,
): Promise<EncodedPicture> {
  const shape = [1, 3, size.height, size.width];
  const outputs = await runAutoencoder(sessions, {
    part: vae,
    form: `encode ${shape.join('x')}`,
    build: (pictures) => encoderGraph(vae, pictures),
    source: ['pixels', floatTensor(pixels, shape)],
    tiling,
    signal,
  });
  const deviation = outputs.has('deviation') ? floatOutput(outputs, 'deviation').data : undefined;
  return { mean: floatOutput(outputs, 'mean').data, deviation };
}

export interface EncodeRequest {
  readonly pixels: Float32Array;
  readonly size: PictureSize;
  readonly tiling: Tiling;
  readonly signal: AbortSignal | undefined;
}

function encoderGraph(vae: Autoencoder, pictures: Tensor): Graph {
  if (vae.className === 'AutoencoderTiny') {
    return new Map([['mean', autoencoderTinyEncode(new Scope(), vae.config, pictures)]]);
  }
  const { mean, logVariance } = autoencoderKlEncode(new Scope(), vae.config, pictures);
  return new Map([
    ['mean', mean],
    ['deviation', g.exp(g.mul(logVariance, 0.5))],
  ]);
}

/** Latents of a picture as the denoiser has them, [c, h, w]; draws once from `noise` for a sample. */
export function latentsOf(
  { mean, deviation }: EncodedPicture,
  noise: NoiseSource,
  { vae, scaling, mode }: LatentRule,
): Float32Array {
  const f = Math.fround;
  const drawn = deviation && mode === 'sample' ? noise.randn(mean.length) : undefined;
  const raw = drawn ? mean.map((value, i) => value + f(deviation![i]! * drawn[i]!)) : mean;
  const { scalingFactor, shiftFactor } = vae.config;
  const factor = f(scalingFactor);
  if (scaling === 'shift') return raw.map((value) => f(value - f(shiftFactor)) * factor);
  const statistics = scaling === 'statistics' ? statisticsOf(vae) : undefined;
  if (!statistics) return raw.map((value) => value * factor);
  const area = raw.length / statistics.mean.length;
  return raw.map((value, i) => {
    const channel = Math.floor(i / area);
    const centred = f(value - f(statistics.mean[channel]!));
    return f(centred * factor) / f(statistics.std[channel]!);
  });
}

export interface LatentRule {
  readonly vae: Autoencoder;
  readonly scaling: Family['latentScaling'];
  readonly mode: EncodeMode;
}
