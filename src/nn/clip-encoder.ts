/** @file The pre-norm transformer of both CLIP towers (Radford et al. 2021), with transformers' parameter names. */
import * as g from '../graph/build.js';
import type { Tensor } from '../graph/tensor.js';
import { type ActivationName, activate } from './activation.js';
import { layerNorm, linear } from './layers.js';
import type { Scope } from './scope.js';

export interface ClipEncoderOptions {
  readonly layers: number;
  readonly heads: number;
  /** Width inside the feed-forward. */
  readonly intermediateSize: number;
  readonly activation: ActivationName;
  readonly eps: number;
  /** Every token sees only itself and those before it. */
  readonly causal: boolean;
}

/** x [n, t, c] -> the states before the first layer and after each one, layers + 1 of them. */
export function clipEncoder(scope: Scope, x: Tensor, options: ClipEncoderOptions): Tensor[] {
  const states = [x];
  for (let i = 0; i < options.layers; i++) {
    states.push(clipLayer(scope.child('layers').child(i), states[i]!, options));
  }
  return states;
}

function clipLayer(scope: Scope, x: Tensor, options: ClipEncoderOptions): Tensor {
  const { heads, intermediateSize, activation, eps, causal } = options;
  const width = x.shape[2]!;
  const self = scope.child('self_attn');
  const first = layerNorm(scope.child('layer_norm1'), x, eps);
  const query = linear(self.child('q_proj'), first, width);
  const key = linear(self.child('k_proj'), first, width);
  const value = linear(self.child('v_proj'), first, width);
  const mixed = g.attention(query, key, value, { heads, causal });
  const h = g.add(x, linear(self.child('out_proj'), mixed, width));
  const second = layerNorm(scope.child('layer_norm2'), h, eps);
  const mlp = scope.child('mlp');
  const wide = activate(activation, linear(mlp.child('fc1'), second, intermediateSize));
  return g.add(h, linear(mlp.child('fc2'), wide, width));
}
