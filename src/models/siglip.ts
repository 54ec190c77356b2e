/** @file SiglipModel: text and vision tower, the latter pooled by attention, compared by scaled cosines (Zhai et al. 2023; transformers). */
import * as g from '../graph/build.js';
import type { Tensor } from '../graph/tensor.js';
import { activate } from '../nn/activation.js';
import { clipEncoder } from '../nn/clip-encoder.js';
import { layerNorm, linear } from '../nn/layers.js';
import { embedPatches, embedWords } from '../nn/picture-text.js';
import type { Scope } from '../nn/scope.js';
import {
  type SiglipConfig,
  type SiglipTextConfig,
  type SiglipVisionConfig,
  siglipEncoderOptions,
} from './siglip-config.js';
import { unitRows } from './unit-rows.js';

export interface SiglipInputs {
  /** Token ids, i64 [n, t]. */
  readonly ids: Tensor;
  /** [m, channels, imageSize, imageSize]. */
  readonly pixels: Tensor;
}

export interface SiglipOutputs {
  /** Of unit length, [n, width]. */
  readonly textEmbeds: Tensor;
  /** Of unit length, [m, width]. */
  readonly imageEmbeds: Tensor;
  /** Cosines times exp(logit_scale) plus logit_bias, texts by pictures: [n, m]. */
  readonly logitsPerText: Tensor;
}

/** The text tower: the last token's state, which may be padding, through `head`; [n, projectionSize]. */
export function siglipText(scope: Scope, config: SiglipTextConfig, ids: Tensor): Tensor {
  const { hiddenSize, layerNormEps, projectionSize } = config;
  const model = scope.child('text_model');
  const embedded = embedWords(model.child('embeddings'), config, ids);
  const options = siglipEncoderOptions(config);
  const states = clipEncoder(model.child('encoder'), embedded, options).at(-1)!;
  const normal = layerNorm(model.child('final_layer_norm'), states, layerNormEps);
  const [n, tokens] = normal.shape as [number, number];
  const last = g.reshape(g.sliceAxis(normal, 1, tokens - 1, 1), [n, hiddenSize]);
  return linear(model.child('head'), last, projectionSize);
}

/** The vision tower, pooled: [m, hiddenSize]. */
export function siglipVision(scope: Scope, config: SiglipVisionConfig, pixels: Tensor): Tensor {
  const model = scope.child('vision_model');
  const embeddings = model.child('embeddings');
  const patches = embedPatches(embeddings.child('patch_embedding'), config, pixels);
  const shape = patches.shape.slice(1);
  const places = embeddings.child('position_embedding').parameter('weight', shape);
  const options = siglipEncoderOptions(config);
  const states = clipEncoder(model.child('encoder'), g.add(patches, places), options).at(-1)!;
  const normal = layerNorm(model.child('post_layernorm'), states, config.layerNormEps);
  return poolByAttention(model.child('head'), config, normal);
}

/** A learned query looks at all tokens (torch's MultiheadAttention), then a feed-forward: [m, t, c] -> [m, c]. */
function poolByAttention(scope: Scope, config: SiglipVisionConfig, x: Tensor): Tensor {
  const { hiddenSize: width, heads, activation, intermediateSize, layerNormEps } = config;
  const n = x.shape[0]!;
  const attention = scope.child('attention');
  const weights = g.split(attention.parameter('in_proj_weight', [3 * width, width]), 3, 0);
  const biases = g.split(attention.parameter('in_proj_bias', [3 * width]), 3, 0);
  const project = (input: Tensor, part: number): Tensor =>
    g.add(g.matmul(input, g.transpose(weights[part]!, [1, 0])), biases[part]!);
  const probe = g.expand(scope.parameter('probe', [1, 1, width]), [n, 1, width]);
  const mixed = g.attention(project(probe, 0), project(x, 1), project(x, 2), { heads });
  const pooled = linear(attention.child('out_proj'), mixed, width);
  const normal = layerNorm(scope.child('layernorm'), pooled, layerNormEps);
  const mlp = scope.child('mlp');
  const wide = activate(activation, linear(mlp.child('fc1'), normal, intermediateSize));
  return g.reshape(g.add(pooled, linear(mlp.child('fc2'), wide, width)), [n, width]);
}

/** Both towers and the parameters `logit_scale` and `logit_bias`, of one value each. */
export function siglip(scope: Scope, config: SiglipConfig, inputs: SiglipInputs): SiglipOutputs {
  const textEmbeds = unitRows(siglipText(scope, config.text, inputs.ids));
  const imageEmbeds = unitRows(siglipVision(scope, config.vision, inputs.pixels));
  const cosines = g.matmul(textEmbeds, g.transpose(imageEmbeds, [1, 0]));
  const scaled = g.mul(cosines, g.exp(scope.parameter('logit_scale', [1])));
  const logitsPerText = g.add(scaled, scope.parameter('logit_bias', [1]));
  return { textEmbeds, imageEmbeds, logitsPerText };
}

/** The parameter a tensor of a SigLIP file fills; old files also store `position_ids`. */
export function siglipWeightName(nameInFile: string): string | undefined {
  return nameInFile.endsWith('embeddings.position_ids') ? undefined : nameInFile;
}
