/** @file Captions as the inputs of a CLIP text tower. */
import type { TensorData } from '../core/tensor-data.js';
import type { ClipTokenizer } from '../formats/clip-tokenizer.js';
import type { ClipTextConfig } from '../models/clip-config.js';
import { eosPositions } from '../models/clip-text.js';

export interface CaptionBatch {
  /** i64 [n, maxPositions]. */
  readonly ids: TensorData;
  /** i64 [n], where each text ends. */
  readonly eosPosition: TensorData;
}

export function captionBatch(
  captions: readonly string[],
  tokenizer: ClipTokenizer,
  config: ClipTextConfig,
): CaptionBatch {
  const { maxPositions: length } = config;
  const rows = captions.map((text) =>
    Array.from(tokenizer.encodePrompt(text, { maxLength: length }).ids),
  );
  const n = captions.length;
  return {
    ids: { dtype: 'i64', shape: [n, length], data: BigInt64Array.from(rows.flat(), BigInt) },
    eosPosition: {
      dtype: 'i64',
      shape: [n],
      data: BigInt64Array.from(eosPositions(rows, config), BigInt),
    },
  };
}
