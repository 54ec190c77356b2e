/** @file Reads the files of a T5 tokenizer folder as huggingface/transformers 5 `T5Tokenizer` does: `tokenizer.json`, or `spiece.model`. */
import type { AddedToken } from './added-tokens.js';
import { readTokenConfig, type TokenizerConfigFiles } from './clip-tokenizer-files.js';
import { readSentencepieceModel } from './sentencepiece-model.js';
import { JsonNumber, type StrictJson } from './strict-json.js';
import {
  asObject,
  assignIds,
  idOfToken,
  type JsonObject,
  type LooseToken,
  listAt,
  objectAt,
  parseObject,
  parseOptional,
  printValue,
  readId,
  readToken,
  refuse,
} from './tokenizer-fields.js';
import type { UnigramPiece } from './unigram.js';

/** Everything the tokenizer needs, checked. */
export interface T5TokenizerSpec {
  readonly pieces: readonly UnigramPiece[];
  readonly charsmap: Uint8Array | undefined;
  readonly addedTokens: readonly AddedToken[];
  readonly eosId: number;
  readonly padId: number;
  /** Ids per prompt; undefined when the files set no limit. */
  readonly maxLength: number | undefined;
}

/** Stands for a space in pieces. */
export const spaceMark = '▁';

const mostExtraIds = 10_000;

/** What either form of a vocabulary gives. */
interface Vocabulary {
  readonly pieces: readonly UnigramPiece[];
  readonly charsmap: Uint8Array | undefined;
  /** Tokens a `tokenizer.json` lists. */
  readonly serialized: readonly LooseToken[];
  /** Tokens the class adds unless the configuration lists its own. */
  readonly extraTokens: readonly StrictJson[];
}

/** Reads `tokenizer.json`, with the configuration files beside it when given. Throws TOKENIZER. */
export function readT5TokenizerJson(json: string, files: TokenizerConfigFiles): T5TokenizerSpec {
  const where = 'tokenizer.json';
  const root = parseObject(where, json);
  const model = objectAt(where, root, 'model');
  expectValue(`${where}: model`, model, 'type', 'Unigram');
  expectValue(`${where}: model`, model, 'byte_fallback', false);
  checkPreTokenizer(objectAt(where, root, 'pre_tokenizer'));
  return settle(files, {
    pieces: listAt(where, model, 'vocab').map(readPiece),
    charsmap: readNormalizer(root.get('normalizer') ?? null),
    serialized: listAt(where, root, 'added_tokens').map(readSerializedToken),
    extraTokens: extraIds(files),
  });
}

/** Reads `spiece.model`, with the configuration files beside it when given. Throws TOKENIZER. */
export function readT5Spiece(bytes: Uint8Array, files: TokenizerConfigFiles): T5TokenizerSpec {
  const { pieces, markers, charsmap } = readSentencepieceModel(bytes);
  const extra = extraIds(files);
  const extraPieces = extra.map((token): UnigramPiece => [token, 0]).reverse();
  const marked = markers.map((id) => pieces[id]![0]);
  const marker = (content: string): StrictJson => new Map([['content', content]]);
  return settle(files, {
    pieces: [...pieces, ...extraPieces],
    charsmap,
    serialized: [],
    extraTokens: [...marked.map(marker), ...extra],
  });
}

function settle(files: TokenizerConfigFiles, vocabulary: Vocabulary): T5TokenizerSpec {
  const { pieces, charsmap, serialized, extraTokens } = vocabulary;
  const defaults = new Map<string, StrictJson>([
    ['eos_token', '</s>'],
    ['unk_token', '<unk>'],
    ['pad_token', '<pad>'],
    ['additional_special_tokens', extraTokens],
  ]);
  const config = readTokenConfig(files, serialized, defaults);
  checkSides(config.fields);
  const ids = new Map(pieces.map(([piece], id) => [piece, id]));
  const addedTokens = assignIds(ids, config.tokens);
  const idOf = (name: string): number => idOfToken(name, config.fields.get(name), ids, addedTokens);
  return {
    pieces,
    charsmap,
    addedTokens,
    eosId: idOf('eos_token'),
    padId: idOf('pad_token'),
    maxLength: config.maxLength,
  };
}

