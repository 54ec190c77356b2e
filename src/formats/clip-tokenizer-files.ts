/** @file Reads and writes the files of a CLIP tokenizer; which special token wins follows huggingface/transformers 5. */
import { complain, type MaliangError } from '../core/errors.js';
import type { AddedToken } from './added-tokens.js';
import type { BpeMerge } from './bpe.js';
import { clipMarkers, clipSplitPatterns, endOfWord } from './clip-text.js';
import { JsonNumber, parseStrictJson, type StrictJson } from './strict-json.js';

/** Text of the two configuration files of a tokenizer folder; each may be absent. */
export interface TokenizerConfigFiles {
  /** `tokenizer_config.json`. */
  readonly tokenizerConfig?: string | undefined;
  /** `special_tokens_map.json`. */
  readonly specialTokensMap?: string | undefined;
}

/** Text of the files of a tokenizer folder without `tokenizer.json`. */
export interface ClipTokenizerFiles extends TokenizerConfigFiles {
  /** `vocab.json`. */
  readonly vocab: string;
  /** `merges.txt`. */
  readonly merges: string;
}

/** Everything the tokenizer needs, checked. */
export interface ClipTokenizerSpec {
  readonly vocab: ReadonlyMap<string, number>;
  readonly merges: readonly BpeMerge[];
  readonly addedTokens: readonly AddedToken[];
  readonly unknownToken: string | undefined;
  readonly bosId: number;
  readonly eosId: number;
  readonly padId: number;
  readonly maxLength: number;
  /** Whether the splitting pattern begins with the two marker literals. */
  readonly keepsMarkers: boolean;
}

type JsonObject = ReadonlyMap<string, StrictJson>;
type LooseToken = Omit<AddedToken, 'id'>;

const defaultMaxLength = 77;
const maxIds = 2 ** 24;
const namedTokens = [
  'bos_token',
  'eos_token',
  'unk_token',
  'sep_token',
  'pad_token',
  'cls_token',
  'mask_token',
] as const;
const defaultTokens = new Map<string, StrictJson>([
  ['bos_token', clipMarkers[0]],
  ['eos_token', clipMarkers[1]],
  ['unk_token', clipMarkers[1]],
  ['pad_token', clipMarkers[1]],
]);

/** Reads the classic four files. Throws TOKENIZER. */
export function readClipFiles(files: ClipTokenizerFiles): ClipTokenizerSpec {
  const vocab = readVocab('vocab.json', parseObject('vocab.json', files.vocab));
  const merges = parseMerges(files.merges);
  const config = parseOptional('tokenizer_config.json', files.tokenizerConfig);
  const map = parseOptional('special_tokens_map.json', files.specialTokensMap);
  const listed = config.get('added_tokens_decoder');
  const named = new Map([...defaultTokens, ...config, ...(listed === undefined ? map : [])]);
  const addedTokens = assignIds(vocab, [
    ...readDecoderTokens(listed),
    ...readNamedTokens(named, listed),
    ...readExtraTokens(named, listed),
  ]);
  const idOf = (name: string): number => idOfToken(name, named.get(name), vocab, addedTokens);
  return {
    vocab,
    merges,
    addedTokens,
    unknownToken: contentOf('unk_token', named.get('unk_token')),
    bosId: idOf('bos_token'),
    eosId: idOf('eos_token'),
    padId: idOf('pad_token'),
    maxLength: readMaxLength(config),
    keepsMarkers: true,
  };
}

