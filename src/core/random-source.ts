/** @file Where the noise of a picture comes from: torch's CPU stream or CUDA's. */
import { TorchGenerator } from './random.js';
import { PhiloxGenerator } from './random-philox.js';

/** A stream of float32 standard normals. */
export interface NoiseSource {
  randn(count: number): Float32Array;
}

/** `cpu` is torch's Mersenne twister, `cuda` its Philox stream (the webui's "NV"). */
export const noiseDevices = ['cpu', 'cuda'] as const;
export type NoiseDevice = (typeof noiseDevices)[number];

/** The stream of one picture. */
export function noiseSource(device: NoiseDevice, seed: bigint | number): NoiseSource {
  return device === 'cpu' ? new TorchGenerator(seed) : new PhiloxGenerator(seed);
}
