/** @file Cuts prompts into the token windows a text encoder reads, each with a weight per token. */
import { complain } from '../core/errors.js';
import type { ClipTokenizer } from '../formats/clip-tokenizer.js';
import { readWeights, type WeightedText } from './prompt-weights.js';

/** How a prompt's brackets and length are read. */
export type PromptSyntax = 'plain' | 'a1111';

/**
 * What weights do: `original` multiplies states and brings each chunk back to its old mean,
 * `no-norm` only multiplies, `ignore` reads the brackets without effect, `none` takes them literally.
 */
export type Emphasis = 'original' | 'no-norm' | 'ignore' | 'none';

/** One window of a text encoder. */
export interface PromptChunk {
  /** Start, up to `tokens − 2` ids of text, end, padding. */
  readonly ids: readonly number[];
  /** As many as ids. */
  readonly weights: readonly number[];
}

export interface ChunkRule {
  readonly tokenizer: ClipTokenizer;
  /** Ids per chunk, start and end included. */
  readonly tokens: number;
  readonly syntax: PromptSyntax;
  readonly emphasis: Emphasis;
}

export interface ChunkedPrompt {
  readonly chunks: readonly PromptChunk[];
  /** What a reader of the prompt should know. */
  readonly notes: readonly string[];
}

/** A chunk ends at a comma that is at most this many tokens back. */
const commaReach = 20;
const mostChunks = 32;

/** Chunks of a prompt, at least one. Throws USAGE beyond 32 chunks, TOKENIZER on text that is not Unicode. */
export function chunkPrompt(label: string, text: string, rule: ChunkRule): ChunkedPrompt {
  return rule.syntax === 'plain' ? cutPrompt(label, text, rule) : windows(label, text, rule);
}

/** An empty chunk, to make texts equally long. */
export function emptyChunk({ tokenizer, tokens }: ChunkRule): PromptChunk {
  return finished([], { tokenizer, tokens });
}

/** diffusers' rule: what does not fit one window is not read. */
function cutPrompt(label: string, text: string, { tokenizer, tokens }: ChunkRule): ChunkedPrompt {
  const { ids, truncatedText } = tokenizer.encodePrompt(text, { maxLength: tokens });
  const chunks = [{ ids: Array.from(ids), weights: new Array<number>(tokens).fill(1) }];
  if (truncatedText === undefined) return { chunks, notes: [] };
  const cut = JSON.stringify(shortened(truncatedText));
  const note = `${label}: only the first ${tokens - 2} tokens are read; left out: ${cut}.`;
  return { chunks, notes: [note] };
}

interface WeightedId {
  readonly id: number;
  readonly weight: number;
}

/** The webui's rule: windows that break at BREAK, at commas where one is near, else where they are full. */
function windows(label: string, text: string, rule: ChunkRule): ChunkedPrompt {
  const { tokenizer, emphasis } = rule;
  const room = rule.tokens - 2;
  const comma = commaId(tokenizer);
  const stretches = emphasis === 'none' ? [literal(text)] : readWeights(text);
  const chunks: PromptChunk[] = [];
  let open: WeightedId[] = [];
  let lastComma = -1;
  const close = (rest: WeightedId[] = []): void => {
    if (chunks.length === mostChunks) throw tooLong(label, rule);
    chunks.push(finished(open, rule));
    open = rest;
    lastComma = -1;
  };
  for (const { text: words, weight, isBreak } of stretches) {
    if (isBreak) {
      close();
      continue;
    }
    for (const id of tokenizer.encode(words)) {
      if (id === comma) lastComma = open.length;
      else if (open.length === room && lastComma !== -1 && room - lastComma <= commaReach) {
        const rest = open.slice(lastComma + 1);
        open = open.slice(0, lastComma + 1);
        close(rest);
      }
      if (open.length === room) close();
      open.push({ id, weight: emphasis === 'ignore' ? 1 : weight });
    }
  }
  if (open.length > 0 || chunks.length === 0) close();
  return { chunks, notes: notesOn(label, stretches, { chunks: chunks.length, room }) };
}

function literal(text: string): WeightedText {
  return { text, weight: 1, isBreak: false };
}

function finished(
  text: readonly WeightedId[],
  { tokenizer, tokens }: Pick<ChunkRule, 'tokenizer' | 'tokens'>,
): PromptChunk {
  const ids = new Array<number>(tokens).fill(tokenizer.padId);
  const weights = new Array<number>(tokens).fill(1);
  ids[0] = tokenizer.bosId;
  ids[text.length + 1] = tokenizer.eosId;
  text.forEach(({ id, weight }, i) => {
    ids[i + 1] = id;
    weights[i + 1] = weight;
  });
  return { ids, weights };
}

function notesOn(
  label: string,
  stretches: readonly WeightedText[],
  { chunks, room }: { readonly chunks: number; readonly room: number },
): string[] {
  const notes: string[] = [];
  if (chunks > 1) {
    notes.push(`${label}: read in ${chunks} chunks of up to ${room} tokens, one after the other.`);
  }
  if (stretches.some(({ text, weight, isBreak }) => text === 'BREAK' && weight < 0 && !isBreak)) {
    notes.push(`${label}: BREAK inside brackets is a word with a weight below zero, not a break.`);
  }
  return notes;
}

/** The id of a comma that ends a word, when it is one token. */
function commaId(tokenizer: ClipTokenizer): number | undefined {
  const ids = tokenizer.encode(',');
  return ids.length === 1 ? ids[0] : undefined;
}

/** Long texts keep their beginning and say how much follows. */
export function shortened(text: string): string {
  const most = 200;
  const characters = [...text];
  if (characters.length <= most) return text;
  return `${characters.slice(0, most).join('')}… and ${characters.length - most} more characters`;
}

function tooLong(label: string, { tokens }: ChunkRule): Error {
  return complain('USAGE', {
    where: label,
    expected: `at most ${mostChunks} chunks of ${tokens - 2} tokens`,
    got: 'more',
    next: 'Shorten it, or set promptSyntax to plain to read its beginning only.',
  });
}
