/** @file Captions as the inputs of a CLIP text tower. */
import type { TensorData } from '../core/tensor-data.js';
import type { ClipTokenizer } from '../formats/clip-tokenizer.js';
import type { ClipTextConfig } from '../models/clip-config.js';
import { eosPositions } from '../models/clip-text.js';

export interface CaptionBatch {
  /** i64 [n, tokens]. */
  readonly ids: TensorData;
  /** i64 [n], where each text ends. */
  readonly eosPosition: TensorData;
}

/** Ids of each caption, `maxLength` each: cut, or filled up. */
export function captionRows(
  captions: readonly string[],
  tokenizer: ClipTokenizer,
  maxLength: number,
): number[][] {
  return captions.map((text) => Array.from(tokenizer.encodePrompt(text, { maxLength }).ids));
}

/** Rows of equally many ids as tensors. */
export function tokenTensors(
  rows: readonly (readonly number[])[],
  config: Pick<ClipTextConfig, 'eosTokenId'>,
): CaptionBatch {
  const n = rows.length;
  const length = rows[0]?.length ?? 0;
  const ends = eosPositions(rows, config);
  return {
    ids: { dtype: 'i64', shape: [n, length], data: BigInt64Array.from(rows.flat(), BigInt) },
    eosPosition: { dtype: 'i64', shape: [n], data: BigInt64Array.from(ends, BigInt) },
  };
}

export function captionBatch(
  captions: readonly string[],
  tokenizer: ClipTokenizer,
  config: ClipTextConfig,
): CaptionBatch {
  return tokenTensors(captionRows(captions, tokenizer, config.maxPositions), config);
}