/** Reads a serialised pipeline; it must be CLIP's. Throws TOKENIZER. */
export function readClipTokenizerJson(
  json: string,
  files: TokenizerConfigFiles,
): ClipTokenizerSpec {
  const where = 'tokenizer.json';
  const root = parseObject(where, json);
  const model = objectAt(where, root, 'model');
  checkModel(model);
  checkNormalizer(objectAt(where, root, 'normalizer'));
  const keepsMarkers = readSplitPattern(objectAt(where, root, 'pre_tokenizer'));
  const vocab = readVocab(where, objectAt(where, model, 'vocab'));
  const addedTokens = assignIds(
    vocab,
    listAt(where, root, 'added_tokens').map(readSerializedToken),
  );
  const processor = objectAt(where, root, 'post_processor');
  const config = parseOptional('tokenizer_config.json', files.tokenizerConfig);
  const map = parseOptional('special_tokens_map.json', files.specialTokensMap);
  const eosId = readProcessorId(processor, 'sep');
  const pad = map.get('pad_token') ?? config.get('pad_token');
  return {
    vocab,
    merges: readJsonMerges(listAt(where, model, 'merges')),
    addedTokens,
    unknownToken: contentOf('unk_token', model.get('unk_token')),
    bosId: readProcessorId(processor, 'cls'),
    eosId,
    padId: pad === undefined ? eosId : idOfToken('pad_token', pad, vocab, addedTokens),
    maxLength: readMaxLength(config),
    keepsMarkers,
  };
}

/** Text of `merges.txt`, one pair a line, an optional `#version` line first. Throws TOKENIZER. */
function parseMerges(text: string): BpeMerge[] {
  const lines = text.split('\n').map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line));
  if (lines.at(-1) === '') lines.pop();
  const merges: BpeMerge[] = [];
  lines.forEach((line, index) => {
    if (line.startsWith('#version')) return;
    merges.push(readMerge(`merges.txt: line ${index + 1}`, line.split(' ')));
  });
  return merges;
}

function readJsonMerges(items: readonly StrictJson[]): BpeMerge[] {
  return items.map((item, rank) => {
    const parts = typeof item === 'string' ? item.split(' ') : item;
    return readMerge(`tokenizer.json: merge ${rank + 1}`, Array.isArray(parts) ? parts : []);
  });
}

function readMerge(where: string, parts: readonly StrictJson[]): BpeMerge {
  const [left, right] = parts;
  if (parts.length !== 2 || typeof left !== 'string' || typeof right !== 'string') {
    throw refuse(where, 'two symbols with one space between', `${parts.length}`);
  }
  if (left === '' || right === '') throw refuse(where, 'two symbols', 'an empty one');
  return [left, right];
}

function readVocab(where: string, object: JsonObject): ReadonlyMap<string, number> {
  const vocab = new Map<string, number>();
  const seen = new Set<number>();
  for (const [token, value] of object) {
    const id = value instanceof JsonNumber ? Number(value.text) : Number.NaN;
    if (!Number.isSafeInteger(id) || id < 0 || id >= maxIds || seen.has(id)) {
      const got = seen.has(id) ? `${id} twice` : printValue(value);
      throw refuse(where, `ids from 0 to ${maxIds - 1}, each once, at ${printText(token)}`, got);
    }
    seen.add(id);
    vocab.set(token, id);
  }
  if (vocab.size === 0) throw refuse(where, 'a vocabulary', 'no tokens');
  return vocab;
}

function readMaxLength(config: JsonObject): number {
  const value = config.get('model_max_length');
  if (value === undefined || value === null) return defaultMaxLength;
  const length = value instanceof JsonNumber ? Number(value.text) : Number.NaN;
  // transformers writes about 1e30 for "no limit".
  if (length >= 1e9) return defaultMaxLength;
  if (Number.isInteger(length) && length >= 2) return length;
  throw refuse('tokenizer_config.json', 'model_max_length of at least 2', printValue(value));
}

function readDecoderTokens(listed: StrictJson | undefined): (LooseToken & { id: number })[] {
  if (listed === undefined) return [];
  const where = 'tokenizer_config.json: added_tokens_decoder';
  const tokens = [...asObject(where, listed)].map(([key, value]) => {
    const id = /^\d{1,9}$/.test(key) ? Number(key) : Number.NaN;
    if (Number.isNaN(id)) throw refuse(where, 'ids as keys', printText(key));
    return { id, ...readToken(where, value, false) };
  });
  return tokens.sort((a, b) => a.id - b.id);
}

