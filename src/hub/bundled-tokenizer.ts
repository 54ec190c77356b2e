/** @file The tokenizer of OpenAI's CLIP (Radford et al. 2021), which comes with the package for checkpoints that hold none. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { type InPieces, inTurns, itemsPerPiece } from '../core/pieces.js';
import { byteAlphabet } from '../formats/clip-text.js';
import { ClipTokenizer } from '../formats/clip-tokenizer.js';
import { unreadable } from './weight-file.js';

const mergesFile = fileURLToPath(
  new URL('../../assets/clip-tokenizer/merges.txt', import.meta.url),
);
const [start, end] = ['<|startoftext|>', '<|endoftext|>'];

/** Texts of 77 ids, filled up with `padToken`: the end mark for SD 1, `!` for OpenCLIP's towers. */
export async function readBundledClipTokenizer(padToken: string): Promise<ClipTokenizer> {
  const merges = await readFile(mergesFile, 'utf8').catch((cause: unknown) => {
    throw unreadable(mergesFile, cause);
  });
  const mark = (content: string) => ({
    __type: 'AddedToken',
    content,
    lstrip: false,
    normalized: true,
    rstrip: false,
    single_word: false,
  });
  const tokenizerConfig = JSON.stringify({
    bos_token: mark(start!),
    eos_token: mark(end!),
    unk_token: mark(end!),
    pad_token: padToken,
    model_max_length: 77,
  });
  const vocab = await inTurns(listingVocabulary(merges));
  return ClipTokenizer.fromFilesInTurns({ vocab, merges, tokenizerConfig });
}

/** Bytes, bytes that end a word, one token per merge, then the two marks: the order of CLIP. */
function* listingVocabulary(merges: string): InPieces<ReadonlyMap<string, number>> {
  const bytes = [...byteAlphabet, ...byteAlphabet.map((char) => `${char}</w>`)];
  const vocab = new Map(bytes.map((token, id) => [token, id]));
  for (const line of merges.split('\n')) {
    if (line === '' || line.startsWith('#version')) continue;
    vocab.set(line.replace(' ', ''), vocab.size);
    if (vocab.size % itemsPerPiece === 0) yield;
  }
  for (const mark of [start!, end!]) vocab.set(mark, vocab.size);
  return vocab;
}
