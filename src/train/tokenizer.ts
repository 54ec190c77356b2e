/** @file Trains a CLIP tokenizer on captions and writes its folder. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { complain } from '../core/errors.js';
import { trainBpe } from '../formats/bpe-trainer.js';
import { ClipTokenizer } from '../formats/clip-tokenizer.js';
import { writeClipTokenizer } from '../formats/write-clip-tokenizer.js';
import { writeFileAtomically } from '../hub/atomic-file.js';

export interface TokenizerTraining {
  readonly vocabSize: number;
  /** Ids per prompt, BOS and EOS included. */
  readonly maxLength: number;
  readonly signal?: AbortSignal;
}

export async function trainTokenizer(
  texts: Iterable<string>,
  folder: string,
  { vocabSize, maxLength, signal }: TokenizerTraining,
): Promise<void> {
  const trained = trainBpe(texts, { vocabSize, signal });
  for (const [name, content] of Object.entries(writeClipTokenizer(trained, { maxLength }))) {
    await writeFileAtomically(join(folder, name), content);
  }
}

/** Throws FILE_READ or TOKENIZER. */
export function readTokenizer(folder: string): ClipTokenizer {
  const text = (name: string): string => {
    try {
      return readFileSync(join(folder, name), 'utf8');
    } catch (cause) {
      const where = join(folder, name);
      throw complain('FILE_READ', { where, expected: 'a tokenizer file', got: 'none' }, cause);
    }
  };
  return ClipTokenizer.fromTokenizerJson(text('tokenizer.json'), {
    tokenizerConfig: text('tokenizer_config.json'),
  });
}
