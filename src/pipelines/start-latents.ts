/** @file Stage 2, where a picture starts: noise, a noisy picture, or a noisy picture under a mask (diffusers' prepare_latents). */
import type { NoiseSource } from '../core/random-source.js';
import { elementCount } from '../core/tensor-data.js';
import type { Trajectory } from '../schedulers/sampler.js';
import { latentFactor } from './decode-latents.js';
import { type EncodedPicture, encodePicture, latentsOf } from './encode-picture.js';
import type { GenerationRequest } from './generation-request.js';
import type { PreparedPicture } from './input-picture.js';
import { varied } from './noise.js';
import type { PictureSeed } from './picture-seeds.js';
import { concatenated } from './rows.js';
import type { SessionCache } from './session-cache.js';
import type { TextToImageModel } from './text-to-image-model.js';

/** A picture before its first step. */
export interface Start {
  /** [c·h·w], at the noise level of the first step. */
  readonly x: Float32Array;
  /** Puts what is kept back after a step. */
  readonly adjust: ((x: Float32Array, step: number) => Float32Array) | undefined;
  /** Mask and masked picture for a denoiser that looks at them, [c·h·w]. */
  readonly extraChannels: Float32Array | undefined;
}

/** The pictures of a request through the encoder: once, however many are drawn from them. */
export interface EncodedSource {
  /** Absent where nothing looks at it. */
  readonly init: EncodedPicture | undefined;
  readonly masked: EncodedPicture | undefined;
  /** [h, w]. */
  readonly mask: Float32Array | undefined;
}

/** Encodes what the request starts from. */
export async function encodeSource(
  model: TextToImageModel,
  sessions: SessionCache,
  request: GenerationRequest,
): Promise<EncodedSource> {
  const { picture, signal, strength, initLatents, tiling } = request;
  if (!picture) return { init: undefined, masked: undefined, mask: undefined };
  const { size, pixels, mask } = picture;
  const encode = (values: Float32Array): Promise<EncodedPicture> =>
    encodePicture(model, sessions, { pixels: values, size, tiling, signal });
  const isPureNoise = mask !== undefined && strength === 1 && request.isInpainting;
  const isNeeded = !isPureNoise && initLatents === undefined;
  return {
    init: isNeeded ? await encode(pixels) : undefined,
    masked: mask && (await encode(maskedPixels(pixels, mask))),
    mask: mask && latentMask(picture, latentFactor(model.vae)),
  };
}

/** Grey where it is drawn anew. */
function maskedPixels(pixels: Float32Array, mask: Float32Array): Float32Array {
  return pixels.map((value, i) => (mask[i % mask.length]! < 0.5 ? value : 0));
}

/** The upper left pixel of every latent. */
function latentMask({ size, mask }: PreparedPicture, factor: number): Float32Array {
  const [height, width] = [size.height / factor, size.width / factor];
  return Float32Array.from({ length: height * width }, (_, i) => {
    const [y, x] = [Math.floor(i / width), i % width];
    return mask![y * factor * size.width + x * factor]!;
  });
}

export interface StartRequest {
  readonly request: GenerationRequest;
  readonly source: EncodedSource;
  readonly seed: PictureSeed;
  readonly noise: NoiseSource;
}

/** The start of one picture; draws from `noise` in the order diffusers does. */
export function startLatents(model: TextToImageModel, start: StartRequest): Start {
  const { request, source, noise } = start;
  const { trajectory, range } = request;
  const init = initOf(model, start);
  const fresh = (): Float32Array => firstNoise(start);
  if (!init && !source.mask) {
    const scale = trajectory.initialNoiseScale;
    return { x: fresh().map((v) => v * scale), adjust: undefined, extraChannels: undefined };
  }
  if (!source.mask) {
    const isReady = request.denoisingStart !== undefined || range.start === range.end;
    const x = isReady ? init! : trajectory.addNoise(init!, fresh(), range.start);
    return { x, adjust: undefined, extraChannels: undefined };
  }
  const first = fresh();
  // diffusers encodes the masked picture even where nobody looks at it, and so draws for it.
  const masked = latentsOf(source.masked!, noise, ruleOf(model, request));
  const x = inpaintStart(request, init, first);
  if (request.isInpainting) {
    return { x, adjust: undefined, extraChannels: concatenated([source.mask, masked]) };
  }
  const keep = { init: init!, noise: first, mask: source.mask, end: range.end };
  return { x, adjust: keeping(trajectory, keep), extraChannels: undefined };
}

function inpaintStart(
  { strength, trajectory, range, denoisingStart }: GenerationRequest,
  init: Float32Array | undefined,
  noise: Float32Array,
): Float32Array {
  if (denoisingStart !== undefined || range.start === range.end) return init!;
  if (strength < 1) return trajectory.addNoise(init!, noise, range.start);
  const scale = trajectory.initialNoiseScale;
  return noise.map((value) => value * scale);
}

interface Kept {
  readonly init: Float32Array;
  readonly noise: Float32Array;
  readonly mask: Float32Array;
  /** Index after the last step. */
  readonly end: number;
}

/** After every step, the picture as noisy as the next one wants it, wherever the mask is black. */
function keeping(
  trajectory: Trajectory,
  { init, noise, mask, end }: Kept,
): (x: Float32Array, step: number) => Float32Array {
  return (x, step) => {
    const proper = step + 1 < end ? trajectory.addNoise(init, noise, step + 1) : init;
    return x.map((value, i) => (mask[i % mask.length]! < 0.5 ? proper[i]! : value));
  };
}

function initOf(
  model: TextToImageModel,
  { request, source, noise }: StartRequest,
): Float32Array | undefined {
  if (request.initLatents) return request.initLatents;
  return source.init && latentsOf(source.init, noise, ruleOf(model, request));
}

function ruleOf({ vae, family }: TextToImageModel, { task, encodeMode: mode }: GenerationRequest) {
  // diffusers' inpainting pipelines know no statistics of the latents.
  const isPlain = task === 'inpaint' && family.latentScaling === 'statistics';
  return { vae, scaling: isPlain ? ('factor' as const) : family.latentScaling, mode };
}

function firstNoise({ request, seed, noise }: StartRequest): Float32Array {
  const { latentShape, noiseSource: device } = request;
  const own = noise.randn(elementCount(latentShape));
  const { variation } = seed;
  return variation ? varied(own, latentShape, { device, variation }) : own;
}
