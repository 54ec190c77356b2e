/** @file The random numbers of one picture: its seed's stream, and a variation of its first noise. */
import { type NoiseDevice, noiseSource } from '../core/random-source.js';

export interface Variation {
  readonly seed: bigint;
  /** 0 is the picture's own noise, 1 that of `seed`. */
  readonly strength: number;
}

/** `noise` [c, h, w] turned towards the first noise of the variation's seed. */
export function varied(
  noise: Float32Array,
  shape: readonly [number, number, number],
  { device, variation }: { readonly device: NoiseDevice; readonly variation: Variation },
): Float32Array {
  const other = noiseSource(device, variation.seed).randn(noise.length);
  return spherical(noise, other, { shape, share: variation.strength });
}

/**
 * The way from `low` to `high` along the sphere, column by column of [c, h, w], as
 * stable-diffusion-webui does; nearly parallel noises are mixed in a line, there with the shares
 * exchanged.
 */
export function spherical(
  low: Float32Array,
  high: Float32Array,
  { shape, share }: { readonly shape: readonly [number, number, number]; readonly share: number },
): Float32Array {
  const [channels, height, width] = shape;
  const cosines = new Float32Array(channels * width);
  const lines = (visit: (line: number, at: readonly number[]) => void): void => {
    for (let line = 0; line < cosines.length; line++) {
      const [c, x] = [Math.floor(line / width), line % width];
      visit(
        line,
        Array.from({ length: height }, (_, y) => (c * height + y) * width + x),
      );
    }
  };
  lines((line, at) => {
    const [a, b] = [low, high].map((noise) => normOf(noise, at)) as [number, number];
    cosines[line] = at.reduce((sum, i) => sum + (low[i]! / a) * (high[i]! / b), 0);
  });
  if (cosines.reduce((sum, cosine) => sum + cosine, 0) / cosines.length > 0.9995) {
    return low.map((value, i) => value * share + high[i]! * (1 - share));
  }
  const out = new Float32Array(low.length);
  lines((line, at) => {
    const angle = Math.acos(cosines[line]!);
    const [from, to] = [1 - share, share].map((part) => Math.sin(part * angle) / Math.sin(angle));
    for (const i of at) out[i] = from! * low[i]! + to! * high[i]!;
  });
  return out;
}

function normOf(noise: Float32Array, at: readonly number[]): number {
  return Math.sqrt(at.reduce((sum, i) => sum + noise[i]! * noise[i]!, 0));
}
