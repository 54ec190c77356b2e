/** @file Layers with torch's parameter names and conventions: linear, convolution, norms, embedding. */
import * as g from '../graph/build.js';
import type { Tensor } from '../graph/tensor.js';
import type { Scope } from './scope.js';

/** x [.., in] -> [.., outFeatures]; weight [out, in]. */
export function linear(
  scope: Scope,
  x: Tensor,
  outFeatures: number,
  options: { readonly bias?: boolean } = {},
): Tensor {
  const weight = scope.parameter('weight', [outFeatures, x.shape.at(-1)!]);
  const product = g.matmul(x, g.transpose(weight, [1, 0]));
  if (options.bias === false) return product;
  return g.add(product, scope.parameter('bias', [outFeatures]));
}

export interface Conv2dOptions {
  /** Kernel height and width, default 3. */
  readonly kernel?: number;
  /** Default 1. */
  readonly stride?: number;
  /** Zeros on every side, or [top, left, bottom, right]; default `floor(kernel / 2)`. */
  readonly padding?: number | readonly [number, number, number, number];
  /** Default true. */
  readonly bias?: boolean;
}

/** x [n, in, h, w] -> [n, outChannels, h', w']. */
export function conv2d(
  scope: Scope,
  x: Tensor,
  outChannels: number,
  options: Conv2dOptions = {},
): Tensor {
  const { kernel = 3, stride = 1, bias = true } = options;
  const padding = options.padding ?? Math.floor(kernel / 2);
  const weight = scope.parameter('weight', [outChannels, x.shape[1]!, kernel, kernel]);
  const offset = bias ? scope.parameter('bias', [outChannels]) : undefined;
  return g.conv2d(x, weight, offset, { stride, padding });
}

/** x [n, c, ..]; weight and bias [c]. */
export function groupNorm(scope: Scope, x: Tensor, groups: number, eps: number): Tensor {
  const channels = x.shape[1]!;
  const weight = scope.parameter('weight', [channels]);
  const bias = scope.parameter('bias', [channels]);
  return g.groupNorm(x, weight, bias, groups, eps);
}

/** Over the last axis, with weight and bias. */
export function layerNorm(scope: Scope, x: Tensor, eps: number): Tensor {
  const shape = [x.shape.at(-1)!];
  return g.layerNorm(x, eps, scope.parameter('weight', shape), scope.parameter('bias', shape));
}

/** Over the last axis, with weight. */
export function rmsNorm(scope: Scope, x: Tensor, eps: number): Tensor {
  return g.rmsNorm(x, eps, scope.parameter('weight', [x.shape.at(-1)!]));
}

/** Rows of a table [count, size]: integer ids [..] -> [.., size]. */
export function embedding(scope: Scope, ids: Tensor, count: number, size: number): Tensor {
  return g.gather(scope.parameter('weight', [count, size]), ids);
}

/**
 * Multiplies by a mask that the training loop feeds: zeros for dropped values, 1/(1−p) for kept
 * ones. Without `mask`, as at inference, the same tensor.
 */
export function dropout(x: Tensor, mask: Tensor | undefined): Tensor {
  return mask === undefined ? x : g.mul(x, mask);
}
