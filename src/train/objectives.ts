/** @file The objectives `maliang train` knows: what each reads, how it runs, what it writes. */
import { join } from 'node:path';
import { complain } from '../core/errors.js';
import type { TensorData } from '../core/tensor-data.js';
import { PictogramDataset } from '../data/pictograms.js';
import { emitOnnx } from '../graph/emit.js';
import { input } from '../graph/tensor.js';
import { writeFileAtomically } from '../hub/atomic-file.js';
import type { JsonObject } from '../hub/local-folder.js';
import {
  autoencoderTinyDecode,
  autoencoderTinyEncode,
  parseAutoencoderTinyConfig,
} from '../models/autoencoder-tiny.js';
import { parseClipConfig } from '../models/clip-config.js';
import { Scope } from '../nn/scope.js';
import { LocalSession } from '../runtime/session.js';
import { type AutoencoderTraining, trainAutoencoder } from './autoencoder.js';
import { trainClip } from './clip.js';
import { loadComponent, saveComponent } from './component-weights.js';
import {
  readAutoencoderTraining,
  readClipTraining,
  readDiffusionFiles,
  readDiffusionTraining,
} from './configuration.js';
import { trainDiffusion } from './diffusion.js';
import { buildLatentPool, LatentPool } from './latent-pool.js';
import { encodeSheet } from './sheet.js';
import { readTokenizer } from './tokenizer.js';
import type { RunOptions, TrainingRun } from './training-run.js';

export interface ObjectiveOptions extends RunOptions {
  /** Stages before the first step, such as encoding the data set. */
  readonly onProgress?: (what: string, done: number, total: number) => void;
}

/** Runs one objective from the JSON of its configuration file to a component folder `<folder>/model`. */
export type RunObjective = (json: unknown, options: ObjectiveOptions) => Promise<void>;

const modelOf = (json: unknown): JsonObject => (json as { model: JsonObject }).model;

const runAutoencoder: RunObjective = async (json, options) => {
  const training = readAutoencoderTraining(json);
  await trainAutoencoder(training, {
    ...options,
    onSample: async (run) => {
      const folder = join(options.folder, 'model');
      await saveComponent(folder, 'diffusers', modelOf(json), run.averages());
      await writeRestorations(training, run, join(options.folder, `sheet-${run.step}.png`));
    },
  });
};

/** Real pictures above their restorations. */
async function writeRestorations(
  training: AutoencoderTraining,
  run: TrainingRun,
  path: string,
): Promise<void> {
  const count = 8;
  using data = PictogramDataset.open(training.data, { split: 'holdout', sceneShare: 0.25 });
  const { size } = data;
  const pixels = input('pixels', [count, 3, size, size]);
  const scope = new Scope();
  const latents = autoencoderTinyEncode(scope, training.model, pixels);
  const restored = autoencoderTinyDecode(scope, training.model, latents);
  await using session = await LocalSession.create(emitOnnx(new Map([['restored', restored]])));
  const samples = Array.from({ length: count }, (_, i) => data.sampleAt(i, 1).pixels);
  const values = new Float32Array(count * 3 * size * size);
  samples.forEach((sample, i) => {
    values.set(sample, i * sample.length);
  });
  const feed: TensorData = { dtype: 'f32', shape: pixels.shape, data: values };
  const results = await session.run(new Map([...run.averages(), ['pixels', feed]]));
  const output = results.get('restored')!.data as Float32Array;
  const each = 3 * size * size;
  const copies = samples.map((_, i) => output.subarray(i * each, (i + 1) * each));
  await writeFileAtomically(path, encodeSheet([...samples, ...copies], size, count));
}

const runClip: RunObjective = async (json, options) => {
  const training = readClipTraining(json);
  const tokenizer = readTokenizer(training.tokenizer);
  await trainClip(training, tokenizer, {
    ...options,
    onSample: (run) =>
      saveComponent(join(options.folder, 'model'), 'transformers', modelOf(json), run.averages()),
  });
};

const runDiffusion: RunObjective = async (json, options) => {
  const files = readDiffusionFiles(json);
  const training = readDiffusionTraining(json);
  const { onProgress, signal } = options;
  if (!LatentPool.exists(files.pool)) {
    const autoencoder = await loadComponent(files.autoencoder);
    const config = parseAutoencoderTinyConfig(autoencoder.config);
    using data = PictogramDataset.open(files.data, { sceneShare: files.sceneShare });
    await buildLatentPool(
      data,
      { config, weights: autoencoder.weights },
      {
        count: files.poolSize,
        seed: training.run.seed,
        folder: files.pool,
        ...(signal ? { signal } : {}),
        onProgress: (done, total) => onProgress?.('encoding pictures', done, total),
      },
    );
  }
  const pool = LatentPool.read(files.pool);
  if (pool.shape[0] !== training.generator.inChannels) {
    throw complain('CONFIG', {
      where: 'training: model.in_channels',
      expected: `${pool.shape[0]}, the channels of the latents in ${files.pool}`,
      got: `${training.generator.inChannels}`,
    });
  }
  const clip = await loadComponent(files.clip);
  const text = {
    config: parseClipConfig(clip.config).text,
    weights: clip.weights,
    tokenizer: readTokenizer(files.tokenizer),
  };
  await trainDiffusion(training, pool, text, {
    ...options,
    onSample: (run) =>
      saveComponent(join(options.folder, 'model'), 'diffusers', modelOf(json), run.averages()),
  });
};

/** One row per objective. */
export const objectives = {
  autoencoder: runAutoencoder,
  clip: runClip,
  diffusion: runDiffusion,
} as const satisfies Record<string, RunObjective>;

export type ObjectiveName = keyof typeof objectives;
