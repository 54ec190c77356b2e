/** @file Cuts prompts into the token windows a text encoder reads, each with a weight per token. */
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
/** What follows is not read: 2400 tokens of a usual encoder. */
const mostChunks = 32;

/**
 * Chunks of a prompt, at least one and at most 32. Throws USAGE on a weight that is no number,
 * TOKENIZER on text that is not Unicode.
 */
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
  return { chunks, notes: [cutNote(label, tokens - 2, truncatedText)] };
}

interface WeightedId {
  readonly id: number;
  readonly weight: number;
}

/** The webui's rule: windows that break at BREAK, at commas where one is near, else where they are full. */
function windows(label: string, text: string, rule: ChunkRule): ChunkedPrompt {
  const stretches = rule.emphasis === 'none' ? [literal(text)] : readWeights(text);
  const filled = fillWindows(idsOf(stretches, rule), rule);
  const kept = filled.slice(0, mostChunks);
  const chunks = kept.map((ids) => finished(ids, rule));
  const left = filled.slice(mostChunks).flatMap((ids) => ids.map(({ id }) => id));
  const notes = [
    ...notesOn(label, stretches, { chunks: chunks.length, room: rule.tokens - 2 }),
    ...(rule.emphasis === 'none' ? [] : editingNotes(label, text)),
  ];
  if (left.length === 0) return { chunks, notes };
  const count = kept.reduce((sum, ids) => sum + ids.length, 0);
  return { chunks, notes: [cutNote(label, count, rule.tokenizer.decode(left))] };
}

function cutNote(label: string, tokens: number, left: string): string {
  const cut = JSON.stringify(shortened(left));
  return `${label}: only the first ${tokens} tokens are read; left out: ${cut}.`;
}

/** The ids of a prompt with their weights, and where it breaks. */
function idsOf(
  stretches: readonly WeightedText[],
  { tokenizer, emphasis }: ChunkRule,
): ('break' | WeightedId)[] {
  return stretches.flatMap(({ text, weight, isBreak }): ('break' | WeightedId)[] => {
    if (isBreak) return ['break'];
    const used = emphasis === 'ignore' ? 1 : weight;
    return tokenizer.encode(text).map((id) => ({ id, weight: used }));
  });
}

function fillWindows(
  items: readonly ('break' | WeightedId)[],
  { tokenizer, tokens }: ChunkRule,
): WeightedId[][] {
  const room = tokens - 2;
  const comma = commaId(tokenizer);
  const done: WeightedId[][] = [];
  let open: WeightedId[] = [];
  let lastComma = -1;
  const close = (length = open.length): void => {
    done.push(open.slice(0, length));
    open = open.slice(length);
    lastComma = -1;
  };
  for (const item of items) {
    if (item === 'break') {
      close();
      continue;
    }
    const isNear = lastComma !== -1 && room - lastComma <= commaReach;
    if (item.id === comma) lastComma = open.length;
    else if (open.length === room && isNear) close(lastComma + 1);
    if (open.length === room) close();
    open.push(item);
  }
  if (open.length > 0 || done.length === 0) close();
  return done;
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

/** `[from:to:when]`, `[to:when]` and `[a|b]` of the webui, not escaped. */
const editing = /(?<!\\)\[[^[\]]*(?::\s*[\d.]+\s*|\|[^[\]]*)\]/u;

/** Prompts that change from step to step are not run. */
function editingNotes(label: string, text: string): string[] {
  const found = editing.exec(text)?.[0];
  if (found === undefined) return [];
  const shown = JSON.stringify(found.slice(0, 80));
  return [`${label}: ${shown} changes nothing from step to step: it is read as words in brackets.`];
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
