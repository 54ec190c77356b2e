/** @file BlipForImageTextRetrieval: ITC, a cosine of separate embeddings, and ITM, a verdict on a pair (Li et al. 2022; transformers). */
import * as g from '../graph/build.js';
import type { Tensor } from '../graph/tensor.js';
import { linear } from '../nn/layers.js';
import type { Scope } from '../nn/scope.js';
import type { BlipConfig } from './blip-config.js';
import { blipEmbeddings, blipPictureKeys, blipTextEncoder } from './blip-text.js';
import { blipVision } from './blip-vision.js';
import { unitRows } from './unit-rows.js';

export interface BlipTextInputs {
  /** Token ids, i64 [n, t]. */
  readonly ids: Tensor;
  /** 1 for tokens, 0 for padding, f32 [n, t]. */
  readonly mask: Tensor;
}

/** Picture states for both verdicts: pixels [n, 3, s, s] -> [n, 1 + patches, c]. */
export function blipImageStates(scope: Scope, config: BlipConfig, pixels: Tensor): Tensor {
  return blipVision(scope.child('vision_model'), config.vision, pixels);
}

/** Of unit length: picture states [n, p, c] -> [n, imageTextHiddenSize]. */
export function blipImageEmbeds(scope: Scope, config: BlipConfig, states: Tensor): Tensor {
  const first = firstToken(states);
  return unitRows(linear(scope.child('vision_proj'), first, config.imageTextHiddenSize));
}

/** Of unit length, the text alone: [n, imageTextHiddenSize]. */
export function blipTextEmbeds(scope: Scope, config: BlipConfig, inputs: BlipTextInputs): Tensor {
  const first = firstToken(encode(scope, config, inputs));
  return unitRows(linear(scope.child('text_proj'), first, config.imageTextHiddenSize));
}

/** Scores of text i on picture i, [n, 2]: no match, match; a softmax over the two is the probability. */
export function blipMatch(
  scope: Scope,
  config: BlipConfig,
  inputs: BlipTextInputs,
  states: Tensor,
): Tensor {
  return linear(scope.child('itm_head'), firstToken(encode(scope, config, inputs, states)), 2);
}

function encode(scope: Scope, config: BlipConfig, inputs: BlipTextInputs, states?: Tensor): Tensor {
  const { ids, mask } = inputs;
  const model = scope.child('text_encoder');
  const [n, t] = ids.shape as [number, number];
  const bias = g.mul(g.sub(g.reshape(mask, [n, 1, 1, t]), 1), 1e30); // -1e30 at padding
  const picture = states && blipPictureKeys(model, config.text, states);
  const embedded = blipEmbeddings(model.child('embeddings'), config.text, ids);
  return blipTextEncoder(model, config.text, embedded, { picture, bias });
}

/** [n, t, c] -> [n, c]. */
function firstToken(x: Tensor): Tensor {
  const [n, , width] = x.shape as [number, number, number];
  return g.reshape(g.sliceAxis(x, 1, 0, 1), [n, width]);
}

/** The parameter a tensor of a retrieval file fills; old files also store `position_ids`. */
export function blipWeightName(nameInFile: string): string | undefined {
  return nameInFile.endsWith('embeddings.position_ids') ? undefined : nameInFile;
}