/** The named tokens in transformers' order; of two with the same text the later one counts. */
function readNamedTokens(named: JsonObject, listed: StrictJson | undefined): LooseToken[] {
  const known = new Set(readDecoderTokens(listed).map((token) => token.content));
  const tokens: LooseToken[] = [];
  for (const name of namedTokens) {
    const value = named.get(name);
    if (value === undefined || value === null) continue;
    const token = readToken(name, value, true);
    if (!known.has(token.content)) tokens.push(token);
  }
  return tokens;
}

function readExtraTokens(named: JsonObject, listed: StrictJson | undefined): LooseToken[] {
  const known = new Set(readDecoderTokens(listed).map((token) => token.content));
  const value = named.get('extra_special_tokens') ?? named.get('additional_special_tokens');
  if (!Array.isArray(value)) return [];
  const tokens = (value as readonly StrictJson[]).map((item) =>
    readToken('additional_special_tokens', item, true),
  );
  return tokens.filter((token) => !known.has(token.content));
}

function readSerializedToken(value: StrictJson): LooseToken & { id: number } {
  const where = 'tokenizer.json: added_tokens';
  const id = asObject(where, value).get('id');
  if (!(id instanceof JsonNumber) || !/^\d{1,9}$/.test(id.text)) {
    throw refuse(where, 'an id', printValue(id));
  }
  return { id: Number(id.text), ...readToken(where, value, false) };
}

function readToken(where: string, value: StrictJson, isNamed: boolean): LooseToken {
  const fields: JsonObject =
    typeof value === 'string' ? new Map([['content', value]]) : asObject(where, value);
  const content = fields.get('content');
  if (typeof content !== 'string' || content === '') {
    throw refuse(where, 'a token with content', printValue(content));
  }
  const flag = (name: string, otherwise: boolean): boolean => {
    const given = fields.get(name) ?? otherwise;
    if (typeof given !== 'boolean') throw refuse(where, `${name} true or false`, printValue(given));
    return given;
  };
  const isSpecial = isNamed || flag('special', false);
  return {
    content,
    isSpecial,
    isNormalized: flag('normalized', !isSpecial),
    stripsLeft: flag('lstrip', false),
    stripsRight: flag('rstrip', false),
    isSingleWord: flag('single_word', false),
  };
}

/** Tokens of the vocabulary keep their id, new ones follow its end; stated ids must agree. */
function assignIds(
  vocab: ReadonlyMap<string, number>,
  tokens: readonly (LooseToken & { readonly id?: number })[],
): AddedToken[] {
  const byContent = new Map<string, AddedToken>();
  let next = vocab.size;
  for (const token of tokens) {
    const id = byContent.get(token.content)?.id ?? vocab.get(token.content) ?? next++;
    if (token.id !== undefined && token.id !== id) {
      throw refuse('tokenizer', `id ${id} for ${printText(token.content)}`, `${token.id}`);
    }
    byContent.set(token.content, { ...token, id });
  }
  return [...byContent.values()];
}

function idOfToken(
  name: string,
  value: StrictJson | undefined,
  vocab: ReadonlyMap<string, number>,
  addedTokens: readonly AddedToken[],
): number {
  const content = contentOf(name, value);
  const id = addedTokens.find((token) => token.content === content)?.id ?? vocab.get(content ?? '');
  if (id === undefined) {
    throw refuse('tokenizer', `a token of the vocabulary as ${name}`, printValue(value));
  }
  return id;
}

function contentOf(name: string, value: StrictJson | undefined): string | undefined {
  if (value === undefined || value === null) return undefined;
  return readToken(name, value, true).content;
}

function checkModel(model: JsonObject): void {
  const where = 'tokenizer.json: model';
  const wanted: readonly (readonly [string, readonly StrictJson[]])[] = [
    ['type', ['BPE']],
    ['end_of_word_suffix', [endOfWord]],
    ['continuing_subword_prefix', ['', null]],
    ['dropout', [null]],
    ['fuse_unk', [false]],
    ['byte_fallback', [false]],
    ['ignore_merges', [false]],
  ];
  for (const [name, allowed] of wanted) checkField(where, model, name, allowed);
}

