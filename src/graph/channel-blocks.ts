/** @file Weights of convolutions in the order ONNX Runtime's convolutions over blocks of channels read. */
import { reshape, slice, transpose } from './build.js';
import type { Tensor } from './tensor.js';

/**
 * A weight [out, in, kh, kw] for `blockedConv2d`: the values of
 * [out/block, in/block, kh, kw, block of in, block of out] under its own shape.
 */
export function blockChannels(weight: Tensor, block: number): Tensor {
  const { out, channels, taps } = sizesOf(weight);
  const values = (channels / block) * taps * block;
  const rows = reshape(channelsLast(weight, block), [out / block, block, values]);
  return reshape(transpose(rows, [0, 2, 1]), weight.shape);
}

/**
 * The weight a convolution's gradient by its input is a convolution with, in and out swapped and the
 * kernel turned round, in that order: [out, in, kh, kw] -> [in, out, kh, kw].
 */
export function blockTurnedChannels(weight: Tensor, block: number): Tensor {
  const { out, channels, taps } = sizesOf(weight);
  const last = channelsLast(weight, block);
  const turned = slice(last, [0, taps - 1, 0], last.shape, [1, -1, 1]);
  const blocks = reshape(turned, [out / block, block, channels / block, taps, block]);
  const [, , ...kernel] = weight.shape;
  return reshape(transpose(blocks, [2, 0, 3, 1, 4]), [channels, out, ...kernel]);
}

/** [out, in, kh, kw] -> [out · in/block, kh · kw, block of in]: what both orders are quickest made from. */
function channelsLast(weight: Tensor, block: number): Tensor {
  const { out, channels, taps } = sizesOf(weight);
  return transpose(reshape(weight, [out * (channels / block), block, taps]), [0, 2, 1]);
}

function sizesOf({ shape }: Tensor): { out: number; channels: number; taps: number } {
  const [out, channels, kh, kw] = shape as [number, number, number, number];
  return { out, channels, taps: kh * kw };
}
