/** @file Stage 3, latents to pixels: the decoder with diffusers' scaling, then 8-bit RGB. */
import { type FloatTensor, floatTensor } from '../core/tensor-data.js';
import * as g from '../graph/build.js';
import type { Graph, Tensor } from '../graph/tensor.js';
import { autoencoderKlDecode } from '../models/autoencoder-kl.js';
import { autoencoderTinyDecode } from '../models/autoencoder-tiny.js';
import { Scope } from '../models/registry.js';
import type { Family, Task } from './families.js';
import type { Tiling } from './run-mode.js';
import { floatOutput, type SessionCache } from './session-cache.js';
import type { Autoencoder, TextToImageModel } from './text-to-image-model.js';
import { runAutoencoder } from './tiled-run.js';

/** 8-bit RGB, rows from the top, channels interleaved. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  /** [height, width, 3]. */
  readonly pixels: Uint8Array;
}

export interface DecodeOptions {
  /** Averages squares of this side first, for a smaller and cheaper picture. Default 1. */
  readonly shrink?: number;
  readonly task?: Task;
  /** Default: as the size asks for. */
  readonly tiling?: Tiling | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Pixels per latent along each side. */
export function latentFactor(vae: Autoencoder): number {
  return vae.className === 'AutoencoderKL'
    ? 2 ** (vae.config.blockOutChannels.length - 1)
    : vae.config.upsampleFactor ** (vae.config.decoderBlocks.length - 1);
}

/** Mean and deviation of each latent channel, where a file gives them. */
export function statisticsOf(
  vae: Autoencoder,
): { readonly mean: readonly number[]; readonly std: readonly number[] } | undefined {
  if (vae.className !== 'AutoencoderKL') return undefined;
  const { latentsMean: mean, latentsStd: std } = vae.config;
  return mean && std && { mean, std };
}

/** Latents [1, c, h, w] as the denoiser leaves them -> the picture. */
export async function decodeLatents(
  { vae, family }: Pick<TextToImageModel, 'vae' | 'family'>,
  sessions: SessionCache,
  latents: FloatTensor,
  { shrink = 1, task, tiling, signal }: DecodeOptions = {},
): Promise<Pixels> {
  const { shape } = latents;
  // diffusers' inpainting pipeline of SD 3 leaves the shift out when it decodes.
  const isUnshifted = task === 'inpaint' && family.latentScaling === 'shift';
  const scaling = isUnshifted ? 'factor' : family.latentScaling;
  const outputs = await runAutoencoder(sessions, {
    part: vae,
    form: `${shape.join('x')} / ${shrink}, ${scaling}`,
    build: (given) => decoderGraph(vae, scaling, { given, shrink }),
    source: ['latents', latents],
    tiling: shrink === 1 ? tiling : 'never',
    signal,
  });
  return rgbPixels(floatOutput(outputs, 'bytes'));
}

/** [1, 3, height, width] in whole numbers from 0 to 255 -> the picture. */
function rgbPixels({ data, shape }: FloatTensor): Pixels {
  const [, channels, height, width] = shape as [number, number, number, number];
  const area = height * width;
  const pixels = new Uint8Array(channels * area);
  for (let c = 0; c < channels; c++) {
    for (let i = 0; i < area; i++) pixels[i * channels + c] = data[c * area + i]!;
  }
  return { width, height, pixels };
}

/** Output bytes [1, 3, height, width], whole numbers from 0 to 255. */
function decoderGraph(
  vae: Autoencoder,
  scaling: Family['latentScaling'],
  { given, shrink }: { readonly given: Tensor; readonly shrink: number },
): Graph {
  const small = shrink === 1 ? given : g.averagePool(given, { kernel: shrink });
  const latents = unscaled(vae, scaling, small);
  const picture =
    vae.className === 'AutoencoderKL'
      ? autoencoderKlDecode(new Scope(), vae.config, latents)
      : autoencoderTinyDecode(new Scope(), vae.config, latents);
  const unit = g.clip(g.add(g.mul(picture, 0.5), 0.5), 0, 1);
  return new Map([['bytes', g.round(g.mul(unit, 255))]]);
}

/** Latents as the denoiser has them -> as the decoder wants them. */
function unscaled(vae: Autoencoder, scaling: Family['latentScaling'], latents: Tensor): Tensor {
  const { scalingFactor, shiftFactor } = vae.config;
  if (scaling === 'shift') return g.add(g.div(latents, scalingFactor), shiftFactor);
  const statistics = scaling === 'statistics' ? statisticsOf(vae) : undefined;
  if (!statistics) return g.div(latents, scalingFactor);
  const perChannel = (values: readonly number[]): Tensor =>
    g.constant(floatTensor(Float32Array.from(values), [1, values.length, 1, 1]));
  const spread = g.mul(latents, perChannel(statistics.std));
  return g.add(g.div(spread, scalingFactor), perChannel(statistics.mean));
}
