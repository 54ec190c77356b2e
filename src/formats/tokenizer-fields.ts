/** @file Fields of tokenizer files, checked one by one: vocabularies, merges, added tokens, ids. */
import { complain, type MaliangError } from '../core/errors.js';
import { atOnce, type InPieces, itemsPerPiece } from '../core/pieces.js';
import type { AddedToken } from './added-tokens.js';
import type { BpeMerge } from './bpe.js';
import { JsonNumber, parsingStrictJson, type StrictJson } from './strict-json.js';

export type JsonObject = ReadonlyMap<string, StrictJson>;
export type Vocabulary = ReadonlyMap<string, number>;

/** An added token before its id is settled; `statedId` is what a file says it is. */
export type LooseToken = Omit<AddedToken, 'id'> & { readonly statedId?: number };

/** Small enough that a pair of ids fits a double exactly. */
const idPattern = /^\d{1,7}$/;
const idRange = 'from 0 to 9999999';
const maxPromptLength = 2 ** 20;

export function parseObject(where: string, text: string): JsonObject {
  return atOnce(parsingObject(where, text));
}

export function* parsingObject(where: string, text: string): InPieces<JsonObject> {
  const options = { where, code: 'TOKENIZER', maxDepth: 32 } as const;
  return asObject(where, yield* parsingStrictJson(text, options));
}

/** An absent file reads as an empty object. */
export function parseOptional(where: string, text: string | undefined): JsonObject {
  return text === undefined ? new Map() : parseObject(where, text);
}

export function asObject(where: string, value: StrictJson | undefined): JsonObject {
  if (value instanceof Map) return value as JsonObject;
  throw refuse(where, 'an object', printValue(value));
}

export function objectAt(where: string, object: JsonObject, name: string): JsonObject {
  return asObject(`${where}: ${name}`, object.get(name));
}

export function listAt(where: string, object: JsonObject, name: string): readonly StrictJson[] {
  const value = object.get(name);
  if (Array.isArray(value)) return value as readonly StrictJson[];
  throw refuse(`${where}: ${name}`, 'a list', printValue(value));
}

/** An id is spelled as a plain whole number of at most 7 digits. */
export function readId(where: string, value: StrictJson | undefined): number {
  const text = value instanceof JsonNumber ? value.text : value;
  if (typeof text === 'string' && idPattern.test(text)) return Number(text);
  throw refuse(where, `an id ${idRange}`, printValue(value));
}

/** Token to id; every id occurs once. */
export function* readingVocab(where: string, object: JsonObject): InPieces<Vocabulary> {
  const vocab = new Map<string, number>();
  const seen = new Set<number>();
  for (const [token, value] of object) {
    const id = value instanceof JsonNumber && idPattern.test(value.text) ? Number(value.text) : -1;
    if (id < 0 || seen.has(id)) {
      const got = id < 0 ? printValue(value) : `${id} again`;
      throw refuse(`${where}: ${printText(token)}`, `an id ${idRange}, each once`, got);
    }
    seen.add(id);
    vocab.set(token, id);
    if (vocab.size % itemsPerPiece === 0) yield;
  }
  if (vocab.size === 0) throw refuse(where, 'a vocabulary', 'no tokens');
  return vocab;
}

export function readMerge(where: string, parts: readonly StrictJson[]): BpeMerge {
  const [left, right] = parts;
  const isPair = parts.length === 2 && typeof left === 'string' && typeof right === 'string';
  if (isPair && left !== '' && right !== '') return [left, right];
  throw refuse(where, 'two symbols', `[${parts.slice(0, 3).map(printValue).join(', ')}]`);
}

/** A token given as text or as an object; named tokens are special whatever they say. */
export function readToken(where: string, value: StrictJson, isNamed: boolean): LooseToken {
  const fields = typeof value === 'string' ? new Map([['content', value]]) : asObject(where, value);
  const content = fields.get('content');
  if (typeof content !== 'string' || content === '') {
    throw refuse(where, 'a token with content', printValue(content));
  }
  const isSpecial = readFlag(where, fields, 'special', false) || isNamed;
  return {
    content,
    isSpecial,
    isNormalized: readFlag(where, fields, 'normalized', !isSpecial),
    stripsLeft: readFlag(where, fields, 'lstrip', false),
    stripsRight: readFlag(where, fields, 'rstrip', false),
    isSingleWord: readFlag(where, fields, 'single_word', false),
  };
}

function readFlag(where: string, fields: JsonObject, name: string, otherwise: boolean): boolean {
  const value = fields.get(name) ?? otherwise;
  if (typeof value === 'boolean') return value;
  throw refuse(where, `${name} true or false`, printValue(value));
}

/**
 * Tokens of the vocabulary keep their id, new ones follow its end. Of two with the same text the
 * later one counts. Stated ids must agree.
 */
export function assignIds(vocab: Vocabulary, tokens: readonly LooseToken[]): AddedToken[] {
  const taken = new Set(vocab.values());
  const byContent = new Map<string, AddedToken>();
  let next = vocab.size;
  for (const { statedId, ...token } of tokens) {
    const known = byContent.get(token.content)?.id ?? vocab.get(token.content);
    const id = known ?? next++;
    if (known === undefined && taken.has(id)) {
      throw refuse('tokenizer', `${id} free for ${printText(token.content)}`, 'an id in use');
    }
    if (statedId !== undefined && statedId !== id) {
      throw refuse('tokenizer', `id ${id} for ${printText(token.content)}`, `${statedId}`);
    }
    byContent.set(token.content, { ...token, id });
  }
  return [...byContent.values()];
}

/** The id of a token that a field names by its text or as an object. */
export function idOfToken(
  name: string,
  value: StrictJson | undefined,
  vocab: Vocabulary,
  addedTokens: readonly AddedToken[],
): number {
  const content = contentOf(name, value) ?? '';
  const id = addedTokens.find((token) => token.content === content)?.id ?? vocab.get(content);
  if (id !== undefined) return id;
  throw refuse('tokenizer', `a token of the vocabulary as ${name}`, printValue(value));
}

export function contentOf(name: string, value: StrictJson | undefined): string | undefined {
  if (value === undefined || value === null) return undefined;
  return readToken(name, value, true).content;
}

/** Ids per prompt; undefined when the file sets no limit. */
export function readMaxLength(where: string, value: StrictJson | undefined): number | undefined {
  if (value === undefined || value === null) return undefined;
  const length = value instanceof JsonNumber ? Number(value.text) : Number.NaN;
  // transformers writes about 1e30 for "no limit".
  if (length >= 1e9) return undefined;
  if (Number.isInteger(length) && length >= 2 && length <= maxPromptLength) return length;
  throw refuse(where, `a length of 2 to ${maxPromptLength}, or about 1e30`, printValue(value));
}

function printText(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}

/** A value out of an untrusted file, for messages: quoted, escaped, cut. */
export function printValue(value: StrictJson | undefined): string {
  if (value === undefined) return 'nothing';
  if (value instanceof JsonNumber) return value.text.slice(0, 40);
  if (value instanceof Map) return 'an object';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'string' ? printText(value) : String(value);
}

export function refuse(where: string, expected: string, got: string): MaliangError {
  return complain('TOKENIZER', { where, expected, got });
}