/** `<extra_id_0>` and so on, as many as the configuration says, else 100. */
function extraIds({ tokenizerConfig }: TokenizerConfigFiles): string[] {
  const where = 'tokenizer_config.json';
  const stated = parseOptional(where, tokenizerConfig).get('extra_ids');
  const count = stated === undefined ? 100 : readId(`${where}: extra_ids`, stated);
  if (count > mostExtraIds) {
    throw refuse(`${where}: extra_ids`, `at most ${mostExtraIds}`, `${count}`);
  }
  return Array.from({ length: count }, (_, i) => `<extra_id_${i}>`);
}

function readPiece(item: StrictJson, id: number): UnigramPiece {
  const [piece, score] = Array.isArray(item) ? (item as readonly StrictJson[]) : [];
  const value = score instanceof JsonNumber ? Number(score.text) : Number.NaN;
  if (typeof piece === 'string' && Number.isFinite(value)) return [piece, value];
  throw refuse(`tokenizer.json: piece ${id}`, 'a text and a score', printValue(piece));
}

function readSerializedToken(value: StrictJson): LooseToken {
  const where = 'tokenizer.json: added_tokens';
  const statedId = readId(where, asObject(where, value).get('id'));
  return { ...readToken(where, value, false), statedId };
}

function expectValue(where: string, object: JsonObject, name: string, value: StrictJson): void {
  const got = object.get(name) ?? value;
  if (got !== value)
    throw refuse(where, `${name} ${printValue(value)}, as T5 has`, printValue(got));
}

/** Steps of a normalizer or pre-tokenizer, whether it is a sequence or a single one. */
function stepsOf(where: string, value: JsonObject, list: string): JsonObject[] {
  if (value.get('type') !== 'Sequence') return [value];
  return listAt(where, value, list).map((step) => asObject(where, step));
}

/**
 * The character map, if there is one. `Strip` and `Replace` of newer files change nothing that
 * splitting at white space does not.
 */
function readNormalizer(value: StrictJson): Uint8Array | undefined {
  const where = 'tokenizer.json: normalizer';
  if (value === null) return undefined;
  const steps = stepsOf(where, asObject(where, value), 'normalizers');
  const types = steps.map((step) => step.get('type'));
  const rest = types[0] === 'Precompiled' ? types.slice(1) : types;
  if (rest.length > 0 && rest.join() !== 'Strip,Replace') {
    const expected = '"Precompiled", alone or before "Strip" and "Replace"';
    throw refuse(where, expected, types.map(printValue).join(', '));
  }
  if (types[0] !== 'Precompiled') return undefined;
  const map = steps[0]!.get('precompiled_charsmap') ?? null;
  if (map === null || map === '') return undefined;
  if (typeof map === 'string') return Uint8Array.from(Buffer.from(map, 'base64'));
  throw refuse(where, 'a precompiled_charsmap in base64', printValue(map));
}

function checkPreTokenizer(value: JsonObject): void {
  const where = 'tokenizer.json: pre_tokenizer';
  const steps = stepsOf(where, value, 'pretokenizers');
  const types = steps.map((step) => step.get('type'));
  if (
    types.at(-1) !== 'Metaspace' ||
    !['', 'WhitespaceSplit'].includes(types.slice(0, -1).join())
  ) {
    const expected = '"Metaspace", alone or after "WhitespaceSplit"';
    throw refuse(where, expected, types.map(printValue).join(', '));
  }
  const metaspace = steps.at(-1)!;
  expectValue(where, metaspace, 'replacement', spaceMark);
  expectValue(where, metaspace, 'prepend_scheme', 'always');
  expectValue(where, metaspace, 'add_prefix_space', true);
  expectValue(where, metaspace, 'split', true);
}

function checkSides(fields: JsonObject): void {
  expectValue('tokenizer_config.json', fields, 'padding_side', 'right');
  expectValue('tokenizer_config.json', fields, 'truncation_side', 'right');
}
