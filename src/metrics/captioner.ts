/** @file Words for pictures: BLIP captioning (Li et al. 2022) in the engine's child process. */
import { complain } from '../core/errors.js';
import { type FloatTensor, floatTensor } from '../core/tensor-data.js';
import type { BertTokenizer } from '../formats/bert-tokenizer.js';
import { readPicture } from '../formats/image.js';
import { type Graph, input } from '../graph/tensor.js';
import { sha256OfFiles } from '../hub/file-hash.js';
import { readImageProcessorFile } from '../hub/image-processor-file.js';
import { type ResolveOptions, resolveModel } from '../hub/resolve-model.js';
import { readBertTokenizerFolder } from '../hub/tokenizer-folder.js';
import { blipCaptionPicture, blipCaptionStep } from '../models/blip-captioning.js';
import type { BlipConfig } from '../models/blip-config.js';
import { Scope } from '../models/registry.js';
import { Engine, type EngineOptions } from '../runtime/engine.js';
import { type NextScores, type SearchOptions, searchCaption } from './caption-search.js';
import { readStoredModel } from './component-weights.js';
import { pixelsInput, wholeNumbers } from './dual-tower.js';
import { FormSessions, floatsOf } from './form-sessions.js';
import { type ImageProcessor, parseImageProcessor } from './image-processor.js';
import { cutNote, requireVocabulary } from './judge-model.js';
import type { JudgedPicture } from './judges.js';
import { fittedPicture } from './preprocess-picture.js';

export interface OpenCaptionerOptions
  extends EngineOptions,
    Omit<ResolveOptions, 'revision' | 'variant'> {}

export interface CaptionOptions {
  /** How the caption begins, such as `a photo of`. */
  readonly prompt?: string | undefined;
  /** Captions followed at a time, 1 (default, greedy) to 16. */
  readonly beams?: number | undefined;
  /** See `SearchOptions`. Default 1. */
  readonly lengthPenalty?: number | undefined;
  /** See `SearchOptions`. Default false. */
  readonly earlyStopping?: boolean | 'never' | undefined;
  /** Tokens before the caption may end, those of the prompt and the first one included. Default 0. */
  readonly minLength?: number | undefined;
  /** Most tokens, counted alike. Default: 20 more than the prompt has. */
  readonly maxLength?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Caption {
  /** With the prompt it began with. */
  readonly text: string;
  readonly ids: readonly number[];
  readonly warnings: readonly string[];
}

const defaultNewTokens = 20;
/** The room for tokens is a multiple of it, so that few forms serve all lengths. */
const lengthStep = 8;

interface Parts {
  readonly engine: Engine;
  readonly sessions: FormSessions;
  readonly config: BlipConfig;
  readonly tokenizer: BertTokenizer;
  readonly processor: ImageProcessor;
  readonly files: readonly string[];
  readonly warnings: readonly string[];
}

export class Captioner implements AsyncDisposable {
  /** The id or folder of the model. */
  readonly model: string;
  readonly #parts: Parts;
  #hash: Promise<string> | undefined;

  private constructor(model: string, parts: Parts) {
    this.model = model;
    this.#parts = parts;
  }

  /** Reads a BlipForConditionalGeneration out of a folder or a hub. Throws what reading a model throws. */
  static async open(idOrPath: string, options: OpenCaptionerOptions = {}): Promise<Captioner> {
    const { threads, device, ...place } = options;
    const { path, warnings } = await resolveModel(idOrPath, place);
    const stored = await readStoredModel(path, ['BlipForConditionalGeneration']);
    const { config, weights, files } = stored;
    const tokenizer = await readBertTokenizerFolder(path);
    requireVocabulary(path, tokenizer.vocabSize, config.text.vocabSize);
    const settings = (await readImageProcessorFile(path)) ?? {};
    const processor = parseImageProcessor(settings, 'BlipImageProcessor');
    const engine = Engine.start({ threads, device });
    const sessions = new FormSessions(engine, weights);
    const parts = { engine, sessions, config, tokenizer, processor, files, warnings };
    return new Captioner(idOrPath, parts);
  }

  /** SHA-256 of the weight file; of several files, of their digests. */
  weightHash(): Promise<string> {
    this.#hash ??= sha256OfFiles(this.#parts.files);
    return this.#hash;
  }

