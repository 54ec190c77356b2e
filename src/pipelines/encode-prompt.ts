/** @file Stage 1, words to numbers: every text tower reads the prompt, as diffusers' encode_prompt does. */
import { complain } from '../core/errors.js';
import { type FloatTensor, floatTensor } from '../core/tensor-data.js';
import { type Graph, input } from '../graph/tensor.js';
import { clipText, clipTextWithProjection, eosPositions } from '../models/clip-text.js';
import { Scope } from '../models/registry.js';
import type { Family } from './families.js';
import { floatOutput, type SessionCache } from './session-cache.js';
import type { TextToImageModel } from './text-to-image-model.js';
import type { TextTower } from './text-towers.js';

/** What one text tells the denoiser. */
export interface Conditioning {
  /** [1, tokens, width], the towers' states side by side. */
  readonly states: FloatTensor;
  /** [1, projectionDim], of the tower that has a projection. */
  readonly pooled: FloatTensor | undefined;
}

export interface EncodeOptions {
  /** Layers left out at the end of every tower. Default 0. */
  readonly clipSkip?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Throws USAGE when `clipSkip` leaves no layer, TOKENIZER on text that is not Unicode. */
export async function encodePrompt(
  model: TextToImageModel,
  sessions: SessionCache,
  text: string,
  options: EncodeOptions = {},
): Promise<Conditioning> {
  const read: { states: FloatTensor; pooled?: FloatTensor }[] = [];
  for (const tower of model.towers) {
    read.push(await readWith(tower, model.family.textStates, sessions, text, options));
  }
  const pooled = read.find((result) => result.pooled)?.pooled;
  return { states: sideBySide(read.map(({ states }) => states)), pooled };
}

/** Zeros in the shape of `conditioning`. */
export function zeroed({ states, pooled }: Conditioning): Conditioning {
  const zeros = ({ shape, data }: FloatTensor): FloatTensor =>
    floatTensor(new Float32Array(data.length), shape);
  return { states: zeros(states), pooled: pooled && zeros(pooled) };
}

/** What the towers cannot read of a text, one line per distinct cut. */
export function cutWarnings(model: TextToImageModel, label: string, text: string): string[] {
  const lines = model.towers.map(({ tokenizer, tokens }) => {
    const { truncatedText } = tokenizer.encodePrompt(text, { maxLength: tokens });
    if (truncatedText === undefined) return undefined;
    const cut = JSON.stringify(shortened(truncatedText));
    return `${label}: only the first ${tokens - 2} tokens are read; left out: ${cut}.`;
  });
  return [...new Set(lines.filter((line) => line !== undefined))];
}

/** Long texts keep their beginning and say how much follows. */
function shortened(text: string): string {
  const most = 200;
  const characters = [...text];
  if (characters.length <= most) return text;
  return `${characters.slice(0, most).join('')}… and ${characters.length - most} more characters`;
}

async function readWith(
  tower: TextTower,
  textStates: Family['textStates'],
  sessions: SessionCache,
  text: string,
  { clipSkip = 0, signal }: EncodeOptions,
): Promise<{ states: FloatTensor; pooled?: FloatTensor }> {
  const { part, tokenizer, tokens } = tower;
  checkSkip(clipSkip, part.config.layers);
  const ids = Array.from(tokenizer.encodePrompt(text, { maxLength: tokens }).ids);
  const eos = eosPositions([ids], part.config);
  const outputs = await sessions.run({
    part,
    form: `${tokens} tokens, skip ${clipSkip}`,
    build: () => towerGraph(tower, textStates, clipSkip),
    feeds: new Map([
      ['ids', { dtype: 'i64', shape: [1, tokens], data: BigInt64Array.from(ids, BigInt) }],
      ['eosPosition', { dtype: 'i64', shape: [1], data: BigInt64Array.from(eos, BigInt) }],
    ]),
    signal,
  });
  const states = floatOutput(outputs, 'states');
  return outputs.has('pooled') ? { states, pooled: floatOutput(outputs, 'pooled') } : { states };
}

/** Inputs ids i64 [1, t] and eosPosition i64 [1]; outputs states [1, t, c] and pooled [1, p]. */
function towerGraph(
  { part, tokens }: TextTower,
  textStates: Family['textStates'],
  clipSkip: number,
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
