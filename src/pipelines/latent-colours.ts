/** @file The colours of latents by a linear map, as ComfyUI publishes them (comfy/latent_formats.py): a preview that costs nothing. */
import type { FloatTensor } from '../core/tensor-data.js';
import type { Pixels } from './decode-latents.js';
import type { LatentSpace } from './families.js';

/** Red, green and blue. */
type Colour = readonly [number, number, number];

interface ColourMap {
  /** What one unit of each latent channel adds. */
  readonly factors: readonly Colour[];
  readonly bias: Colour;
}

export const colourMaps: { readonly [S in LatentSpace]: ColourMap } = {
  sd1: {
    factors: [
      [0.3512, 0.2297, 0.3227],
      [0.325, 0.4974, 0.235],
      [-0.2829, 0.1762, 0.2721],
      [-0.212, -0.2616, -0.7177],
    ],
    bias: [0, 0, 0],
  },
  sdxl: {
    factors: [
      [0.3651, 0.4232, 0.4341],
      [-0.2533, -0.0042, 0.1068],
      [0.1076, 0.1111, -0.0362],
      [-0.3165, -0.2492, -0.2188],
    ],
    bias: [0.1084, -0.0175, -0.0011],
  },
  sd3: {
    factors: [
      [-0.0922, -0.0175, 0.0749],
      [0.0311, 0.0633, 0.0954],
      [0.1994, 0.0927, 0.0458],
      [0.0856, 0.0339, 0.0902],
      [0.0587, 0.0272, -0.0496],
      [-0.0006, 0.1104, 0.0309],
      [0.0978, 0.0306, 0.0427],
      [-0.0042, 0.1038, 0.1358],
      [-0.0194, 0.002, 0.0669],
      [-0.0488, 0.013, -0.0268],
      [0.0922, 0.0988, 0.0951],
      [-0.0278, 0.0524, -0.0542],
      [0.0332, 0.0456, 0.0895],
      [-0.0069, -0.003, -0.081],
      [-0.0596, -0.0465, -0.0293],
      [-0.1448, -0.1463, -0.1189],
    ],
    bias: [0.2394, 0.2135, 0.1925],
  },
};

/** Latents [1, c, h, w] as a picture of h×w pixels. */
export function latentColours({ data, shape }: FloatTensor, space: LatentSpace): Pixels {
  const [, channels, height, width] = shape as [number, number, number, number];
  const { factors, bias } = colourMaps[space];
  const area = height * width;
  const pixels = new Uint8ClampedArray(area * 3);
  for (let i = 0; i < pixels.length; i++) {
    const [pixel, colour] = [Math.floor(i / 3), i % 3];
    let value = bias[colour]!;
    for (let c = 0; c < channels; c++) value += factors[c]![colour]! * data[c * area + pixel]!;
    pixels[i] = (value + 1) * 127.5;
  }
  return { width, height, pixels: new Uint8Array(pixels.buffer) };
}