  /** Writes what is to be seen. Throws USAGE, IMAGE, CANCELLED and what the engine throws. */
  async caption(picture: JudgedPicture, options: CaptionOptions = {}): Promise<Caption> {
    const { tokenizer, config } = this.#parts;
    const warnings = [...this.#parts.warnings];
    const search = this.#searchOptions(options, warnings);
    const seen = await this.#look(picture, options.signal, warnings);
    const ids = await searchCaption(this.#memory(seen, search, options.signal), search);
    // Published tokenizers do not know the first token, whose id follows theirs.
    const known = ids.filter((id) => id !== config.text.bosTokenId && id < tokenizer.vocabSize);
    return { text: tokenizer.decode(known, { skipsSpecialTokens: true }), ids, warnings };
  }

  /** Ends the computing process. */
  async dispose(): Promise<void> {
    await this.#parts.engine.dispose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  #searchOptions(options: CaptionOptions, warnings: string[]): SearchOptions {
    const { tokenizer, config } = this.#parts;
    const { bosTokenId, sepTokenId: eosId, maxPositions } = config.text;
    const { prompt, beams = 1, lengthPenalty = 1, earlyStopping = false, minLength = 0 } = options;
    const most = Math.min(tokenizer.maxLength ?? maxPositions, maxPositions - 1);
    const { ids, truncatedText } = tokenizer.encodeText(prompt ?? '', { maxLength: most });
    if (truncatedText !== undefined) warnings.push(cutNote('caption', most, truncatedText));
    const start = [bosTokenId, ...ids.slice(1, -1)];
    const maxLength = options.maxLength ?? Math.min(start.length + defaultNewTokens, maxPositions);
    requireWhole('beams', beams, 1, 16);
    requireWhole('minLength', minLength, 0, maxPositions);
    requireWhole('maxLength', maxLength, start.length + 1, maxPositions);
    if (!Number.isFinite(lengthPenalty)) throw wrong('lengthPenalty', 'a number', lengthPenalty);
    if (minLength > maxLength) {
      warnings.push(
        `caption: minLength ${minLength} is above maxLength ${maxLength}, which counts.`,
      );
    }
    return { start, eosId, beams, lengthPenalty, earlyStopping, minLength, maxLength };
  }

  /** Keys and values of the picture for every layer. */
  async #look(
    picture: JudgedPicture,
    signal: AbortSignal | undefined,
    warnings: string[],
  ): Promise<FloatTensor> {
    const { config, processor, sessions } = this.#parts;
    const { imageSize } = config.vision;
    let image = picture;
    if (image instanceof Uint8Array) {
      const read = await readPicture(image, { channels: 4, where: 'caption' });
      warnings.push(...read.notes);
      image = read.image;
    }
    const values = await fittedPicture(image, processor, imageSize);
    const pixels = floatTensor(values, [1, 3, imageSize, imageSize]);
    const build = (): Graph => {
      const keys = blipCaptionPicture(new Scope(), config, pixelsInput(1, config.vision));
      return new Map([['keys', keys]]);
    };
    const feeds = new Map([['pixels', pixels]]);
    const outputs = await sessions.run({ form: 'picture', build, feeds, signal });
    return outputs.get('keys') as FloatTensor;
  }

  /** Scores of next tokens, with the keys and values of those before kept from call to call. */
  #memory(
    seen: FloatTensor,
    { beams: b, maxLength }: SearchOptions,
    signal: AbortSignal | undefined,
  ): NextScores {
    const { config, sessions } = this.#parts;
    const { layers, hiddenSize, vocabSize } = config.text;
    const t = Math.ceil(maxLength / lengthStep) * lengthStep;
    const row = t * hiddenSize; // one caption's keys or values in one layer
    let past = new Float32Array(2 * layers * b * row);
    let known = 0;
    const form = `step ${b} ${t}`;
    const build = () => stepGraph(config, { b, t, patches: seen.shape[1]! });
    const step = async (tokens: readonly number[], position: number): Promise<Float32Array> => {
      const bias = Float32Array.from({ length: t + 1 }, (_, i) =>
        i < position || i === t ? 0 : -1e30,
      );
      const feeds = new Map([
        ['ids', wholeNumbers(tokens, [b, 1])],
        ['position', wholeNumbers([position], [1])],
        ['past', floatTensor(past, [2 * layers * b, t, hiddenSize])],
        ['bias', floatTensor(bias, [1, 1, 1, t + 1])],
        ['picture', seen],
      ]);
      const outputs = await sessions.run({ form, build, feeds, signal });
      const added = floatsOf(outputs, 'added'); // [2 · layers · b, 1, c]
      for (let i = 0; i < 2 * layers * b; i++) {
        const values = added.subarray(i * hiddenSize, (i + 1) * hiddenSize);
        past.set(values, i * row + position * hiddenSize);
      }
      return floatsOf(outputs, 'scores');
    };
    return async (captions, origins) => {
      past = reordered(past, origins, { groups: 2 * layers, row });
      let scores: Float32Array = new Float32Array();
      for (; known < captions[0]!.length; known++) {
        scores = await step(
          captions.map((tokens) => tokens[known]!),
          known,
        );
      }
      return captions.map((_, i) => scores.subarray(i * vocabSize, (i + 1) * vocabSize));
    };
  }
}

/** In every group, row i is the one that row `origins[i]` was. */
function reordered(
  values: Float32Array<ArrayBuffer>,
  origins: readonly number[],
  { groups, row }: { readonly groups: number; readonly row: number },
): Float32Array<ArrayBuffer> {
  if (origins.every((origin, i) => origin === i)) return values;
  const out = new Float32Array(values.length);
  const b = origins.length;
  for (let group = 0; group < groups; group++) {
    origins.forEach((origin, i) => {
      const from = (group * b + origin) * row;
      out.set(values.subarray(from, from + row), (group * b + i) * row);
    });
  }
  return out;
}

function stepGraph(
  config: BlipConfig,
  { b, t, patches }: { readonly b: number; readonly t: number; readonly patches: number },
): Graph {
  const { layers, hiddenSize } = config.text;
  const { scores, added } = blipCaptionStep(new Scope(), config, {
    ids: input('ids', [b, 1], 'i64'),
    position: input('position', [1], 'i64'),
    past: input('past', [2 * layers * b, t, hiddenSize]),
    bias: input('bias', [1, 1, 1, t + 1]),
    picture: input('picture', [2 * layers, patches, hiddenSize]),
  });
  return new Map([
    ['scores', scores],
    ['added', added],
  ]);
}

function requireWhole(name: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw wrong(name, `a whole number from ${least} to ${most}`, value);
}

function wrong(name: string, expected: string, got: unknown): Error {
  return complain('USAGE', { where: 'caption', expected: `${name} as ${expected}`, got: `${got}` });
}
