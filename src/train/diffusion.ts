/** @file Trains a text-conditional denoiser on latents: v-prediction (Salimans and Ho 2022), caption dropout. */
import type { PictogramDataset } from '../data/pictograms.js';
import * as g from '../graph/build.js';
import { input } from '../graph/tensor.js';
import type { ClipTextConfig } from '../models/clip-config.js';
import { initialise } from '../nn/initialise.js';
import { Scope } from '../nn/scope.js';
import type { DdimConfig } from '../schedulers/ddim.js';
import { alphasCumprod } from '../schedulers/schedules.js';
import { drawBatch } from './diffusion-batch.js';
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

/** Inputs: sample and target [n, c, h, w], timesteps [n], textStates [n, t, d], textEmbeds [n, p], timeIds [n, 6]. */
export function diffusionObjective(
  config: DiffusionTraining,
  text: ClipTextConfig,
  latentShape: readonly number[],
): Objective {
  const n = config.run.microBatch;
  requireFit(config.generator, {
    channels: latentShape[0]!,
    textWidth: text.hiddenSize,
    pooledWidth: text.projectionDim,
  });
  const target = input('target', [n, ...latentShape]);
  const output = config.generator.build(new Scope(), {
    sample: input('sample', [n, ...latentShape]),
    timesteps: input('timesteps', [n]),
    textStates: input('textStates', [n, text.maxPositions, text.hiddenSize]),
    textEmbeds: input('textEmbeds', [n, text.projectionDim]),
    timeIds: input('timeIds', [n, timeIdCount]),
  });
  const loss = g.mean(g.square(g.sub(output, target)));
  return { loss, frozen: config.generator.frozen };
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
  const objective = diffusionObjective(config, text.config, pool.shape);
  await using textSession = await createTextSession(text.config, microBatch, threads);
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
