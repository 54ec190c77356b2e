/** @file Reads the classic files of a CLIP tokenizer; which special token wins follows huggingface/transformers 5. */
import { type InPieces, mapping } from '../core/pieces.js';
import type { AddedToken } from './added-tokens.js';
import type { BpeMerge } from './bpe.js';
import { clipMarkers } from './clip-text.js';
import type { StrictJson } from './strict-json.js';
import {
  asObject,
  assignIds,
  contentOf,
  idOfToken,
  type JsonObject,
  type LooseToken,
  parseOptional,
  parsingObject,
  readId,
  readingVocab,
  readMaxLength,
  readMerge,
  readToken,
  type Vocabulary,
} from './tokenizer-fields.js';

/** Text of the two configuration files of a tokenizer folder; each may be absent. */
export interface TokenizerConfigFiles {
  /** `tokenizer_config.json`. */
  readonly tokenizerConfig?: string | undefined;
  /** `special_tokens_map.json`. */
  readonly specialTokensMap?: string | undefined;
}

/** Text of the files of a tokenizer folder without `tokenizer.json`. */
export interface ClipTokenizerFiles extends TokenizerConfigFiles {
  /** `vocab.json`, or the vocabulary itself, ids once each. */
  readonly vocab: string | Vocabulary;
  /** `merges.txt`. */
  readonly merges: string;
}

/** Everything the tokenizer needs, checked. */
export interface ClipTokenizerSpec {
  readonly vocab: Vocabulary;
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

/** Ids per prompt when no file says. */
export const defaultMaxLength = 77;

/** In the order transformers adds them. */
const namedTokens = [
  'bos_token',
  'eos_token',
  'unk_token',
  'sep_token',
  'pad_token',
  'cls_token',
  'mask_token',
] as const;
const clipDefaults: JsonObject = new Map<string, StrictJson>([
  ['bos_token', clipMarkers[0]],
  ['eos_token', clipMarkers[1]],
  ['unk_token', clipMarkers[1]],
  ['pad_token', clipMarkers[1]],
]);

/** Reads the classic four files. Throws TOKENIZER. */
export function* readingClipFiles(files: ClipTokenizerFiles): InPieces<ClipTokenizerSpec> {
  const vocab = typeof files.vocab === 'string' ? yield* parsingVocab(files.vocab) : files.vocab;
  const merges = yield* parsingMerges(files.merges);
  const config = readTokenConfig(files);
  const addedTokens = assignIds(vocab, config.tokens);
  const idOf = (name: string): number =>
    idOfToken(name, config.fields.get(name), vocab, addedTokens);
  return {
    vocab,
    merges,
    addedTokens,
    unknownToken: contentOf('unk_token', config.fields.get('unk_token')),
    bosId: idOf('bos_token'),
    eosId: idOf('eos_token'),
    padId: idOf('pad_token'),
    maxLength: config.maxLength ?? defaultMaxLength,
    keepsMarkers: true,
  };
}

function* parsingVocab(text: string): InPieces<Vocabulary> {
  return yield* readingVocab('vocab.json', yield* parsingObject('vocab.json', text));
}

/** What the configuration files say about tokens, defaults filled in. */
export interface TokenConfig {
  readonly fields: JsonObject;
  /** Listed tokens first, then the named and extra ones that are not listed. */
  readonly tokens: readonly LooseToken[];
  readonly maxLength: number | undefined;
}

/**
 * Reads both configuration files. `added_tokens_decoder` lists tokens and makes the special map
 * count for nothing; without it `serialized`, the list of a `tokenizer.json`, takes its place and
 * the special map overrides the configuration. `defaults` are the fields of the tokenizer's class.
 */
export function readTokenConfig(
  files: TokenizerConfigFiles,
  serialized: readonly LooseToken[] = [],
  defaults: JsonObject = clipDefaults,
): TokenConfig {
  const config = parseOptional('tokenizer_config.json', files.tokenizerConfig);
  const map = parseOptional('special_tokens_map.json', files.specialTokensMap);
  const decoder = config.get('added_tokens_decoder');
  const fields = new Map([...defaults, ...config, ...(decoder === undefined ? map : [])]);
  const listed = decoder === undefined ? serialized : readDecoder(decoder);
  const known = new Set(listed.map((token) => token.content));
  const others = [...readNamed(fields), ...readExtra(fields)];
  return {
    fields,
    tokens: [...listed, ...others.filter((token) => !known.has(token.content))],
    maxLength: readMaxLength('tokenizer_config.json', config.get('model_max_length')),
  };
}

function readDecoder(decoder: StrictJson): LooseToken[] {
  const where = 'tokenizer_config.json: added_tokens_decoder';
  const tokens = [...asObject(where, decoder)].map(([key, value]) => ({
    ...readToken(where, value, false),
    statedId: readId(where, key),
  }));
  return tokens.sort((a, b) => a.statedId - b.statedId);
}

function readNamed(fields: JsonObject): LooseToken[] {
  const tokens: LooseToken[] = [];
  for (const name of namedTokens) {
    const value = fields.get(name) ?? null;
    if (value !== null) tokens.push(readToken(name, value, true));
  }
  return tokens;
}

function readExtra(fields: JsonObject): LooseToken[] {
  const value = fields.get('extra_special_tokens') ?? fields.get('additional_special_tokens');
  if (!Array.isArray(value)) return [];
  const items = value as readonly StrictJson[];
  return items.map((item) => readToken('additional_special_tokens', item, true));
}

/** Text of `merges.txt`, one pair a line; a `#version` line is skipped. */
function* parsingMerges(text: string): InPieces<BpeMerge[]> {
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  const merges = yield* mapping(lines, (line, index) => {
    if (line.startsWith('#version')) return undefined;
    const parts = (line.endsWith('\r') ? line.slice(0, -1) : line).split(' ');
    return readMerge(`merges.txt: line ${index + 1}`, parts);
  });
  return merges.filter((merge) => merge !== undefined);
}
