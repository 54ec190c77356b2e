/** @file T5EncoderModel (Raffel et al. 2020; transformers): relative positions, RMS norms, unscaled attention, no biases. */
import { complain } from '../core/errors.js';
import * as g from '../graph/build.js';
import type { Tensor } from '../graph/tensor.js';
import { activate } from '../nn/activation.js';
import { embedding, linear, rmsNorm } from '../nn/layers.js';
import type { Scope } from '../nn/scope.js';
import type { T5EncoderConfig } from './t5-encoder-config.js';

/** ids i64 [n, t], all of them seen, padding too -> the last hidden state [n, t, hiddenSize]. */
export function t5Encoder(scope: Scope, config: T5EncoderConfig, ids: Tensor): Tensor {
  const { vocabSize, hiddenSize, layers, layerNormEps } = config;
  const tokens = ids.shape[1] ?? 0;
  if (ids.shape.length !== 2 || tokens < 1) {
    throw complain('SHAPE', {
      where: 't5Encoder: ids',
      expected: 'i64[n,t] with t of at least 1',
      got: `${ids.dtype}[${ids.shape.join(',')}]`,
    });
  }
  const encoder = scope.child('encoder');
  const blocks = encoder.child('block');
  let x = embedding(scope.child('shared'), ids, vocabSize, hiddenSize); // [n, t, c]
  const bias = positionBias(attentionScope(blocks.child(0)), config, tokens);
  for (let i = 0; i < layers; i++) x = block(blocks.child(i), x, bias, config);
  return rmsNorm(encoder.child('final_layer_norm'), x, layerNormEps);
}

const attentionScope = (scope: Scope): Scope =>
  scope.child('layer').child(0).child('SelfAttention');

/** Attention and feed-forward, each added to what it read: [n, t, c] -> [n, t, c]. */
function block(scope: Scope, x: Tensor, bias: Tensor, config: T5EncoderConfig): Tensor {
  const { heads, headSize, layerNormEps: eps } = config;
  const width = x.shape[2]!;
  const self = attentionScope(scope);
  const first = rmsNorm(scope.child('layer').child(0).child('layer_norm'), x, eps);
  const project = (name: string, from: Tensor, size: number): Tensor =>
    linear(self.child(name), from, size, { bias: false });
  const [query, key, value] = ['q', 'k', 'v'].map((name) => project(name, first, heads * headSize));
  const mixed = g.attention(query!, key!, value!, { heads, scale: 1, bias });
  const h = g.add(x, project('o', mixed, width));
  const last = scope.child('layer').child(1);
  const second = rmsNorm(last.child('layer_norm'), h, eps);
  return g.add(h, feedForward(last.child('DenseReluDense'), second, config));
}

function feedForward(scope: Scope, x: Tensor, config: T5EncoderConfig): Tensor {
  const { intermediateSize, activation, isGated } = config;
  const project = (name: string, from: Tensor, size: number): Tensor =>
    linear(scope.child(name), from, size, { bias: false });
  const wide = activate(activation, project(isGated ? 'wi_0' : 'wi', x, intermediateSize));
  const gated = isGated ? g.mul(wide, project('wi_1', x, intermediateSize)) : wide;
  return project('wo', gated, x.shape.at(-1)!);
}

/** What a head adds to the score of two tokens for their distance, [1, heads, t, t]; all layers share it. */
function positionBias(scope: Scope, config: T5EncoderConfig, tokens: number): Tensor {
  const { distanceBuckets, heads } = config;
  const buckets = Array.from({ length: tokens * tokens }, (_, i) =>
    bucketOf((i % tokens) - Math.floor(i / tokens), config),
  );
  const index = g.indices(buckets, [tokens, tokens]);
  const rows = embedding(scope.child('relative_attention_bias'), index, distanceBuckets, heads);
  return g.reshape(g.transpose(rows, [2, 0, 1]), [1, heads, tokens, tokens]);
}

/** One half of the buckets looks back, one ahead; in each, one half is exact and one logarithmic, in f32 as torch. */
function bucketOf(distance: number, { distanceBuckets, maxDistance }: T5EncoderConfig): number {
  const f = Math.fround;
  const count = Math.floor(distanceBuckets / 2);
  const side = distance > 0 ? count : 0;
  const far = Math.abs(distance);
  const exact = Math.floor(count / 2);
  if (far < exact) return side + far;
  const share = f(f(Math.log(f(far / exact))) / f(Math.log(maxDistance / exact)));
  return side + Math.min(exact + Math.trunc(f(share * (count - exact))), count - 1);
}

/**
 * The parameter a tensor of a T5 file fills. Files name the embedding table once or twice; those of
 * whole T5 models also hold the decoder.
 */
export function t5EncoderWeightName(nameInFile: string): string | undefined {
  return /^(?:decoder|lm_head|encoder\.embed_tokens)\./.test(nameInFile) ? undefined : nameInFile;
}
