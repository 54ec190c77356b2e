/** @file From raw model outputs to estimates of the finished picture and of the noise, once for all samplers; v: Salimans, Ho 2022. */
import { complain, internal } from '../core/errors.js';
import type { PredictionType } from './sampler.js';

const f = Math.fround;

/** Both views of one model output; x = √ᾱ·denoised + √(1−ᾱ)·epsilon. */
export interface Estimate {
  readonly denoised: Float32Array;
  readonly epsilon: Float32Array;
}

/**
 * The estimate at ᾱ = `alpha` for latents that keep their variance. Every product and sum is
 * rounded to f32, in the order of diffusers.
 */
export function estimateAt(
  type: PredictionType,
  alpha: number,
  x: Float32Array,
  output: Float32Array,
): Estimate {
  const a = f(Math.sqrt(alpha));
  const b = f(Math.sqrt(f(1 - alpha)));
  switch (type) {
    case 'epsilon':
      return { denoised: x.map((v, i) => f(v - f(b * output[i]!)) / a), epsilon: output };
    case 'sample':
      return { denoised: output, epsilon: epsilonFrom(alpha, x, output) };
    case 'v_prediction':
      return {
        denoised: x.map((v, i) => f(a * v) - f(b * output[i]!)),
        epsilon: x.map((v, i) => f(a * output[i]!) + f(b * v)),
      };
    case 'flow_prediction':
      throw internal('estimateAt', 'flow predictions have no ᾱ');
  }
}

/** The noise that `x` holds when `denoised` is the finished picture. */
export function epsilonFrom(alpha: number, x: Float32Array, denoised: Float32Array): Float32Array {
  const a = f(Math.sqrt(alpha));
  const b = f(Math.sqrt(f(1 - alpha)));
  return x.map((v, i) => f(v - f(a * denoised[i]!)) / b);
}

/** √ᾱ·clean + √(1−ᾱ)·noise: the forward process. */
export function noisedAt(alpha: number, clean: Float32Array, noise: Float32Array): Float32Array {
  const a = f(Math.sqrt(alpha));
  const b = f(Math.sqrt(f(1 - alpha)));
  return clean.map((v, i) => f(a * v) + f(b * noise[i]!));
}

/** What a v-predicting model learns: √ᾱ·noise − √(1−ᾱ)·clean. */
export function velocityAt(alpha: number, clean: Float32Array, noise: Float32Array): Float32Array {
  const a = f(Math.sqrt(alpha));
  const b = f(Math.sqrt(f(1 - alpha)));
  return clean.map((v, i) => f(a * noise[i]!) - f(b * v));
}

/** How estimates of the finished picture are kept in range. */
export interface RangeRule {
  readonly clipSample: boolean;
  readonly clipSampleRange: number;
  readonly thresholding: boolean;
  readonly dynamicThresholdingRatio: number;
  readonly sampleMaxValue: number;
}

/** Clips `denoised`, or thresholds each of its `batch` pictures (Saharia et al. 2022). */
export function keptInRange(rule: RangeRule, denoised: Float32Array, batch: number): Float32Array {
  if (rule.thresholding) return thresholded(rule, denoised, batch);
  if (!rule.clipSample) return denoised;
  const limit = f(rule.clipSampleRange);
  return denoised.map((v) => Math.min(Math.max(v, -limit), limit));
}

function thresholded(rule: RangeRule, denoised: Float32Array, batch: number): Float32Array {
  const out = new Float32Array(denoised.length);
  const size = denoised.length / batch;
  for (let start = 0; start < out.length; start += size) {
    const picture = denoised.subarray(start, start + size);
    const quantile = quantileF32(picture.map(Math.abs), rule.dynamicThresholdingRatio);
    const s = f(Math.min(Math.max(quantile, 1), rule.sampleMaxValue));
    out.set(
      picture.map((v) => Math.min(Math.max(v, -s), s) / s),
      start,
    );
  }
  return out;
}

/** `torch.quantile(values, q)` of f32 values: linear between ranks, in f32. */
function quantileF32(values: Float32Array, q: number): number {
  const sorted = values.slice().sort();
  const rank = f(f(q) * (sorted.length - 1));
  const below = Math.floor(rank);
  const low = sorted[below]!;
  const high = sorted[Math.ceil(rank)]!;
  const weight = f(rank - below);
  return weight < 0.5
    ? f(low + f(weight * f(high - low)))
    : f(high - f(f(high - low) * f(1 - weight)));
}

/**
 * The finished picture for latents x = clean + σ·noise. `hat` is the σ the noise estimate counts for when
 * extra noise was added before the step. Every product and sum is rounded to f32, in the order of diffusers.
 */
export function denoisedAtSigma(
  type: PredictionType,
  sigma: number,
  x: Float32Array,
  output: Float32Array,
  hat = sigma,
): Float32Array {
  switch (type) {
    case 'epsilon':
      return x.map((v, i) => v - f(hat * output[i]!));
    case 'sample':
      return output;
    case 'v_prediction': {
      const variance = f(f(sigma * sigma) + 1);
      const factor = f(-sigma / f(Math.sqrt(variance)));
      return x.map((v, i) => f(output[i]! * factor) + f(v / variance));
    }
    case 'flow_prediction':
      throw internal('denoisedAtSigma', 'flow predictions have no such σ');
  }
}

/** x / √(σ² + 1): latents as the model knows them. */
export function scaledInput(x: Float32Array, sigma: number): Float32Array {
  const scale = f(Math.sqrt(f(f(sigma * sigma) + 1)));
  return x.map((v) => v / scale);
}

/** clean + σ·noise. */
export function noisedAtSigma(
  sigma: number,
  clean: Float32Array,
  noise: Float32Array,
): Float32Array {
  return clean.map((v, i) => v + f(noise[i]! * sigma));
}

/**
 * Throws CONFIG where noise is total and the model only tells the noise: nothing is known of the picture, and
 * its estimate is infinite unless it is clipped.
 */
export function checkedSignal(
  where: string,
  config: { readonly predictionType: PredictionType } & Partial<RangeRule>,
  alphas: readonly number[],
  timesteps: readonly number[],
): void {
  const total = alphas.indexOf(0);
  const isClipped = config.clipSample === true && config.thresholding !== true;
  if (config.predictionType !== 'epsilon' || total < 0 || isClipped) return;
  throw complain('CONFIG', {
    where,
    expected: 'v_prediction or sample where the noise level is total',
    got: `epsilon at timestep ${timesteps[total]}`,
    next: 'A zero-SNR schedule cannot start from an epsilon prediction.',
  });
}
