/** @file Trains a CLIP pair on pictograms and captions with the contrastive loss of Radford et al. 2021. */
import type { TensorData } from '../core/tensor-data.js';
import { PictogramDataset } from '../data/pictograms.js';
import type { ClipTokenizer } from '../formats/clip-tokenizer.js';
import * as g from '../graph/build.js';
import { input } from '../graph/tensor.js';
import { clip, clipInitials, clipLoss } from '../models/clip.js';
import type { ClipConfig } from '../models/clip-config.js';
import { initialise } from '../nn/initialise.js';
import { Scope } from '../nn/scope.js';
import { captionBatch } from './caption-batch.js';
import type { Objective } from './gradient-session.js';
import type { RunSettings } from './run-settings.js';
import { type OnSample, type RunOptions, TrainingRun } from './training-run.js';

export interface ClipTraining {
  readonly run: RunSettings;
  readonly model: ClipConfig;
  /** Folder of the pictogram data set. */
  readonly data: string;
  /** Folder of the tokenizer. */
  readonly tokenizer: string;
  readonly sceneShare: number;
  /** Pixels per side, as the vision tower takes them. */
  readonly pictureSize: PictogramDataset['size'];
}

/** Inputs: pixels [n, 3, size, size] in [−1, 1], ids i64 [n, tokens], eosPosition i64 [n]. */
export function clipObjective({ model, run }: ClipTraining): Objective {
  const n = run.microBatch;
  const { imageSize } = model.vision;
  const outputs = clip(new Scope(), model, {
    pixels: input('pixels', [n, 3, imageSize, imageSize]),
    ids: input('ids', [n, model.text.maxPositions], 'i64'),
    eosPosition: input('eosPosition', [n], 'i64'),
  });
  const logits = outputs.logitsPerText;
  const own = g.indices(Array.from({ length: n }, (_, i) => i));
  const hits = g.cast(g.equal(g.argMax(logits, 1), own), 'f32');
  return { loss: clipLoss(logits), reports: { accuracy: g.mean(hits) } };
}

export function clipBatch(
  data: PictogramDataset,
  config: ClipTraining,
  tokenizer: ClipTokenizer,
  first: number,
  size: number,
): Map<string, TensorData> {
  const values = 3 * data.size * data.size;
  const pixels = new Float32Array(size * values);
  const captions: string[] = [];
  for (let i = 0; i < size; i++) {
    const sample = data.sampleAt(first + i, config.run.seed);
    pixels.set(sample.pixels, i * values);
    captions.push(sample.caption);
  }
  const { ids, eosPosition } = captionBatch(captions, tokenizer, config.model.text);
  return new Map<string, TensorData>([
    ['pixels', { dtype: 'f32', shape: [size, 3, data.size, data.size], data: pixels }],
    ['ids', ids],
    ['eosPosition', eosPosition],
  ]);
}

/** The whole batch is one micro-batch: every caption is compared with every picture of it. */
export async function trainClip(
  config: ClipTraining,
  tokenizer: ClipTokenizer,
  options: RunOptions,
  onSample?: OnSample,
): Promise<void> {
  const { model, pictureSize: size, sceneShare } = config;
  const { seed } = config.run;
  using data = PictogramDataset.open(config.data, { size, sceneShare });
  await using run = await TrainingRun.open(
    clipObjective(config),
    (parameters) => initialise(parameters, { seed, rules: clipInitials(model) }),
    config.run,
    options,
  );
  await run.toEnd(
    async (first, count) => clipBatch(data, config, tokenizer, first, count),
    onSample,
  );
}
