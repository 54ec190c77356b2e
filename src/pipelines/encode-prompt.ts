/** @file Stage 1, words to numbers: every text tower reads the prompt, chunk by chunk, and their states are joined. */
import { complain } from '../core/errors.js';
import { type FloatTensor, floatTensor } from '../core/tensor-data.js';
import { type Graph, input } from '../graph/tensor.js';
import { clipText, clipTextWithProjection, eosPositions } from '../models/clip-text.js';
import { latentDraft } from '../models/latent-draft.js';
import { Scope } from '../models/registry.js';
import type { Family } from './families.js';
import type { ModelPart } from './model-part.js';
import {
  type ChunkRule,
  chunkPrompt,
  type Emphasis,
  emptyChunk,
  type PromptChunk,
  type PromptSyntax,
} from './prompt-chunks.js';
import { concatenated } from './rows.js';
import { floatOutput, type SessionCache } from './session-cache.js';
import { joinPadded, readT5, t5Notes } from './t5-text.js';
import type { TextToImageModel } from './text-to-image-model.js';
import type { TextTower } from './text-towers.js';

/** What one text tells the denoiser. */
export interface Conditioning {
  /** [1, tokens, width], the towers' states side by side. */
  readonly states: FloatTensor;
  /** [1, projectionDim], of the tower that has a projection. */
  readonly pooled: FloatTensor | undefined;
  /** [1, c, h, w], what a model with a draft first makes of the text. */
  readonly draft?: FloatTensor | undefined;
}

/** What one tower says of a text. */
export interface TowerReading {
  /** [1, chunks · tokens, width]. */
  readonly states: FloatTensor;
  /** [1, projectionDim], of the first chunk. */
  readonly pooled: FloatTensor | undefined;
}

/** How texts are read. */
export interface PromptRule {
  readonly syntax: PromptSyntax;
  readonly emphasis: Emphasis;
  /** Ids a T5 encoder reads. */
  readonly maxSequenceLength: number;
}

export interface EncodeOptions extends PromptRule {
  /** Layers left out at the end of every tower. Default 0. */
  readonly clipSkip?: number | undefined;
  /** Chunks at least; shorter texts get empty ones. Default 1. */
  readonly chunks?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Throws USAGE when `clipSkip` leaves no layer, TOKENIZER on text that is not Unicode. */
export async function encodePrompt(
  model: TextToImageModel,
  sessions: SessionCache,
  text: string,
  options: EncodeOptions,
): Promise<Conditioning> {
  const count = Math.max(options.chunks ?? 1, countChunks(model, text, options));
  const readings: TowerReading[] = [];
  for (const tower of model.towers) {
    const { textStates } = model.family;
    readings.push(await readWith(tower, sessions, text, { ...options, textStates, count }));
  }
  if (!model.family.t5) {
    const joined = joinSideBySide(readings);
    const { pooled } = joined;
    if (!model.draft || !pooled) return joined;
    return { ...joined, draft: await readDraft(model.draft, sessions, pooled, options.signal) };
  }
  const t5 = await readT5(sessions, text, { ...options, model });
  const clip = sideBySide(readings.map(({ states }) => states));
  const pooled = readings.flatMap((reading) => reading.pooled ?? []);
  return joinPadded(clip, t5, pooled);
}

/** States [1, t, cᵢ] -> [1, t, Σcᵢ]; the pooled vector is that of the last tower that has one. */
function joinSideBySide(readings: readonly TowerReading[]): Conditioning {
  const pooled = readings.findLast((reading) => reading.pooled)?.pooled;
  return { states: sideBySide(readings.map(({ states }) => states)), pooled };
}

async function readDraft(
  part: ModelPart<'LatentDraft'>,
  sessions: SessionCache,
  pooled: FloatTensor,
  signal: AbortSignal | undefined,
): Promise<FloatTensor> {
  const build = (): Graph => {
    const embeds = input('embeds', pooled.shape);
    return new Map([['draft', latentDraft(new Scope(), part.config, embeds)]]);
  };
  const feeds = new Map([['embeds', pooled]]);
  const outputs = await sessions.run({ part, form: 'draft', build, feeds, signal });
  return floatOutput(outputs, 'draft');
}

/** Zeros in the shape of `conditioning`. */
export function zeroed({ states, pooled, draft }: Conditioning): Conditioning {
  const zeros = ({ shape, data }: FloatTensor): FloatTensor =>
    floatTensor(new Float32Array(data.length), shape);
  return { states: zeros(states), pooled: pooled && zeros(pooled), draft: draft && zeros(draft) };
}

/** Chunks of a text in the tower that needs most. */
export function countChunks(model: TextToImageModel, text: string, rule: PromptRule): number {
  return Math.max(
    ...model.towers.map(
      (tower) => chunkPrompt('prompt', text, { ...tower, ...rule }).chunks.length,
    ),
  );
}

/** What a reader of the prompt should know, one line per distinct note. */
export function promptNotes(
  model: TextToImageModel,
  label: string,
  { text, ...rule }: PromptRule & { readonly text: string },
): string[] {
  const notes = model.towers.flatMap(
    (tower) => chunkPrompt(label, text, { ...tower, ...rule }).notes,
  );
  if (model.t5) notes.push(...t5Notes(label, text, model.t5, rule));
  return [...new Set(notes)];
}

interface ReadOptions extends EncodeOptions {
  readonly textStates: Family['textStates'];
  readonly count: number;
}

async function readWith(
  tower: TextTower,
  sessions: SessionCache,
  text: string,
  options: ReadOptions,
): Promise<TowerReading> {
  const { tokenizer, tokens } = tower;
  const rule: ChunkRule = { ...options, tokenizer, tokens };
  const chunks = [...chunkPrompt('prompt', text, rule).chunks];
  while (chunks.length < options.count) chunks.push(emptyChunk(rule));
  const read: TowerReading[] = [];
  for (const chunk of chunks) {
    const { states, pooled } = await readChunk(tower, sessions, chunk, options);
    read.push({ states: weighted(states, chunk.weights, options.emphasis), pooled });
  }
  if (read.length === 1) return read[0]!;
  const width = read[0]!.states.shape[2]!;
  const data = concatenated(read.map(({ states }) => states.data));
  return { states: floatTensor(data, [1, data.length / width, width]), pooled: read[0]!.pooled };
}

async function readChunk(
  { part, tokens }: TextTower,
  sessions: SessionCache,
  { ids }: PromptChunk,
  { clipSkip = 0, textStates, signal }: ReadOptions,
): Promise<TowerReading> {
  checkSkip(clipSkip, part.config.layers);
  const eos = eosPositions([ids], part.config);
  const outputs = await sessions.run({
    part,
    form: `${tokens} tokens, skip ${clipSkip}`,
    build: () => towerGraph(part, tokens, { textStates, clipSkip }),
    feeds: new Map([
      ['ids', { dtype: 'i64', shape: [1, tokens], data: BigInt64Array.from(ids, BigInt) }],
      ['eosPosition', { dtype: 'i64', shape: [1], data: BigInt64Array.from(eos, BigInt) }],
    ]),
    signal,
  });
  const pooled = outputs.has('pooled') ? floatOutput(outputs, 'pooled') : undefined;
  return { states: floatOutput(outputs, 'states'), pooled };
}

/** States [1, t, c] times the weight of each token; `original` keeps the mean over the chunk. */
function weighted(
  states: FloatTensor,
  weights: readonly number[],
  emphasis: Emphasis,
): FloatTensor {
  if (weights.every((weight) => weight === 1)) return states;
  const width = states.shape[2]!;
  const f = Math.fround;
  const factors = Float32Array.from(weights);
  const scaled = states.data.map((value, i) => value * factors[Math.floor(i / width)]!);
  if (emphasis === 'no-norm') return floatTensor(scaled, states.shape);
  const ratio = f(f(mean(states.data)) / f(mean(scaled)));
  return floatTensor(
    scaled.map((value) => value * ratio),
    states.shape,
  );
}

function mean(values: Float32Array): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum / values.length;
}

