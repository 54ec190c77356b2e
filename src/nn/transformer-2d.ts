/** @file Transformer over the pixels of a feature map (diffusers Transformer2DModel with continuous input). */
import * as g from '../graph/build.js';
import type { Tensor } from '../graph/tensor.js';
import { attention, feedForward } from './attention.js';
import { conv2d, groupNorm, layerNorm, linear } from './layers.js';
import type { Scope } from './scope.js';

export interface Transformer2dOptions {
  readonly heads: number;
  /** Number of blocks. */
  readonly layers: number;
  readonly normGroups: number;
  /** proj_in and proj_out are linear layers instead of 1×1 convolutions. */
  readonly linearProjection: boolean;
  /** The first attention of every block looks at the context instead of the pixels. */
  readonly onlyCrossAttention: boolean;
}

/** Self-attention, cross-attention, feed-forward: x [n, t, c], context [n, s, d] -> [n, t, c]. */
function transformerBlock(
  scope: Scope,
  x: Tensor,
  context: Tensor,
  options: Transformer2dOptions,
): Tensor {
  const { heads, onlyCrossAttention } = options;
  const shape = { heads, headSize: x.shape[2]! / heads };
  const eps = 1e-5;
  const first = layerNorm(scope.child('norm1'), x, eps);
  const source = onlyCrossAttention ? context : first;
  let h = g.add(x, attention(scope.child('attn1'), first, source, shape));
  const second = layerNorm(scope.child('norm2'), h, eps);
  h = g.add(h, attention(scope.child('attn2'), second, context, shape));
  const third = layerNorm(scope.child('norm3'), h, eps);
  return g.add(h, feedForward(scope.child('ff'), third, 'geglu'));
}

/** x [n, c, h, w], context [n, s, d] -> [n, c, h, w], with the input added. */
export function transformer2d(
  scope: Scope,
  x: Tensor,
  context: Tensor,
  options: Transformer2dOptions,
): Tensor {
  const { heads, layers, normGroups, linearProjection } = options;
  const [n, channels, height, width] = x.shape as [number, number, number, number];
  const inner = heads * Math.floor(channels / heads);
  const project = (name: string, h: Tensor, size: number): Tensor =>
    linearProjection
      ? linear(scope.child(name), h, size)
      : conv2d(scope.child(name), h, size, { kernel: 1 });
  const toTokens = (h: Tensor): Tensor =>
    g.reshape(g.transpose(h, [0, 2, 3, 1]), [n, height * width, h.shape[1]!]); // [n, h·w, c]
  const toPixels = (h: Tensor): Tensor =>
    g.transpose(g.reshape(h, [n, height, width, h.shape[2]!]), [0, 3, 1, 2]); // [n, c, h, w]

  const normal = groupNorm(scope.child('norm'), x, normGroups, 1e-6);
  let h = linearProjection
    ? project('proj_in', toTokens(normal), inner)
    : toTokens(project('proj_in', normal, inner));
  for (let i = 0; i < layers; i++) {
    h = transformerBlock(scope.child('transformer_blocks').child(i), h, context, options);
  }
  const out = linearProjection
    ? toPixels(project('proj_out', h, channels))
    : project('proj_out', toPixels(h), channels);
  return g.add(out, x);
}
