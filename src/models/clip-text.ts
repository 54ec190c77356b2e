/** @file CLIPTextModel and CLIPTextModelWithProjection (Radford et al. 2021; transformers). */
import * as g from '../graph/build.js';
import type { Tensor } from '../graph/tensor.js';
import { clipEncoder } from '../nn/clip-encoder.js';
import { layerNorm, linear } from '../nn/layers.js';
import { embedWords } from '../nn/picture-text.js';
import type { Scope } from '../nn/scope.js';
import { type ClipTextConfig, clipEncoderOptions } from './clip-config.js';

export interface ClipTextInputs {
  /** Token ids, i64 [n, t], t at most `maxPositions`. */
  readonly ids: Tensor;
  /** Where each text ends, i64 [n]; see `eosPositions`. */
  readonly eosPosition: Tensor;
}

export interface ClipTextOutputs {
  /** After the final norm, [n, t, hiddenSize]. */
  readonly lastHiddenState: Tensor;
  /** Embeddings, then the state after each layer, without the final norm: layers + 1 tensors. */
  readonly hiddenStates: readonly Tensor[];
  /** The last hidden state where the text ends, [n, hiddenSize]. */
  readonly pooled: Tensor;
}

export interface ClipTextProjectedOutputs extends ClipTextOutputs {
  /** Pooled and projected into the shared space, [n, projectionDim]; not normalised. */
  readonly textEmbeds: Tensor;
}

/** The text tower, parameters below `text_model`. */
export function clipText(
  scope: Scope,
  config: ClipTextConfig,
  inputs: ClipTextInputs,
): ClipTextOutputs {
  const { ids, eosPosition } = inputs;
  const model = scope.child('text_model');
  const embedded = embedWords(model.child('embeddings'), config, ids);
  const options = clipEncoderOptions(config, true);
  const hiddenStates = clipEncoder(model.child('encoder'), embedded, options);
  const norm = model.child('final_layer_norm');
  const lastHiddenState = layerNorm(norm, hiddenStates.at(-1)!, config.layerNormEps);
  return { lastHiddenState, hiddenStates, pooled: pickRows(lastHiddenState, eosPosition) };
}

/** The text tower with `text_projection`, a linear layer without bias. */
export function clipTextWithProjection(
  scope: Scope,
  config: ClipTextConfig,
  inputs: ClipTextInputs,
): ClipTextProjectedOutputs {
  const outputs = clipText(scope, config, inputs);
  const projection = scope.child('text_projection');
  const textEmbeds = linear(projection, outputs.pooled, config.projectionDim, { bias: false });
  return { ...outputs, textEmbeds };
}

/** x [n, t, c], position i64 [n] -> [n, c]. */
function pickRows(x: Tensor, position: Tensor): Tensor {
  const [n, tokens, width] = x.shape as [number, number, number];
  const starts = g.indices(Array.from({ length: n }, (_, i) => i * tokens));
  return g.gather(g.reshape(x, [n * tokens, width]), g.add(position, starts));
}

/**
 * Where each text ends: the first `eosTokenId`, or position 0 when there is none. Files whose
 * `eos_token_id` is 2 carry a historical mistake; for them it is the first largest id.
 */
export function eosPositions(
  ids: readonly (readonly number[])[],
  config: Pick<ClipTextConfig, 'eosTokenId'>,
): number[] {
  return ids.map((text) => {
    const target =
      config.eosTokenId === 2
        ? text.reduce((best, id) => Math.max(best, id), 0)
        : config.eosTokenId;
    return Math.max(0, text.indexOf(target));
  });
}

/**
 * The parameter a tensor of a CLIP file fills. Old files also store `position_ids`, which nothing
 * reads; files written by transformers 5 leave out the `tower` prefix.
 */
export function clipWeightName(
  nameInFile: string,
  tower?: 'text_model' | 'vision_model',
): string | undefined {
  if (nameInFile.endsWith('embeddings.position_ids')) return undefined;
  const isBare = /^(?:embeddings|encoder|final_layer_norm|pre_layrnorm|post_layernorm)\./;
  return tower !== undefined && isBare.test(nameInFile) ? `${tower}.${nameInFile}` : nameInFile;
}
