/** @file Whether a text tower can read what a tokenizer writes. */
import { complain } from '../core/errors.js';
import type { ClipTextConfig } from './clip-config.js';

/** What a tower must know of a tokenizer. */
export interface TokenizerIds {
  /** One above the largest id. */
  readonly vocabSize: number;
  readonly eosId: number;
}

/** Throws CONFIG, naming the field, when the tower cannot read what the tokenizer writes. */
export function requireTokenizerFit(
  { vocabSize, eosId }: TokenizerIds,
  config: ClipTextConfig,
  where: string,
): void {
  const refuse = (field: string, expected: string, got: number): Error =>
    complain('CONFIG', { where: `${where}.${field}`, expected, got: `${got}` });
  if (config.vocabSize < vocabSize) {
    throw refuse('vocab_size', `at least ${vocabSize}, as in the tokenizer`, config.vocabSize);
  }
  // CLIP's first configurations say 2 and mean the largest id.
  if (config.eosTokenId !== eosId && config.eosTokenId !== 2) {
    throw refuse('eos_token_id', `${eosId}, as in the tokenizer`, config.eosTokenId);
  }
}
