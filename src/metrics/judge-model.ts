/** @file What a model that judges pictures does, and the parts all of them share. */
import { complain } from '../core/errors.js';
import type { FloatTensor } from '../core/tensor-data.js';
import type { Engine } from '../runtime/engine.js';
import type { ImageProcessor } from './image-processor.js';
import type { JudgeName } from './judge-table.js';

/** Values by judge: for every picture one for each prompt, or a lone one where the prompt is not read. */
export type JudgeValuesByName = ReadonlyMap<JudgeName, readonly (readonly number[])[]>;

export interface MeasureOptions {
  readonly prompts: readonly string[];
  /** Judges whose values are wanted. */
  readonly wanted: readonly JudgeName[];
  readonly signal?: AbortSignal | undefined;
}

/** A model loaded for judging. */
export interface JudgeModel {
  readonly processor: ImageProcessor;
  /** Height and width it takes, in pixels. */
  readonly imageSize: number;
  /** Weight files, in order. */
  readonly files: readonly string[];
  /** Values of prepared pictures [b, 3, imageSize, imageSize], `b` one of few numbers. */
  measure(pixels: FloatTensor, options: MeasureOptions): Promise<JudgeValuesByName>;
  /** What a reader of the prompt should know, such as an end that is not read. */
  notes(prompt: string): readonly string[];
  dispose(): Promise<void>;
}

export interface OpenModelOptions {
  readonly engine: Engine;
}

/** The note on a prompt that is too long. */
export function cutNote(where: string, most: number, rest: string): string {
  const shown = rest.length > 80 ? `${rest.slice(0, 80)}…` : rest;
  return `${where}: the prompt has more than ${most} tokens; its end is not read: ${JSON.stringify(shown)}.`;
}

/** Throws CONFIG when a tokenizer knows ids that its model does not. */
export function requireVocabulary(where: string, known: number, vocabSize: number): void {
  if (known <= vocabSize) return;
  throw complain('CONFIG', {
    where,
    expected: `ids below vocab_size ${vocabSize} of the model`,
    got: `ids up to ${known - 1}`,
  });
}

const mostEmbeddings = 1000;

/** Embeddings by text: computed once, the oldest given up. */
export class EmbeddingCache {
  readonly #known = new Map<string, Float32Array>();

  async get(text: string, compute: () => Promise<Float32Array>): Promise<Float32Array> {
    const known = this.#known.get(text);
    if (known) return known;
    const fresh = await compute();
    this.#known.set(text, fresh);
    if (this.#known.size > mostEmbeddings) this.#known.delete(this.#known.keys().next().value!);
    return fresh;
  }
}

/** Products of unit rows of `images` [b, d] with each text. */
export function cosines(images: Float32Array, texts: readonly Float32Array[]): number[][] {
  const width = texts[0]?.length ?? 0;
  const count = width === 0 ? 0 : images.length / width;
  return Array.from({ length: count }, (_, row) =>
    texts.map((text) => text.reduce((sum, value, i) => sum + value * images[row * width + i]!, 0)),
  );
}

/**
 * Shares of several texts, a softmax over their cosines times `scale`; CLIP's own scale is 100.
 * Undefined for fewer than two texts: of one alone the share is 1 whatever the picture shows.
 */
export function softmaxOverTexts(row: readonly number[], scale = 100): number[] | undefined {
  if (row.length < 2) return undefined;
  const most = Math.max(...row);
  const powers = row.map((cosine) => Math.exp(scale * (cosine - most)));
  const total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / total);
}
