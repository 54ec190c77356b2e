/** @file Noise levels of training as σ = √((1 − ᾱ)/ᾱ), and the way back from σ to timesteps by log-linear interpolation. */

import { numpyLog } from './numpy-log.js';

const f = Math.fround;

/** σ of every training timestep, f32, rising. */
export function trainingSigmas(alphas: Float32Array): Float32Array {
  return alphas.map((alpha) => Math.sqrt(f(f(1 - alpha) / alpha)));
}

/** ᾱ with the last value lifted from zero to 2⁻²⁴, so that σ stays finite. */
export function withLeastSignal(alphas: Float32Array): Float32Array {
  const out = alphas.slice();
  out[out.length - 1] = 2 ** -24;
  return out;
}

/** `numpy.interp(position, arange(n), values)`: linear, held at both ends. */
export function valueAt(values: ArrayLike<number>, position: number): number {
  const last = values.length - 1;
  if (position <= 0) return values[0]!;
  if (position >= last) return values[last]!;
  const below = Math.floor(position);
  return (values[below + 1]! - values[below]!) * (position - below) + values[below]!;
}

/** The fractional timestep of a σ: where its logarithm lies among those of training. */
export function timestepOf(sigmas: Float32Array, precision: 'f32' | 'f64' = 'f64') {
  const logs = sigmas.map(numpyLog);
  const [r, logOf] = precision === 'f32' ? [f, numpyLog] : [(value: number) => value, Math.log];
  return (sigma: number): number => {
    const log = logOf(Math.max(sigma, 1e-10));
    const below = Math.min(lastNotAbove(logs, log), logs.length - 2);
    const [low, high] = [logs[below]!, logs[below + 1]!];
    const weight = Math.min(Math.max(r(r(low - log) / f(low - high)), 0), 1);
    return r(r(r(1 - weight) * below) + r(weight * (below + 1)));
  };
}

/** Index of the last of `values` that is not above `limit`; 0 when all are. Zero-SNR levels need not rise. */
function lastNotAbove(values: Float32Array, limit: number): number {
  for (let i = values.length - 1; i > 0; i--) if (values[i]! <= limit) return i;
  return 0;
}
