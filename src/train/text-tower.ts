/** @file The frozen text tower of a diffusion run, loaded as a session. */
import type { TensorData } from '../core/tensor-data.js';
import type { ClipTokenizer } from '../formats/clip-tokenizer.js';
import { emitOnnx } from '../graph/emit.js';
import { input } from '../graph/tensor.js';
import type { ClipTextConfig } from '../models/clip-config.js';
import { clipTextWithProjection } from '../models/clip-text.js';
import { type LatentDraftConfig, latentDraft } from '../models/latent-draft.js';
import { Scope } from '../nn/scope.js';
import { LocalSession } from '../runtime/session.js';
import { captionBatch } from './caption-batch.js';

/** What the captions go through; frozen while the denoiser trains. */
export interface TextTower {
  readonly config: ClipTextConfig;
  readonly weights: ReadonlyMap<string, TensorData>;
  readonly tokenizer: ClipTokenizer;
  /** Makes of the pooled embedding a draft of the latents, which the denoiser then sees beside the noisy ones. */
  readonly draft?: TextDraft | undefined;
}

export interface TextDraft {
  readonly config: LatentDraftConfig;
  readonly weights: ReadonlyMap<string, TensorData>;
}

/** Whether a weight of a CLIP pair or of a draft run is one of the text tower. */
export function isTowerWeight(name: string): boolean {
  return /^text_(?:model|projection)\./.test(name);
}

/** Parameter prefix of a draft beside its text tower. */
export const draftPrefix = 'draft';

/** The text tower as a session: penultimate states and pooled embedding, as SDXL uses them, and the draft. */
export async function createTextSession(
  { config, draft }: TextTower,
  n: number,
  threads: number | undefined,
): Promise<LocalSession> {
  const scope = new Scope();
  const outputs = clipTextWithProjection(scope, config, {
    ids: input('ids', [n, config.maxPositions], 'i64'),
    eosPosition: input('eosPosition', [n], 'i64'),
  });
  const graph = new Map([
    ['textStates', outputs.hiddenStates.at(-2)!],
    ['textEmbeds', outputs.textEmbeds],
  ]);
  if (draft) {
    graph.set('draft', latentDraft(scope.child(draftPrefix), draft.config, outputs.textEmbeds));
  }
  return LocalSession.create(emitOnnx(graph), { threads });
}

/** `textStates`, `textEmbeds` and, with one, `draft` of as many captions as the session takes. */
export async function encodeTexts(
  session: LocalSession,
  { config, weights, tokenizer, draft }: TextTower,
  captions: readonly string[],
): Promise<Map<string, TensorData>> {
  const { ids, eosPosition } = captionBatch(captions, tokenizer, config);
  const drawing = [...(draft?.weights ?? [])].map(
    ([name, value]) => [`${draftPrefix}.${name}`, value] as const,
  );
  const tokens: [string, TensorData][] = [
    ['ids', ids],
    ['eosPosition', eosPosition],
  ];
  return session.run(new Map([...weights, ...drawing, ...tokens]));
}
