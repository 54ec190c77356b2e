/** @file Tokenizer folders as transformers writes them: tokenizer.json, vocab.json with merges.txt, vocab.txt, or spiece.model. */
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { complain } from '../core/errors.js';
import { BertTokenizer } from '../formats/bert-tokenizer.js';
import { ClipTokenizer } from '../formats/clip-tokenizer.js';
import { SiglipTokenizer } from '../formats/siglip-tokenizer.js';
import { T5Tokenizer } from '../formats/t5-tokenizer.js';
import { regularFileSize, unreadable } from './weight-file.js';

const limitBytes = 100_000_000;

/**
 * Reads a CLIP tokenizer; `tokenizer.json` wins where both forms lie. Throws MODEL_NOT_FOUND when
 * neither is there, FILE_READ or TOKENIZER.
 */
export async function readTokenizerFolder(folder: string): Promise<ClipTokenizer> {
  const optional = (name: string): Promise<string | undefined> => readText(join(folder, name));
  const tokenizerConfig = await optional('tokenizer_config.json');
  const specialTokensMap = await optional('special_tokens_map.json');
  const json = await optional('tokenizer.json');
  if (json !== undefined) {
    return ClipTokenizer.fromTokenizerJsonInTurns(json, { tokenizerConfig, specialTokensMap });
  }
  const [vocab, merges] = [await optional('vocab.json'), await optional('merges.txt')];
  if (vocab !== undefined && merges !== undefined) {
    return ClipTokenizer.fromFilesInTurns({ vocab, merges, tokenizerConfig, specialTokensMap });
  }
  throw complain('MODEL_NOT_FOUND', {
    where: folder,
    expected: 'tokenizer.json, or vocab.json and merges.txt',
    got: vocab === undefined && merges === undefined ? 'neither' : 'only one of the two',
  });
}

/**
 * Reads a T5 tokenizer; `tokenizer.json` wins over `spiece.model`. Throws MODEL_NOT_FOUND when
 * neither is there, FILE_READ or TOKENIZER.
 */
export async function readT5TokenizerFolder(folder: string): Promise<T5Tokenizer> {
  const files = await readConfigFiles(folder);
  const json = await readText(join(folder, 'tokenizer.json'));
  if (json !== undefined) return T5Tokenizer.fromTokenizerJson(json, files);
  const spiece = await readBytes(join(folder, 'spiece.model'));
  if (spiece !== undefined) return T5Tokenizer.fromSpiece(spiece, files);
  const expected = 'tokenizer.json or spiece.model';
  throw complain('MODEL_NOT_FOUND', { where: folder, expected, got: 'neither' });
}

/**
 * Reads a BERT tokenizer; `tokenizer.json` wins over `vocab.txt`. Throws MODEL_NOT_FOUND when
 * neither is there, FILE_READ or TOKENIZER.
 */
export async function readBertTokenizerFolder(folder: string): Promise<BertTokenizer> {
  const files = await readConfigFiles(folder);
  const json = await readText(join(folder, 'tokenizer.json'));
  if (json !== undefined) return BertTokenizer.fromTokenizerJson(json, files);
  const vocab = await readText(join(folder, 'vocab.txt'));
  if (vocab !== undefined) return BertTokenizer.fromVocab(vocab, files);
  const expected = 'tokenizer.json or vocab.txt';
  throw complain('MODEL_NOT_FOUND', { where: folder, expected, got: 'neither' });
}

/** Reads a SigLIP tokenizer. Throws MODEL_NOT_FOUND without a `spiece.model`, FILE_READ or TOKENIZER. */
export async function readSiglipTokenizerFolder(folder: string): Promise<SiglipTokenizer> {
  const spiece = await readBytes(join(folder, 'spiece.model'));
  if (spiece) return new SiglipTokenizer(spiece, await readConfigFiles(folder));
  throw complain('MODEL_NOT_FOUND', {
    where: folder,
    expected: 'spiece.model',
    got: 'none',
    next: 'Fetch the whole model; SigLIP 2, whose tokenizer is another, is not run.',
  });
}

async function readConfigFiles(folder: string) {
  return {
    tokenizerConfig: await readText(join(folder, 'tokenizer_config.json')),
    specialTokensMap: await readText(join(folder, 'special_tokens_map.json')),
  };
}

async function readText(path: string): Promise<string | undefined> {
  const bytes = await readBytes(path);
  return bytes?.toString('utf8');
}

/** A file of at most 100 MB; undefined when it is not there. */
async function readBytes(path: string): Promise<Buffer | undefined> {
  if (!(await stat(path).catch(() => undefined))) return undefined;
  const size = await regularFileSize(path);
  if (size > limitBytes) {
    const expected = `at most ${limitBytes} bytes`;
    throw complain('TOKENIZER', { where: path, expected, got: `${size} bytes` });
  }
  return readFile(path).catch((cause: unknown) => {
    throw unreadable(path, cause);
  });
}
