/** @file Residual blocks and the halving and doubling of feature maps (diffusers ResnetBlock2D, Downsample2D, Upsample2D). */
import * as g from '../graph/build.js';
import type { Pair } from '../graph/ops.js';
import type { Tensor } from '../graph/tensor.js';
import { type ActivationName, activate } from './activation.js';
import { conv2d, dropout, groupNorm, linear } from './layers.js';
import type { Scope } from './scope.js';

/** Gives the dropout mask of a block by its name and shape; see `dropout`. */
export type DropoutMask = (name: string, shape: readonly number[]) => Tensor;

export interface ResnetBlockOptions {
  readonly channels: number;
  readonly normGroups: number;
  readonly eps: number;
  readonly activation: ActivationName;
  /** How the time embedding enters: added before the second norm, or scaling and shifting after it. */
  readonly timeScaleShift?: 'default' | 'scale_shift';
  /** The sum is divided by it; default 1. */
  readonly outputScale?: number;
  readonly dropoutMask?: DropoutMask | undefined;
}

/** x [n, in, h, w], time embedding [n, d] or none -> [n, channels, h, w]. */
export function resnetBlock(
  scope: Scope,
  x: Tensor,
  time: Tensor | undefined,
  options: ResnetBlockOptions,
): Tensor {
  const { channels, normGroups, eps, activation, outputScale = 1, dropoutMask } = options;
  let h = groupNorm(scope.child('norm1'), x, normGroups, eps);
  h = conv2d(scope.child('conv1'), activate(activation, h), channels);
  h = normWithTime(scope, h, time, options);
  h = activate(activation, h);
  h = dropout(h, dropoutMask?.(scope.prefix, h.shape));
  h = conv2d(scope.child('conv2'), h, channels);
  const needsProjection = x.shape[1] !== channels;
  const skip = needsProjection
    ? conv2d(scope.child('conv_shortcut'), x, channels, { kernel: 1 })
    : x;
  const sum = g.add(skip, h);
  return outputScale === 1 ? sum : g.div(sum, outputScale);
}

function normWithTime(
  scope: Scope,
  x: Tensor,
  time: Tensor | undefined,
  options: ResnetBlockOptions,
): Tensor {
  const { channels, normGroups, eps, activation, timeScaleShift = 'default' } = options;
  const norm = (h: Tensor): Tensor => groupNorm(scope.child('norm2'), h, normGroups, eps);
  if (time === undefined) return norm(x);
  const width = timeScaleShift === 'default' ? channels : 2 * channels;
  const projected = linear(scope.child('time_emb_proj'), activate(activation, time), width);
  const bias = g.reshape(projected, [x.shape[0]!, width, 1, 1]);
  if (timeScaleShift === 'default') return norm(g.add(x, bias));
  const [scale, shift] = g.split(bias, 2, 1) as [Tensor, Tensor];
  return g.add(g.mul(norm(x), g.add(scale, 1)), shift);
}

/**
 * Halves a feature map with a 3×3 convolution of stride 2. `padding` 0 pads only below and to the
 * right, as autoencoders do; odd sizes round up, with padding 0 down.
 */
export function downsample(scope: Scope, x: Tensor, padding: number): Tensor {
  const around = padding === 0 ? ([0, 0, 1, 1] as const) : padding;
  return conv2d(scope.child('conv'), x, x.shape[1]!, { stride: 2, padding: around });
}

/** Enlarges to `size` (twice the size when not given) by nearest neighbour, then a 3×3 convolution. */
export function upsample(scope: Scope, x: Tensor, size?: Pair): Tensor {
  const target = size ?? [x.shape[2]! * 2, x.shape[3]! * 2];
  const large = g.resize(x, { mode: 'nearest', size: target });
  return conv2d(scope.child('conv'), large, x.shape[1]!);
}