function checkField(
  where: string,
  object: JsonObject,
  name: string,
  allowed: readonly StrictJson[],
): void {
  const value = object.get(name);
  if (value === undefined || allowed.includes(value)) return;
  throw refuse(
    where,
    `${name} ${allowed.map(printValue).join(' or ')}, as CLIP has`,
    printValue(value),
  );
}

function checkNormalizer(normalizer: JsonObject): void {
  const where = 'tokenizer.json: normalizer';
  const steps = listAt(where, normalizer, 'normalizers').map((step) => asObject(where, step));
  const types = steps.map((step) => step.get('type')).map(printValue);
  const [nfc, replace, lowercase] = steps;
  const pattern = replace?.get('pattern');
  const isClip =
    steps.length === 3 &&
    nfc?.get('type') === 'NFC' &&
    replace?.get('type') === 'Replace' &&
    pattern instanceof Map &&
    pattern.get('Regex') === '\\s+' &&
    replace.get('content') === ' ' &&
    lowercase?.get('type') === 'Lowercase';
  if (!isClip) throw refuse(where, 'NFC, Replace of \\s+ by a space, Lowercase', types.join(', '));
}

function readSplitPattern(preTokenizer: JsonObject): boolean {
  const where = 'tokenizer.json: pre_tokenizer';
  const steps = listAt(where, preTokenizer, 'pretokenizers').map((step) => asObject(where, step));
  const [split, byteLevel] = steps;
  if (
    steps.length !== 2 ||
    split?.get('type') !== 'Split' ||
    byteLevel?.get('type') !== 'ByteLevel'
  ) {
    const types = steps.map((step) => printValue(step.get('type'))).join(', ');
    throw refuse(where, 'Split, ByteLevel', types);
  }
  checkField(where, split, 'behavior', ['Removed']);
  checkField(where, split, 'invert', [true]);
  checkField(where, byteLevel, 'add_prefix_space', [false]);
  checkField(where, byteLevel, 'use_regex', [true]);
  const pattern = objectAt(where, split, 'pattern').get('Regex');
  if (pattern === clipSplitPatterns.plain) return false;
  if (pattern === clipSplitPatterns.withMarkers) return true;
  throw refuse(where, 'the pattern of CLIP', printValue(pattern));
}

function readProcessorId(processor: JsonObject, name: 'cls' | 'sep'): number {
  const where = 'tokenizer.json: post_processor';
  checkField(where, processor, 'type', ['RobertaProcessing']);
  const id = listAt(where, processor, name)[1];
  if (!(id instanceof JsonNumber) || !/^\d{1,9}$/.test(id.text)) {
    throw refuse(where, `${name} as [token, id]`, printValue(processor.get(name)));
  }
  return Number(id.text);
}

function parseObject(where: string, text: string): JsonObject {
  const value = parseStrictJson(text, { where, code: 'TOKENIZER', maxDepth: 32 });
  return asObject(where, value);
}

function parseOptional(where: string, text: string | undefined): JsonObject {
  return text === undefined ? new Map() : parseObject(where, text);
}

function asObject(where: string, value: StrictJson | undefined): JsonObject {
  if (value instanceof Map) return value as JsonObject;
  throw refuse(where, 'an object', printValue(value));
}

function objectAt(where: string, object: JsonObject, name: string): JsonObject {
  return asObject(`${where}: ${name}`, object.get(name));
}

function listAt(where: string, object: JsonObject, name: string): readonly StrictJson[] {
  const value = object.get(name);
  if (Array.isArray(value)) return value as readonly StrictJson[];
  throw refuse(`${where}: ${name}`, 'a list', printValue(value));
}

function printText(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}

function printValue(value: StrictJson | undefined): string {
  if (value === undefined) return 'nothing';
  if (value instanceof JsonNumber) return value.text.slice(0, 40);
  if (value instanceof Map) return 'an object';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'string' ? printText(value) : String(value);
}

function refuse(where: string, expected: string, got: string): MaliangError {
  return complain('TOKENIZER', { where, expected, got });
}
