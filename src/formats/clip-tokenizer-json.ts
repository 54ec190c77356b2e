/** @file Reads a `tokenizer.json` and checks that its pipeline is CLIP's, as huggingface/tokenizers serialises it. */
import { type InPieces, mapping } from '../core/pieces.js';
import type { AddedToken } from './added-tokens.js';
import type { BpeMerge } from './bpe.js';
import { clipSplitPatterns, endOfWord } from './clip-text.js';
import {
  type ClipTokenizerSpec,
  defaultMaxLength,
  readTokenConfig,
  type TokenizerConfigFiles,
} from './clip-tokenizer-files.js';
import { JsonNumber, type StrictJson } from './strict-json.js';
import {
  asObject,
  assignIds,
  contentOf,
  idOfToken,
  type JsonObject,
  type LooseToken,
  listAt,
  objectAt,
  parsingObject,
  printValue,
  readId,
  readingVocab,
  readMaxLength,
  readMerge,
  readToken,
  refuse,
  type Vocabulary,
} from './tokenizer-fields.js';

/**
 * Reads a serialised pipeline. Without configuration files only its own added tokens count, as in
 * huggingface/tokenizers; with them the result is that of transformers. Throws TOKENIZER.
 */
export function* readingClipTokenizerJson(
  json: string,
  files: TokenizerConfigFiles,
): InPieces<ClipTokenizerSpec> {
  const where = 'tokenizer.json';
  const root = yield* parsingObject(where, json);
  const model = objectAt(where, root, 'model');
  checkModel(model);
  checkNormalizer(objectAt(where, root, 'normalizer'));
  const vocab = yield* readingVocab(`${where}: vocab`, objectAt(where, model, 'vocab'));
  const serialized = listAt(where, root, 'added_tokens').map(readSerializedToken);
  const hasConfig = files.tokenizerConfig !== undefined || files.specialTokensMap !== undefined;
  const config = readTokenConfig(files, serialized);
  const addedTokens = assignIds(vocab, hasConfig ? config.tokens : serialized);
  const ends = readEnds(objectAt(where, root, 'post_processor'), vocab, addedTokens);
  const pad = hasConfig
    ? config.fields.get('pad_token')
    : fieldOf(root.get('padding'), 'pad_token');
  const truncation = fieldOf(root.get('truncation'), 'max_length');
  return {
    vocab,
    merges: yield* mapping(listAt(where, model, 'merges'), readListedMerge),
    addedTokens,
    unknownToken: contentOf('unk_token', model.get('unk_token')),
    ...ends,
    padId: pad === undefined ? ends.eosId : idOfToken('pad_token', pad, vocab, addedTokens),
    maxLength:
      config.maxLength ?? readMaxLength(`${where}: truncation`, truncation) ?? defaultMaxLength,
    keepsMarkers: readSplitPattern(objectAt(where, root, 'pre_tokenizer')),
  };
}

function readSerializedToken(value: StrictJson): LooseToken {
  const where = 'tokenizer.json: added_tokens';
  const statedId = readId(where, asObject(where, value).get('id'));
  return { ...readToken(where, value, false), statedId };
}

function readListedMerge(item: StrictJson, rank: number): BpeMerge {
  const parts = typeof item === 'string' ? item.split(' ') : item;
  return readMerge(`tokenizer.json: merge ${rank + 1}`, Array.isArray(parts) ? parts : [item]);
}

function fieldOf(value: StrictJson | undefined, name: string): StrictJson | undefined {
  return value instanceof Map ? value.get(name) : undefined;
}

/** The settings of the model that change ids, with the values CLIP has. */
const modelSettings: readonly (readonly [string, readonly StrictJson[]])[] = [
  ['type', ['BPE']],
  ['end_of_word_suffix', [endOfWord]],
  ['continuing_subword_prefix', ['', null]],
  ['dropout', [null]],
  ['fuse_unk', [false]],
  ['byte_fallback', [false]],
  ['ignore_merges', [false]],
];

function checkModel(model: JsonObject): void {
  const where = 'tokenizer.json: model';
  if (!model.has('end_of_word_suffix')) throw refuse(where, 'end_of_word_suffix', 'nothing');
  for (const [name, allowed] of modelSettings) checkField(where, model, name, allowed);
}

/** An absent field has CLIP's value by default. */
function checkField(
  where: string,
  object: JsonObject,
  name: string,
  allowed: readonly StrictJson[],
): void {
  const value = object.get(name);
  if (value === undefined || allowed.includes(value)) return;
  const values = allowed.map(printValue).join(' or ');
  throw refuse(where, `${name} ${values}, as CLIP has`, printValue(value));
}

function checkNormalizer(normalizer: JsonObject): void {
  const where = 'tokenizer.json: normalizer';
  const steps = listAt(where, normalizer, 'normalizers').map((step) => asObject(where, step));
  const types = steps.map((step) => printValue(step.get('type'))).join(', ');
  if (types !== '"NFC", "Replace", "Lowercase"') {
    throw refuse(where, '"NFC", "Replace", "Lowercase"', types);
  }
  const replace = steps[1]!;
  checkField(where, replace, 'content', [' ']);
  checkField(where, objectAt(where, replace, 'pattern'), 'Regex', ['\\s+']);
}

/** Whether the pattern begins with the two marker literals. */
function readSplitPattern(preTokenizer: JsonObject): boolean {
  const where = 'tokenizer.json: pre_tokenizer';
  const steps = listAt(where, preTokenizer, 'pretokenizers').map((step) => asObject(where, step));
  const types = steps.map((step) => printValue(step.get('type'))).join(', ');
  if (types !== '"Split", "ByteLevel"') throw refuse(where, '"Split", "ByteLevel"', types);
  const [split, byteLevel] = steps;
  checkField(where, split!, 'behavior', ['Removed']);
  checkField(where, split!, 'invert', [true]);
  checkField(where, byteLevel!, 'add_prefix_space', [false]);
  checkField(where, byteLevel!, 'use_regex', [true]);
  const pattern = objectAt(where, split!, 'pattern').get('Regex');
  if (pattern === clipSplitPatterns.plain) return false;
  if (pattern === clipSplitPatterns.withMarkers) return true;
  throw refuse(where, 'the splitting pattern of CLIP', printValue(pattern));
}

function readEnds(
  processor: JsonObject,
  vocab: Vocabulary,
  addedTokens: readonly AddedToken[],
): { readonly bosId: number; readonly eosId: number } {
  const where = 'tokenizer.json: post_processor';
  checkField(where, processor, 'type', ['RobertaProcessing']);
  const idAt = (name: 'cls' | 'sep'): number => {
    const [token, stated] = listAt(where, processor, name);
    const id = idOfToken(name, token, vocab, addedTokens);
    if (stated instanceof JsonNumber && stated.text === `${id}`) return id;
    throw refuse(where, `id ${id} for ${name}`, printValue(stated));
  };
  return { bosId: idAt('cls'), eosId: idAt('sep') };
}
