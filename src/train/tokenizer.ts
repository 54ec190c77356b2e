/** @file Trains a CLIP tokenizer on captions and writes its folder. */
import { join } from 'node:path';
import { trainBpe } from '../formats/bpe-trainer.js';
import { writeClipTokenizer } from '../formats/write-clip-tokenizer.js';
import { writeFileAtomically } from '../hub/atomic-file.js';

export interface TokenizerTraining {
  readonly vocabSize: number;
  /** Ids per prompt, BOS and EOS included. */
  readonly maxLength: number;
  readonly signal?: AbortSignal;
}

/**
 * Writes vocab.json last, so that a folder that has it is whole. Throws CANCELLED, TOKENIZER,
 * DISK_FULL or FILE_WRITE.
 */
export async function trainTokenizer(
  texts: Iterable<string>,
  folder: string,
  { vocabSize, maxLength, signal }: TokenizerTraining,
): Promise<void> {
  const trained = trainBpe(texts, { vocabSize, signal });
  const files = Object.entries(writeClipTokenizer(trained, { maxLength }));
  for (const [name, content] of files.reverse()) {
    await writeFileAtomically(join(folder, name), content);
  }
}
