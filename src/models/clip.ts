/** @file CLIPModel: both towers compared by scaled cosines, and its contrastive loss (Radford et al. 2021). */
import * as g from '../graph/build.js';
import type { Tensor } from '../graph/tensor.js';
import { type InitialRule, zeros } from '../nn/initialise.js';
import type { Scope } from '../nn/scope.js';
import type { ClipConfig, ClipTowerConfig } from './clip-config.js';
import { type ClipTextInputs, clipTextWithProjection } from './clip-text.js';
import { clipVisionWithProjection } from './clip-vision.js';
import { unitRows } from './unit-rows.js';

export interface ClipInputs extends ClipTextInputs {
  /** [m, channels, imageSize, imageSize]. */
  readonly pixels: Tensor;
}

export interface ClipOutputs {
  /** Of unit length, [n, projectionDim]. */
  readonly textEmbeds: Tensor;
  /** Of unit length, [m, projectionDim]. */
  readonly imageEmbeds: Tensor;
  /** Cosines times exp(logit_scale), texts by pictures: [n, m]. */
  readonly logitsPerText: Tensor;
}

/** Both towers and the scalar parameter `logit_scale`. */
export function clip(scope: Scope, config: ClipConfig, inputs: ClipInputs): ClipOutputs {
  const text = clipTextWithProjection(scope, config.text, inputs);
  const vision = clipVisionWithProjection(scope, config.vision, inputs.pixels);
  const textEmbeds = unitRows(text.textEmbeds);
  const imageEmbeds = unitRows(vision.imageEmbeds);
  const scale = g.exp(scope.parameter('logit_scale', []));
  const cosines = g.matmul(textEmbeds, g.transpose(imageEmbeds, [1, 0]));
  return { textEmbeds, imageEmbeds, logitsPerText: g.mul(cosines, scale) };
}

/** Mean cross-entropy in both directions, a scalar; text i belongs to picture i: logits [n, n]. */
export function clipLoss(logits: Tensor): Tensor {
  const n = logits.shape[0]!;
  const eye = new Float32Array(n * n);
  for (let i = 0; i < n; i++) eye[i * n + i] = 1;
  const diagonal = g.constant({ dtype: 'f32', shape: [n, n], data: eye });
  const likelihood = g.add(g.logSoftmax(logits, 0), g.logSoftmax(logits, 1));
  return g.div(g.sum(g.mul(likelihood, diagonal)), -2 * n);
}

/** Starting values of one tower, as transformers draws them; `prefix` is `text_model` or `vision_model`. */
function towerInitials(prefix: string, config: ClipTowerConfig): InitialRule[] {
  const { hiddenSize: width, layers } = config;
  const normal = (path: string, std: number): InitialRule => ({
    pattern: new RegExp(`^${prefix}\\..*${path}\\.weight$`),
    fill: { kind: 'normal', std },
  });
  const inner = 1 / Math.sqrt(width * 2 * layers);
  return [
    normal('self_attn\\.[qkv]_proj', inner),
    normal('self_attn\\.out_proj', 1 / Math.sqrt(width)),
    normal('mlp\\.fc1', 1 / Math.sqrt(2 * width)),
    normal('mlp\\.fc2', inner),
    normal('(?:patch|position|token)_embedding', 0.02),
    { pattern: new RegExp(`^${prefix}\\..*bias$`), fill: zeros },
  ];
}

/** Starting values for training both towers, as transformers draws them. */
export function clipInitials(config: ClipConfig): readonly InitialRule[] {
  const { text, vision, logitScaleInit } = config;
  const normal = (pattern: RegExp, std: number): InitialRule => ({
    pattern,
    fill: { kind: 'normal', std },
  });
  return [
    { pattern: /^logit_scale$/, fill: { kind: 'constant', value: logitScaleInit } },
    normal(/^text_projection\.weight$/, 1 / Math.sqrt(text.hiddenSize)),
    normal(/^visual_projection\.weight$/, 1 / Math.sqrt(vision.hiddenSize)),
    normal(/\.class_embedding$/, 1 / Math.sqrt(vision.hiddenSize)),
    ...towerInitials('text_model', text),
    ...towerInitials('vision_model', vision),
  ];
}
