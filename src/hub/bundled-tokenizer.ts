/** @file The tokenizer of OpenAI's CLIP (Radford et al. 2021), which comes with the package for checkpoints that hold none. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { inTurns, mapping } from '../core/pieces.js';
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
  return ClipTokenizer.fromFilesInTurns({
    vocab: await vocabularyOf(merges),
    merges,
    tokenizerConfig,
  });
}

/** The text of a `vocab.json`: bytes, bytes that end a word, one token per merge, then the two marks. */
async function vocabularyOf(merges: string): Promise<string> {
  const pairs = merges.split('\n').filter((line) => line !== '' && !line.startsWith('#version'));
  const tokens = [
    ...byteAlphabet,
    ...byteAlphabet.map((char) => `${char}</w>`),
    ...pairs.map((pair) => pair.replace(' ', '')),
    start!,
    end!,
  ];
  const entry = (token: string, id: number): string => `${JSON.stringify(token)}:${id}`;
  return `{${(await inTurns(mapping(tokens, entry))).join()}}`;
}
