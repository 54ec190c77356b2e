/** @file BLIP's text transformer: BERT with cross-attention to a picture, as encoder and as decoder (Li et al. 2022; transformers). */
import * as g from '../graph/build.js';
import type { Tensor } from '../graph/tensor.js';
import { activate } from '../nn/activation.js';
import { embedding, layerNorm, linear } from '../nn/layers.js';
import { checkedTokens } from '../nn/picture-text.js';
import type { Scope } from '../nn/scope.js';
import type { BlipTextConfig } from './blip-config.js';

/** Keys and values of one attention, each [n, t, hiddenSize]. */
export interface KeysValues {
  readonly keys: Tensor;
  readonly values: Tensor;
}

export interface BlipTextOptions {
  /** Keys and values of the picture for each layer; without them cross-attention is left out. */
  readonly picture?: readonly KeysValues[] | undefined;
  /** Added to the scores of self-attention, [n or 1, 1, s or 1, t]. */
  readonly bias?: Tensor | undefined;
  /** Every token sees only itself and those before it. */
  readonly causal?: boolean;
  /** What self-attention of a layer looks at, given the keys and values of the tokens themselves. */
  readonly remember?: (layer: number, own: KeysValues) => KeysValues;
}

/** Normed embeddings of words and the places from `position`: ids i64 [n, t] -> [n, t, c]. */
export function blipEmbeddings(
  scope: Scope,
  config: BlipTextConfig,
  ids: Tensor,
  position?: Tensor,
): Tensor {
  const { vocabSize, hiddenSize, maxPositions, layerNormEps } = config;
  const tokens = checkedTokens(ids, maxPositions);
  const words = embedding(scope.child('word_embeddings'), ids, vocabSize, hiddenSize);
  const table = scope.child('position_embeddings').parameter('weight', [maxPositions, hiddenSize]);
  const places = position ? g.gather(table, position) : g.sliceAxis(table, 0, 0, tokens);
  return layerNorm(scope.child('LayerNorm'), g.add(words, places), layerNormEps);
}

/** The layers over embedded tokens [n, t, c]; parameters below `encoder`. */
export function blipTextEncoder(
  scope: Scope,
  config: BlipTextConfig,
  embedded: Tensor,
  options: BlipTextOptions,
): Tensor {
  let h = embedded;
  for (let i = 0; i < config.layers; i++) {
    const layer = scope.child('encoder').child('layer').child(i);
    h = selfAttention(layer.child('attention'), config, h, { ...options, layer: i });
    const picture = options.picture?.[i];
    if (picture) h = crossAttention(layer.child('crossattention'), config, h, picture);
    h = feedForward(layer, config, h);
  }
  return h;
}

/** What every layer's cross-attention reads of the picture's states [n, p, encoderHiddenSize]. */
export function blipPictureKeys(
  scope: Scope,
  config: BlipTextConfig,
  states: Tensor,
): readonly KeysValues[] {
  return Array.from({ length: config.layers }, (_, i) => {
    const layer = scope.child('encoder').child('layer').child(i);
    return keysValues(layer.child('crossattention').child('self'), config, states);
  });
}

function keysValues(scope: Scope, { hiddenSize }: BlipTextConfig, x: Tensor): KeysValues {
  const keys = linear(scope.child('key'), x, hiddenSize);
  return { keys, values: linear(scope.child('value'), x, hiddenSize) };
}

function selfAttention(
  scope: Scope,
  config: BlipTextConfig,
  x: Tensor,
  { bias, causal = false, remember, layer }: BlipTextOptions & { readonly layer: number },
): Tensor {
  const { heads, hiddenSize } = config;
  const self = scope.child('self');
  const query = linear(self.child('query'), x, hiddenSize);
  const own = keysValues(self, config, x);
  const { keys, values } = remember?.(layer, own) ?? own;
  const mixed = g.attention(query, keys, values, { heads, causal, bias });
  return addAndNorm(scope.child('output'), config, mixed, x);
}

function crossAttention(
  scope: Scope,
  config: BlipTextConfig,
  x: Tensor,
  { keys, values }: KeysValues,
): Tensor {
  const query = linear(scope.child('self').child('query'), x, config.hiddenSize);
  const mixed = g.attention(query, keys, values, { heads: config.heads });
  return addAndNorm(scope.child('output'), config, mixed, x);
}

function feedForward(scope: Scope, config: BlipTextConfig, x: Tensor): Tensor {
  const inner = linear(scope.child('intermediate').child('dense'), x, config.intermediateSize);
  return addAndNorm(scope.child('output'), config, activate(config.activation, inner), x);
}

function addAndNorm(scope: Scope, config: BlipTextConfig, x: Tensor, skip: Tensor): Tensor {
  const dense = linear(scope.child('dense'), x, config.hiddenSize);
  return layerNorm(scope.child('LayerNorm'), g.add(dense, skip), config.layerNormEps);
}