/** Inputs ids i64 [1, t] and eosPosition i64 [1]; outputs states [1, t, c] and pooled [1, p]. */
function towerGraph(
  part: TextTower['part'],
  tokens: number,
  {
    textStates,
    clipSkip,
  }: { readonly textStates: Family['textStates']; readonly clipSkip: number },
): Graph {
  const inputs = {
    ids: input('ids', [1, tokens], 'i64'),
    eosPosition: input('eosPosition', [1], 'i64'),
  };
  if (textStates === 'last') {
    // The final norm follows the last layer that is left.
    const config = { ...part.config, layers: part.config.layers - clipSkip };
    return new Map([['states', clipText(new Scope(), config, inputs).lastHiddenState]]);
  }
  if (part.className === 'CLIPTextModel') {
    const { hiddenStates } = clipText(new Scope(), part.config, inputs);
    return new Map([['states', hiddenStates.at(-2 - clipSkip)!]]);
  }
  const { hiddenStates, textEmbeds } = clipTextWithProjection(new Scope(), part.config, inputs);
  return new Map([
    ['states', hiddenStates.at(-2 - clipSkip)!],
    ['pooled', textEmbeds],
  ]);
}

function checkSkip(clipSkip: number, layers: number): void {
  if (Number.isInteger(clipSkip) && clipSkip >= 0 && clipSkip < layers) return;
  throw complain('USAGE', {
    where: 'clipSkip',
    expected: `a whole number from 0 to ${layers - 1}`,
    got: `${clipSkip}`,
    next: 'Leave it out for the states the model was trained on.',
  });
}

/** Tensors [1, t, cᵢ] -> [1, t, Σcᵢ]. */
function sideBySide(parts: readonly FloatTensor[]): FloatTensor {
  if (parts.length === 1) return parts[0]!;
  const tokens = parts[0]!.shape[1]!;
  if (parts.some(({ shape }) => shape[1] !== tokens)) {
    throw complain('CONFIG', {
      where: 'text encoders',
      expected: 'equally many tokens',
      got: parts.map(({ shape }) => shape[1]).join(' and '),
    });
  }
  const widths = parts.map(({ shape }) => shape[2]!);
  const width = widths.reduce((sum, w) => sum + w, 0);
  const data = new Float32Array(tokens * width);
  let offset = 0;
  parts.forEach((part, i) => {
    const own = widths[i]!;
    for (let t = 0; t < tokens; t++) {
      data.set(part.data.subarray(t * own, (t + 1) * own), t * width + offset);
    }
    offset += own;
  });
  return floatTensor(data, [1, tokens, width]);
}
