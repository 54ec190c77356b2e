/** @file Reads the files of a BERT tokenizer folder as huggingface/transformers 5 `BertTokenizer` does: `tokenizer.json`, or `vocab.txt`. */
import { atOnce } from '../core/pieces.js';
import type { AddedToken } from './added-tokens.js';
import type { BertTextRule } from './bert-text.js';
import {
  readTokenConfig,
  type TokenConfig,
  type TokenizerConfigFiles,
} from './clip-tokenizer-files.js';
import type { StrictJson } from './strict-json.js';
import {
  asObject,
  assignIds,
  contentOf,
  idOfToken,
  type JsonObject,
  type LooseToken,
  listAt,
  objectAt,
  parseObject,
  printValue,
  readId,
  readingVocab,
  readToken,
  refuse,
  type Vocabulary,
} from './tokenizer-fields.js';

/** Everything the tokenizer needs, checked. */
export interface BertTokenizerSpec {
  readonly vocab: Vocabulary;
  readonly addedTokens: readonly AddedToken[];
  readonly rule: BertTextRule;
  readonly unknownId: number;
  /** Stands before every text. */
  readonly clsId: number;
  /** Stands behind every text. */
  readonly sepId: number;
  readonly padId: number;
  /** Ids per text; undefined when the files set no limit. */
  readonly maxLength: number | undefined;
  /** Decoded text loses the spaces before punctuation and contractions. */
  readonly cleansSpaces: boolean;
}

const defaults: JsonObject = new Map<string, StrictJson>([
  ['unk_token', '[UNK]'],
  ['sep_token', '[SEP]'],
  ['pad_token', '[PAD]'],
  ['cls_token', '[CLS]'],
  ['mask_token', '[MASK]'],
]);

/** Reads `vocab.txt`, one token a line, with the configuration files beside it. Throws TOKENIZER. */
export function readBertVocab(text: string, files: TokenizerConfigFiles): BertTokenizerSpec {
  const lines = text.split(/\r\n|\r|\n/);
  if (lines.at(-1) === '') lines.pop();
  if (lines.length === 0) throw refuse('vocab.txt', 'a token on each line', 'no lines');
  const vocab = new Map(lines.map((token, id) => [token, id]));
  return settle(vocab, readTokenConfig(files, [], defaults));
}

/**
 * Reads the vocabulary and the added tokens of a `tokenizer.json`. Case, accents and Chinese follow
 * `tokenizer_config.json` alone, as in transformers. Throws TOKENIZER.
 */
export function readBertTokenizerJson(
  json: string,
  files: TokenizerConfigFiles,
): BertTokenizerSpec {
  const where = 'tokenizer.json';
  const root = parseObject(where, json);
  const model = objectAt(where, root, 'model');
  expectField(`${where}: model`, model, 'type', 'WordPiece');
  expectField(`${where}: model`, model, 'continuing_subword_prefix', '##');
  expectField(
    `${where}: normalizer`,
    objectAt(where, root, 'normalizer'),
    'type',
    'BertNormalizer',
  );
  const vocab = atOnce(readingVocab(`${where}: vocab`, objectAt(where, model, 'vocab')));
  const serialized = listAt(where, root, 'added_tokens').map(readSerializedToken);
  return settle(vocab, readTokenConfig(files, serialized, defaults));
}

function settle(vocab: Vocabulary, config: TokenConfig): BertTokenizerSpec {
  const { fields, tokens, maxLength } = config;
  const addedTokens = assignIds(vocab, tokens);
  const idOf = (name: string): number => idOfToken(name, fields.get(name), vocab, addedTokens);
  const unknown = contentOf('unk_token', fields.get('unk_token')) ?? '';
  const unknownId = vocab.get(unknown);
  if (unknownId === undefined) {
    throw refuse('tokenizer', 'unk_token in the vocabulary', printValue(fields.get('unk_token')));
  }
  const lowercases = flag(fields, 'do_lower_case', true);
  return {
    vocab,
    addedTokens,
    rule: {
      lowercases,
      stripsAccents: flag(fields, 'strip_accents', lowercases),
      splitsChinese: flag(fields, 'tokenize_chinese_chars', true),
    },
    unknownId,
    clsId: idOf('cls_token'),
    sepId: idOf('sep_token'),
    padId: idOf('pad_token'),
    maxLength,
    cleansSpaces: flag(fields, 'clean_up_tokenization_spaces', false),
  };
}

function readSerializedToken(value: StrictJson): LooseToken {
  const where = 'tokenizer.json: added_tokens';
  const statedId = readId(where, asObject(where, value).get('id'));
  return { ...readToken(where, value, false), statedId };
}

function flag(fields: JsonObject, name: string, otherwise: boolean): boolean {
  const value = fields.get(name) ?? otherwise;
  if (typeof value === 'boolean') return value;
  throw refuse('tokenizer_config.json', `${name} true or false`, printValue(value));
}

function expectField(where: string, object: JsonObject, name: string, value: string): void {
  const got = object.get(name) ?? value;
  if (got !== value)
    throw refuse(where, `${name} ${printValue(value)}, as BERT has`, printValue(got));
}
