/** @file The frozen text tower of a diffusion run, loaded as a session. */
import type { TensorData } from '../core/tensor-data.js';
import type { ClipTokenizer } from '../formats/clip-tokenizer.js';
import { emitOnnx } from '../graph/emit.js';
import { input } from '../graph/tensor.js';
import type { ClipTextConfig } from '../models/clip-config.js';
import { clipTextWithProjection } from '../models/clip-text.js';
import { Scope } from '../nn/scope.js';
import { LocalSession } from '../runtime/session.js';
import { captionBatch } from './caption-batch.js';

/** What the captions go through; frozen while the denoiser trains. */
export interface TextTower {
  readonly config: ClipTextConfig;
  readonly weights: ReadonlyMap<string, TensorData>;
  readonly tokenizer: ClipTokenizer;
}

/** The text tower as a session: penultimate states and pooled embedding, as SDXL uses them. */
export async function createTextSession(
  config: ClipTextConfig,
  n: number,
  threads: number | undefined,
): Promise<LocalSession> {
  const outputs = clipTextWithProjection(new Scope(), config, {
    ids: input('ids', [n, config.maxPositions], 'i64'),
    eosPosition: input('eosPosition', [n], 'i64'),
  });
  const graph = new Map([
    ['textStates', outputs.hiddenStates.at(-2)!],
    ['textEmbeds', outputs.textEmbeds],
  ]);
  return LocalSession.create(emitOnnx(graph), { threads });
}

/** `textStates` and `textEmbeds` of as many captions as the session takes. */
export async function encodeTexts(
  session: LocalSession,
  { config, weights, tokenizer }: TextTower,
  captions: readonly string[],
): Promise<Map<string, TensorData>> {
  const { ids, eosPosition } = captionBatch(captions, tokenizer, config);
  const tokens: [string, TensorData][] = [
    ['ids', ids],
    ['eosPosition', eosPosition],
  ];
  return session.run(new Map([...weights, ...tokens]));
}
