/** @file BlipVisionModel: a pre-norm vision transformer with joined queries, keys and values (Li et al. 2022; transformers). */
import * as g from '../graph/build.js';
import type { Tensor } from '../graph/tensor.js';
import { activate } from '../nn/activation.js';
import { layerNorm, linear } from '../nn/layers.js';
import { embedPatches } from '../nn/picture-text.js';
import type { Scope } from '../nn/scope.js';
import type { BlipVisionConfig } from './blip-config.js';

/** Normed states of all tokens, the class token first: pixels [n, 3, s, s] -> [n, 1 + patches, c]. */
export function blipVision(scope: Scope, config: BlipVisionConfig, pixels: Tensor): Tensor {
  const { hiddenSize: width, layers, layerNormEps } = config;
  const embeddings = scope.child('embeddings');
  const rows = embedPatches(embeddings.child('patch_embedding'), config, pixels);
  const [n, count] = rows.shape as [number, number];
  const token = embeddings.parameter('class_embedding', [1, 1, width]);
  const places = embeddings.parameter('position_embedding', [1, count + 1, width]);
  let h = g.add(g.concat([g.expand(token, [n, 1, width]), rows], 1), places);
  for (let i = 0; i < layers; i++) {
    h = layer(scope.child('encoder').child('layers').child(i), config, h);
  }
  return layerNorm(scope.child('post_layernorm'), h, layerNormEps);
}

function layer(scope: Scope, config: BlipVisionConfig, x: Tensor): Tensor {
  const { hiddenSize: width, heads, layerNormEps: eps, activation, intermediateSize } = config;
  const self = scope.child('self_attn');
  const joined = linear(
    self.child('qkv'),
    layerNorm(scope.child('layer_norm1'), x, eps),
    3 * width,
  );
  const [query, key, value] = g.split(joined, 3) as [Tensor, Tensor, Tensor];
  const mixed = g.attention(query, key, value, { heads });
  const h = g.add(x, linear(self.child('projection'), mixed, width));
  const mlp = scope.child('mlp');
  const second = layerNorm(scope.child('layer_norm2'), h, eps);
  const wide = activate(activation, linear(mlp.child('fc1'), second, intermediateSize));
  return g.add(h, linear(mlp.child('fc2'), wide, width));
}
