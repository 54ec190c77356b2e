/** @file Trains a text tower to draft the latents its text most likely means, beside the contrastive loss of a frozen vision tower (LiT, Zhai et al. 2022). */
import { complain } from '../core/errors.js';
import { TorchGenerator } from '../core/random.js';
import { elementCount, type TensorData } from '../core/tensor-data.js';
import type { PictogramDataset } from '../data/pictograms.js';
import * as g from '../graph/build.js';
import { input } from '../graph/tensor.js';
import { clipLoss } from '../models/clip.js';
import type { ClipTextConfig } from '../models/clip-config.js';
import { clipTextWithProjection } from '../models/clip-text.js';
import { type LatentDraftConfig, latentDraft } from '../models/latent-draft.js';
import { unitRows } from '../models/unit-rows.js';
import { initialise } from '../nn/initialise.js';
import { Scope } from '../nn/scope.js';
import { captionRows, tokenTensors } from './caption-batch.js';
import type { Objective } from './gradient-session.js';
import type { LatentPool } from './latent-pool.js';
import { deriveSeed, type RunSettings } from './run-settings.js';
import { draftPrefix, type TextTower } from './text-tower.js';
import { type OnSample, type RunOptions, TrainingRun } from './training-run.js';

export interface DraftTraining {
  readonly run: RunSettings;
  readonly model: LatentDraftConfig;
  /** Captions that need more ids are left out: the shorter the rows, the faster the steps. */
  readonly tokens: number;
  /** Share of captions replaced by the empty text, whose draft is then the mean picture. */
  readonly captionDropout: number;
  /** Weight of the contrastive loss beside the squared error. */
  readonly contrast: number;
  /** Pixels per side of the pictures behind the latents. */
  readonly pictureSize: PictogramDataset['size'];
}

/** Throws CONFIG, naming the field, when a draft does not fit the text tower and the latents. */
export function requireDraftFit(
  { inputSize, outChannels, sampleSize }: LatentDraftConfig,
  { projectionDim }: ClipTextConfig,
  latentShape: readonly number[],
): void {
  const [channels, height, width] = latentShape as [number, number, number];
  const rows = [
    ['input_size', inputSize, projectionDim, 'the projection_dim of the text tower'],
    ['out_channels', outChannels, channels, 'the channels of the latents'],
    ['sample_size', sampleSize, height, 'the height of the latents'],
    ['sample_size', sampleSize, width, 'the width of the latents'],
  ] as const;
  for (const [field, has, wanted, because] of rows) {
    if (has === wanted) continue;
    throw complain('CONFIG', {
      where: `training: draft.${field}`,
      expected: `${wanted}, ${because}`,
      got: `${has}`,
    });
  }
}

/** Inputs: ids i64 [n, t], eosPosition i64 [n], latents [n, c, h, w], imageEmbeds [n, p] of unit length. */
export function draftObjective(
  { run, model, tokens, contrast }: DraftTraining,
  { config }: Pick<TextTower, 'config'>,
  latentShape: readonly number[],
): Objective {
  requireDraftFit(model, config, latentShape);
  const n = run.microBatch;
  const scope = new Scope();
  const { textEmbeds } = clipTextWithProjection(scope, config, {
    ids: input('ids', [n, tokens], 'i64'),
    eosPosition: input('eosPosition', [n], 'i64'),
  });
  const draft = latentDraft(scope.child(draftPrefix), model, textEmbeds);
  const error = g.mean(g.square(g.sub(draft, input('latents', [n, ...latentShape]))));
  const imageEmbeds = input('imageEmbeds', [n, config.projectionDim]);
  const cosines = g.matmul(unitRows(textEmbeds), g.transpose(imageEmbeds, [1, 0]));
  const contrastive = clipLoss(g.mul(cosines, g.exp(scope.parameter('logit_scale', []))));
  return {
    loss: g.add(error, g.mul(contrastive, contrast)),
    reports: { error, contrastive },
  };
}

/** Captions of a pool as ids. */
export interface DraftCaptions {
  /** Ids of every caption. */
  readonly ids: readonly (readonly number[])[];
  /** Entries whose captions fit. */
  readonly entries: readonly number[];
}

/** What the loop draws from. */
export interface DraftSource extends DraftCaptions {
  readonly pool: LatentPool;
  /** Embeddings of the pool's pictures, of unit length, [pool.size, p]. */
  readonly imageEmbeds: Float32Array;
}

/** Throws CONFIG when `tokens` is more than the tower has positions, or too few for any caption. */
export function draftCaptions(
  { captions }: LatentPool,
  { tokenizer, config }: TextTower,
  tokens: number,
): DraftCaptions {
  const { maxPositions, eosTokenId } = config;
  if (tokens > maxPositions) {
    throw wrongTokens(`at most ${maxPositions}, the positions of the text tower`, tokens);
  }
  const ids = captionRows(captions, tokenizer, maxPositions);
  const entries = [...ids.keys()].filter((entry) => ids[entry]!.indexOf(eosTokenId) < tokens);
  if (entries.length === 0) throw wrongTokens('enough for a caption of the pool', tokens);
  return { ids, entries };
}

function wrongTokens(expected: string, tokens: number): Error {
  return complain('CONFIG', { where: 'training: tokens', expected, got: `${tokens}` });
}

/** Every sample draws from a stream of its own. */
export function draftBatch(
  { run, tokens, captionDropout }: DraftTraining,
  { config, tokenizer }: TextTower,
  { pool, imageEmbeds, ids, entries }: DraftSource,
  first: number,
  n: number,
): Map<string, TensorData> {
  const values = elementCount(pool.shape);
  const { projectionDim: width } = config;
  const latents = new Float32Array(n * values);
  const embeds = new Float32Array(n * width);
  const [empty] = captionRows([''], tokenizer, config.maxPositions);
  const rows: (readonly number[])[] = [];
  for (let i = 0; i < n; i++) {
    const random = new TorchGenerator(deriveSeed(run.seed, 5, first + i));
    const [pick, drop] = random.uniform(2) as unknown as [number, number];
    const entry = entries[Math.min(entries.length - 1, Math.floor(pick * entries.length))]!;
    latents.set(pool.latents(entry), i * values);
    embeds.set(imageEmbeds.subarray(entry * width, (entry + 1) * width), i * width);
    rows.push((drop < captionDropout ? empty! : ids[entry]!).slice(0, tokens));
  }
  const { ids: idTensor, eosPosition } = tokenTensors(rows, config);
  return new Map<string, TensorData>([
    ['ids', idTensor],
    ['eosPosition', eosPosition],
    ['latents', { dtype: 'f32', shape: [n, ...pool.shape], data: latents }],
    ['imageEmbeds', { dtype: 'f32', shape: [n, width], data: embeds }],
  ]);
}

/** Goes on from the weights of `text`; the draft begins with drawn ones. */
export async function trainDraft(
  config: DraftTraining,
  text: TextTower,
  logitScale: TensorData,
  source: DraftSource,
  options: RunOptions,
  onSample?: OnSample,
): Promise<void> {
  const { seed } = config.run;
  const given = new Map([...text.weights, ['logit_scale', logitScale]]);
  await using run = await TrainingRun.open(
    draftObjective(config, text, source.pool.shape),
    (parameters) => {
      const drawn = initialise(parameters, { seed });
      for (const name of drawn.keys()) {
        const known = given.get(name);
        if (known) drawn.set(name, known.data as Float32Array);
      }
      return drawn;
    },
    config.run,
    options,
  );
  await run.toEnd(async (first, n) => draftBatch(config, text, source, first, n), onSample);
}
