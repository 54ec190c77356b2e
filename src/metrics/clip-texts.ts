/** @file The text side of a CLIP model: prompts to embeddings, for the CLIP score. */
import { resolve } from 'node:path';
import { complain } from '../core/errors.js';
import type { ClipTokenizer } from '../formats/clip-tokenizer.js';
import { input } from '../graph/tensor.js';
import { readComponent } from '../hub/local-folder.js';
import { matchWeights, requireMatch } from '../hub/match-weights.js';
import { readTokenizerFolder } from '../hub/tokenizer-folder.js';
import type { ClipTextConfig } from '../models/clip-config.js';
import { clipTextWithProjection, eosPositions } from '../models/clip-text.js';
import {
  type Component,
  componentParameters,
  components,
  parseComponent,
  Scope,
} from '../models/registry.js';
import { requireTokenizerFit } from '../models/tokenizer-fit.js';
import type { Engine } from '../runtime/engine.js';
import type { TensorInFile } from '../runtime/weights.js';
import { type FeatureRows, RowStore } from './feature-rows.js';

export interface ClipTexts {
  readonly config: ClipTextConfig;
  readonly weights: ReadonlyMap<string, TensorInFile>;
  readonly tokenizer: ClipTokenizer;
}

/** Throws MODEL_UNSUPPORTED for a folder without a text side, and what reading one throws. */
export async function readClipTexts(folders: {
  readonly model: string;
  readonly tokenizer: string;
}): Promise<ClipTexts> {
  const { className, config, tensors } = await readComponent(resolve(folders.model));
  const component = parseComponent(className, config);
  const textConfig = textConfigOf(component, folders.model);
  const { weights, buffers } = componentParameters(component);
  const parameters = new Map([...weights, ...buffers]);
  const match = matchWeights(parameters, tensors, components[component.className].weightName);
  requireMatch(className, parameters.size, match);
  const tokenizer = await readTokenizerFolder(resolve(folders.tokenizer));
  requireTokenizerFit(tokenizer, textConfig, folders.tokenizer);
  return { config: textConfig, weights: match.matched, tokenizer };
}

function textConfigOf(component: Component, where: string): ClipTextConfig {
  switch (component.className) {
    case 'CLIPModel':
      return component.config.text;
    case 'CLIPTextModelWithProjection':
      return component.config;
    default:
      throw complain('MODEL_UNSUPPORTED', {
        where,
        expected: 'a CLIPModel, whose texts can be compared with pictures',
        got: component.className,
        next: 'The CLIP score needs both towers; leave out --features to use the built-in ones.',
      });
  }
}

const batchTexts = 16;

export interface EmbeddedTexts {
  /** A row for each text, [texts, projectionDim]. */
  readonly rows: FeatureRows;
  /** Of texts that are too long: the position, and the end that was left out. */
  readonly cut: ReadonlyMap<number, string>;
}

/** Throws CANCELLED and what `Engine` throws. */
export async function embedTexts(
  engine: Engine,
  { config, weights, tokenizer }: ClipTexts,
  {
    texts,
    signal,
  }: { readonly texts: readonly string[]; readonly signal?: AbortSignal | undefined },
): Promise<EmbeddedTexts> {
  const { maxPositions: length, projectionDim: size } = config;
  const { textEmbeds } = clipTextWithProjection(new Scope(), config, {
    ids: input('ids', [batchTexts, length], 'i64'),
    eosPosition: input('eosPosition', [batchTexts], 'i64'),
  });
  const graph = new Map([['textEmbeds', textEmbeds]]);
  await using session = await engine.load(graph, { weights, signal });
  const store = new RowStore();
  const cut = new Map<number, string>();
  for (let at = 0; at < texts.length; at += batchTexts) {
    const batch = texts.slice(at, at + batchTexts);
    const encoded = batch.map((text) => tokenizer.encodePrompt(text, { maxLength: length }));
    encoded.forEach(({ truncatedText }, i) => {
      if (truncatedText !== undefined) cut.set(at + i, truncatedText);
    });
    const ids = encoded.map((prompt) => Array.from(prompt.ids));
    while (ids.length < batchTexts) ids.push(ids[0]!);
    const outputs = await session.run(textFeeds(ids, config), { signal });
    const rows = outputs.get('textEmbeds')!.data as Float32Array; // [batchTexts, size]
    store.add(rows.slice(0, batch.length * size));
  }
  return { rows: store.take(size), cut };
}

function textFeeds(ids: readonly (readonly number[])[], config: ClipTextConfig) {
  const shape = [ids.length, config.maxPositions];
  const positions = BigInt64Array.from(eosPositions(ids, config), BigInt);
  return new Map([
    ['ids', { dtype: 'i64', shape, data: BigInt64Array.from(ids.flat(), BigInt) } as const],
    ['eosPosition', { dtype: 'i64', shape: [ids.length], data: positions } as const],
  ]);
}
