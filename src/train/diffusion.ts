/** @file Trains a text-conditional denoiser on latents: v-prediction (Salimans and Ho 2022), caption dropout. */
import type { PictogramDataset } from '../data/pictograms.js';
import * as g from '../graph/build.js';
import { input, type Tensor } from '../graph/tensor.js';
import { initialise } from '../nn/initialise.js';
import { Scope } from '../nn/scope.js';
import type { DdimConfig } from '../schedulers/ddim.js';
import { alphasCumprod } from '../schedulers/schedules.js';
import { drawBatch } from './diffusion-batch.js';
import { requireDraftFit } from './draft.js';
import { type Generator, requireFit, timeIdCount } from './generator.js';
import type { Objective } from './gradient-session.js';
import type { LatentPool } from './latent-pool.js';
import type { RunSettings } from './run-settings.js';
import { createTextSession, encodeTexts, type TextTower } from './text-tower.js';
import { type OnSample, type RunOptions, TrainingRun } from './training-run.js';

export interface DiffusionTraining {
  readonly run: RunSettings;
  readonly generator: Generator;
  /** The sampler the model is made for: its noise levels are those trained on. */
  readonly scheduler: DdimConfig;
  /** Share of captions replaced by the empty text, for classifier-free guidance. */
  readonly captionDropout: number;
  /** Centre of the timesteps trained on, as a logit; see `drawBatch`. */
  readonly logitMean: number;
  /** Pixels per side of the pictures behind the latents, also for SDXL's size conditioning. */
  readonly pictureSize: PictogramDataset['size'];
}

/**
 * The denoiser over a batch of `n`: inputs sample [n, c, h, w], timesteps [n], textStates [n, t, d],
 * textEmbeds [n, p], timeIds [n, 6] and, where the text tower has one, draft [n, c, h, w], which the
 * denoiser sees as further channels of the sample.
 */
export function denoiserOutput(
  { build }: Generator,
  { config, draft }: Pick<TextTower, 'config' | 'draft'>,
  n: number,
  latentShape: readonly number[],
): Tensor {
  const sample = input('sample', [n, ...latentShape]);
  return build(new Scope(), {
    sample: draft ? g.concat([sample, input('draft', [n, ...latentShape])], 1) : sample,
    timesteps: input('timesteps', [n]),
    textStates: input('textStates', [n, config.maxPositions, config.hiddenSize]),
    textEmbeds: input('textEmbeds', [n, config.projectionDim]),
    timeIds: input('timeIds', [n, timeIdCount]),
  });
}

/** Inputs: those of `denoiserOutput` and target [n, c, h, w]. */
export function diffusionObjective(
  { generator, run }: DiffusionTraining,
  text: Pick<TextTower, 'config' | 'draft'>,
  latentShape: readonly number[],
): Objective {
  const n = run.microBatch;
  const [channels] = latentShape as [number, number, number];
  if (text.draft) requireDraftFit(text.draft.config, text.config, latentShape);
  requireFit(generator, {
    channels,
    draftChannels: text.draft ? channels : 0,
    textWidth: text.config.hiddenSize,
    pooledWidth: text.config.projectionDim,
  });
  const target = input('target', [n, ...latentShape]);
  const output = denoiserOutput(generator, text, n, latentShape);
  const loss = g.mean(g.square(g.sub(output, target)));
  return { loss, frozen: generator.frozen };
}

/** Runs to the last step; `onSample` gets the averaged weights on the way and at the end. */
export async function trainDiffusion(
  config: DiffusionTraining,
  pool: LatentPool,
  text: TextTower,
  options: RunOptions,
  onSample?: OnSample,
): Promise<void> {
  const { seed, microBatch, threads } = config.run;
  const { captionDropout, logitMean, pictureSize, scheduler } = config;
  const alphas = alphasCumprod(scheduler);
  const batch = { seed, captionDropout, logitMean, pictureSize, alphas };
  const objective = diffusionObjective(config, text, pool.shape);
  await using textSession = await createTextSession(text, microBatch, threads);
  await using run = await TrainingRun.open(
    objective,
    (parameters) => initialise(parameters, { seed, rules: config.generator.initials }),
    config.run,
    options,
  );
  await run.toEnd(async (first, n) => {
    const { captions, feeds } = drawBatch(batch, pool, first, n);
    return new Map([...feeds, ...(await encodeTexts(textSession, text, captions))]);
  }, onSample);
}
