/** @file BlipForConditionalGeneration: captions written token by token over a picture (Li et al. 2022; transformers). */
import * as g from '../graph/build.js';
import type { Tensor } from '../graph/tensor.js';
import { activate } from '../nn/activation.js';
import { layerNorm, linear } from '../nn/layers.js';
import type { Scope } from '../nn/scope.js';
import type { BlipConfig, BlipTextConfig } from './blip-config.js';
import { blipEmbeddings, blipPictureKeys, blipTextEncoder, type KeysValues } from './blip-text.js';
import { blipVision } from './blip-vision.js';

/** Scores of the next token after each of ids i64 [n, t], over pixels [n, 3, s, s]: [n, t, vocabSize]. */
export function blipCaptioning(
  scope: Scope,
  config: BlipConfig,
  { ids, pixels }: { readonly ids: Tensor; readonly pixels: Tensor },
): Tensor {
  const bert = scope.child('text_decoder').child('bert');
  const states = blipVision(scope.child('vision_model'), config.vision, pixels);
  const picture = blipPictureKeys(bert, config.text, states);
  const embedded = blipEmbeddings(bert.child('embeddings'), config.text, ids);
  const h = blipTextEncoder(bert, config.text, embedded, { picture, causal: true });
  return wordScores(scope, config.text, h);
}

/** All that a caption asks of one picture [1, 3, s, s]: keys and values by layer, [2 · layers, 1 + patches, c]. */
export function blipCaptionPicture(scope: Scope, config: BlipConfig, pixels: Tensor): Tensor {
  const bert = scope.child('text_decoder').child('bert');
  const states = blipVision(scope.child('vision_model'), config.vision, pixels);
  const all = blipPictureKeys(bert, config.text, states);
  return g.concat(
    all.flatMap(({ keys, values }) => [keys, values]),
    0,
  );
}

export interface CaptionStepInputs {
  /** The newest token of each caption, i64 [b, 1]. */
  readonly ids: Tensor;
  /** Its place, i64 [1]. */
  readonly position: Tensor;
  /** Keys and values of the tokens before it, by layer: [2 · layers · b, t, c]. */
  readonly past: Tensor;
  /** 0 where the past is filled, -1e30 elsewhere, then 0 for the token itself: [1, 1, 1, t + 1]. */
  readonly bias: Tensor;
  /** What `blipCaptionPicture` gives. */
  readonly picture: Tensor;
}

export interface CaptionStepOutputs {
  /** Scores of the next token, [b, vocabSize]. */
  readonly scores: Tensor;
  /** Keys and values of the newest token, by layer: [2 · layers · b, 1, c]. */
  readonly added: Tensor;
}

/** One token of `b` captions at once. */
export function blipCaptionStep(
  scope: Scope,
  config: BlipConfig,
  { ids, position, past, bias, picture }: CaptionStepInputs,
): CaptionStepOutputs {
  const { text } = config;
  const b = ids.shape[0]!;
  const [, patches, width] = picture.shape as [number, number, number];
  const bert = scope.child('text_decoder').child('bert');
  const part = (i: number): Tensor => g.expand(g.sliceAxis(picture, 0, i, 1), [b, patches, width]);
  const pictureKeys = Array.from({ length: text.layers }, (_, i) => ({
    keys: part(2 * i),
    values: part(2 * i + 1),
  }));
  const added: Tensor[] = [];
  const remember = (layer: number, own: KeysValues): KeysValues => {
    added.push(own.keys, own.values);
    const before = (i: number): Tensor => g.sliceAxis(past, 0, (2 * layer + i) * b, b);
    return {
      keys: g.concat([before(0), own.keys], 1),
      values: g.concat([before(1), own.values], 1),
    };
  };
  const embedded = blipEmbeddings(bert.child('embeddings'), text, ids, position);
  const options = { picture: pictureKeys, bias, remember };
  const h = blipTextEncoder(bert, text, embedded, options);
  const scores = g.reshape(wordScores(scope, text, h), [b, text.vocabSize]);
  return { scores, added: g.concat(added, 0) };
}

/** The head over [n, t, c], tied to the word embeddings. */
function wordScores(scope: Scope, config: BlipTextConfig, x: Tensor): Tensor {
  const { hiddenSize, vocabSize, activation, layerNormEps } = config;
  const decoder = scope.child('text_decoder');
  const head = decoder.child('cls').child('predictions');
  const transform = head.child('transform');
  const dense = activate(activation, linear(transform.child('dense'), x, hiddenSize));
  const h = layerNorm(transform.child('LayerNorm'), dense, layerNormEps);
  const words = decoder.child('bert').child('embeddings').child('word_embeddings');
  const table = words.parameter('weight', [vocabSize, hiddenSize]);
  return g.add(g.matmul(h, g.transpose(table, [1, 0])), head.parameter('bias', [vocabSize]));
}

/** Names under which files may store the head's tied parameters, and the parameter each stands for. */
export const blipTiedNames: ReadonlyMap<string, string> = new Map([
  [
    'text_decoder.cls.predictions.decoder.weight',
    'text_decoder.bert.embeddings.word_embeddings.weight',
  ],
  ['text_decoder.cls.predictions.decoder.bias', 'text_decoder.cls.predictions.bias'],
]);
