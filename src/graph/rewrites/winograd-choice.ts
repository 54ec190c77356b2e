/** @file Which convolutions are faster in Winograd's form: a cost model of measured rates. */
import type { TensorOf } from '../tensor.js';

/** What decides the cost of a convolution that has a Winograd form. */
export interface ConvSize {
  readonly batch: number;
  readonly inChannels: number;
  readonly outChannels: number;
  /** Of the output. */
  readonly height: number;
  readonly width: number;
}

/** Decides per layer. */
export type ConvChoice = (size: ConvSize) => boolean;

/**
 * Rates of two cores with AVX-512 (docs/performance.md has the commands). On AVX2 both products
 * are slower by the same factor, so the choice hardly moves.
 */
const rates = {
  /** ONNX Runtime's blocked convolution, FLOP per ns. */
  convolution: 295,
  /** Batched product with the transformed weights on the left, FLOP per ns. */
  product: 200,
  /** Reading transformed weights from memory, bytes per ns: what bounds layers of few tiles. */
  weightBytes: 12,
  /** Gathering and transforming the 36 values of a tile, ns per channel. */
  tileIn: 64,
  /** The same from product to pixels. */
  tileOut: 50,
} as const;

/** Winograd's form costs disk space and time to prepare, so it has to win clearly. */
const leastGain = 1.15;

/** Tiles of 4 × 4 pixels over a batch. */
export function tileCount({ batch, height, width }: ConvSize): number {
  return batch * Math.ceil(height / 4) * Math.ceil(width / 4);
}

/** How many times faster Winograd's form is expected to be. */
export function winogradGain(size: ConvSize): number {
  const { batch, inChannels, outChannels, height, width } = size;
  const channels = inChannels * outChannels;
  const tiles = tileCount(size);
  const direct = (2 * 9 * channels * batch * height * width) / rates.convolution;
  const multiply = (2 * 36 * channels * tiles) / rates.product;
  const read = (4 * 36 * channels) / rates.weightBytes;
  const transform = tiles * (rates.tileIn * inChannels + rates.tileOut * outChannels);
  return direct / (Math.max(multiply, read) + transform);
}

/** In larger pictures, values leave the cache between the steps of the form. */
const mostPixels = 256 * 256;

/** The choice when nothing else is asked for. */
export const whereFaster: ConvChoice = (size) =>
  size.height * size.width <= mostPixels && winogradGain(size) >= leastGain;

/** Every convolution that has the form; for tests. */
export const everywhere: ConvChoice = () => true;

export function convSize({ inputs, shape }: TensorOf<'Conv'>): ConvSize {
  const [batch, outChannels, height, width] = shape as [number, number, number, number];
  return { batch, inChannels: inputs[1]!.shape[1]!, outChannels, height, width };
}
