/** @file CLIPVisionModelWithProjection (Radford et al. 2021; transformers). */
import * as g from '../graph/build.js';
import type { Tensor } from '../graph/tensor.js';
import { clipEncoder } from '../nn/clip-encoder.js';
import { layerNorm, linear } from '../nn/layers.js';
import { embedPatches } from '../nn/picture-text.js';
import type { Scope } from '../nn/scope.js';
import { type ClipVisionConfig, clipEncoderOptions } from './clip-config.js';

export interface ClipVisionOutputs {
  /** All tokens after the last layer, the class token first: [n, 1 + patches, hiddenSize]. */
  readonly lastHiddenState: Tensor;
  /** Normed embeddings, then the state after each layer: layers + 1 tensors. */
  readonly hiddenStates: readonly Tensor[];
  /** The normed class token, [n, hiddenSize]. */
  readonly pooled: Tensor;
}

export interface ClipVisionProjectedOutputs extends ClipVisionOutputs {
  /** Pooled and projected into the shared space, [n, projectionDim]; not normalised. */
  readonly imageEmbeds: Tensor;
}

/** The vision tower, parameters below `vision_model`; pixels [n, channels, imageSize, imageSize]. */
export function clipVision(
  scope: Scope,
  config: ClipVisionConfig,
  pixels: Tensor,
): ClipVisionOutputs {
  const model = scope.child('vision_model');
  const eps = config.layerNormEps;
  const embedded = embedPicture(model.child('embeddings'), config, pixels);
  const start = layerNorm(model.child('pre_layrnorm'), embedded, eps);
  const options = clipEncoderOptions(config, false);
  const hiddenStates = clipEncoder(model.child('encoder'), start, options);
  const lastHiddenState = hiddenStates.at(-1)!;
  const [n, , width] = lastHiddenState.shape as [number, number, number];
  const first = g.reshape(g.sliceAxis(lastHiddenState, 1, 0, 1), [n, width]);
  const pooled = layerNorm(model.child('post_layernorm'), first, eps);
  return { lastHiddenState, hiddenStates, pooled };
}

/** The vision tower with `visual_projection`, a linear layer without bias. */
export function clipVisionWithProjection(
  scope: Scope,
  config: ClipVisionConfig,
  pixels: Tensor,
): ClipVisionProjectedOutputs {
  const outputs = clipVision(scope, config, pixels);
  const projection = scope.child('visual_projection');
  const imageEmbeds = linear(projection, outputs.pooled, config.projectionDim, { bias: false });
  return { ...outputs, imageEmbeds };
}

/** Class token, then patches row by row, with positions: [n, 1 + patches, c]. */
function embedPicture(scope: Scope, config: ClipVisionConfig, pixels: Tensor): Tensor {
  const { hiddenSize } = config;
  const patches = scope.child('patch_embedding');
  const rows = embedPatches(patches, config, pixels, { bias: false }); // [n, patches, c]
  const [n, count] = rows.shape as [number, number];
  const token = g.expand(scope.parameter('class_embedding', [hiddenSize]), [n, 1, hiddenSize]);
  const tokens = g.concat([token, rows], 1);
  const shape = [count + 1, hiddenSize];
  return g.add(tokens, scope.child('position_embedding').parameter('weight', shape));
}
