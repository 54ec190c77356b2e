/** @file The objectives `maliang train` knows: what each reads, how it runs, what it writes. */
import { join } from 'node:path';
import { PictogramDataset } from '../data/pictograms.js';
import type { JsonObject } from '../hub/local-folder.js';
import { readTokenizerFolder } from '../hub/tokenizer-folder.js';
import { parseAutoencoderTinyConfig } from '../models/autoencoder-tiny.js';
import { parseClipConfig } from '../models/clip-config.js';
import type { ComponentClass } from '../models/registry.js';
import { requireTokenizerFit } from '../models/tokenizer-fit.js';
import { trainAutoencoder } from './autoencoder.js';
import { writeRestorations } from './autoencoder-sheet.js';
import { trainClip } from './clip.js';
import { loadComponent, saveComponent } from './component-weights.js';
import {
  type DiffusionFiles,
  readAutoencoderTraining,
  readClipTraining,
  readDiffusionFiles,
  readDiffusionTraining,
} from './configuration.js';
import { type DiffusionTraining, trainDiffusion } from './diffusion.js';
import { writeDiffusionSheet } from './diffusion-sheet.js';
import { buildLatentPool, LatentPool, type PoolEncoder, poolOrigin } from './latent-pool.js';
import type { RunSettings } from './run-settings.js';
import type { TextTower } from './text-tower.js';
import type { RunOptions, TrainingRun } from './training-run.js';

export interface ObjectiveOptions extends RunOptions {
  /** Stages before the first step, such as encoding the data set. */
  readonly onProgress?: (what: string, done: number, total: number) => void;
}

/** Runs one objective from the JSON of its configuration file to a component folder `<folder>/model`. */
export type RunObjective = (json: unknown, options: ObjectiveOptions) => Promise<void>;

const modelOf = (json: unknown): JsonObject => (json as { model: JsonObject }).model;
/** The options of a run that begins with the weights its configuration names. */
async function startingWith(
  { startFrom }: RunSettings,
  className: ComponentClass,
  options: ObjectiveOptions,
): Promise<ObjectiveOptions> {
  if (startFrom === undefined || options.resume) return options;
  return { ...options, start: (await loadComponent(startFrom, className)).weights };
}

const sheetOf = (folder: string, { step }: TrainingRun): string =>
  join(folder, `sheet-${step}.png`);

const runAutoencoder: RunObjective = async (json, options) => {
  const training = readAutoencoderTraining(json);
  const kind = { library: 'diffusers', className: 'AutoencoderTiny' } as const;
  const started = await startingWith(training.run, kind.className, options);
  await trainAutoencoder(training, started, async (run) => {
    await saveComponent(join(options.folder, 'model'), kind, modelOf(json), run.averages());
    await writeRestorations(training, run, sheetOf(options.folder, run));
  });
};

const runClip: RunObjective = async (json, options) => {
  const training = readClipTraining(json);
  const tokenizer = await readTokenizerFolder(training.tokenizer);
  requireTokenizerFit(tokenizer, training.model.text, 'training: model.text_config');
  const kind = { library: 'transformers', className: 'CLIPModel' } as const;
  const started = await startingWith(training.run, kind.className, options);
  await trainClip(training, tokenizer, started, (run) =>
    saveComponent(join(options.folder, 'model'), kind, modelOf(json), run.averages()),
  );
};

const runDiffusion: RunObjective = async (json, options) => {
  const files = readDiffusionFiles(json);
  const training = readDiffusionTraining(json);
  const text = await loadTextTower(files);
  const autoencoder = await loadAutoencoder(files.autoencoder);
  const pool = await openPool(files, training, autoencoder, options);
  const kind = { library: 'diffusers', className: training.generator.className } as const;
  const parts = { training, pool, text, autoencoder, signal: options.signal };
  const started = await startingWith(training.run, kind.className, options);
  await trainDiffusion(training, pool, text, started, async (run) => {
    await saveComponent(join(options.folder, 'model'), kind, modelOf(json), run.averages());
    await writeDiffusionSheet(parts, run, sheetOf(options.folder, run));
  });
};

async function loadTextTower(files: DiffusionFiles): Promise<TextTower> {
  const clip = await loadComponent(files.clip, 'CLIPModel');
  const config = parseClipConfig(clip.config).text;
  const tokenizer = await readTokenizerFolder(files.tokenizer);
  requireTokenizerFit(tokenizer, config, `${files.clip}: text_config`);
  return { config, weights: clip.weights, tokenizer };
}

async function loadAutoencoder(folder: string): Promise<PoolEncoder> {
  const { config, weights } = await loadComponent(folder, 'AutoencoderTiny');
  return { config: parseAutoencoderTinyConfig(config), weights };
}

/** The pool of the configuration, made first when the folder holds none. */
async function openPool(
  files: DiffusionFiles,
  { run: { seed, threads }, pictureSize: size }: DiffusionTraining,
  autoencoder: PoolEncoder,
  { signal, onProgress }: ObjectiveOptions,
): Promise<LatentPool> {
  const { pool: folder, poolSize: count, sceneShare, augment } = files;
  using data = PictogramDataset.open(files.data, { size, sceneShare, augment });
  const content = { count, seed, sceneShare, augment };
  if (!LatentPool.exists(folder)) {
    await buildLatentPool(data, autoencoder, {
      ...content,
      folder,
      threads,
      signal,
      onProgress: (done, total) => onProgress?.('encoding pictures', done, total),
    });
  }
  return LatentPool.read(folder, poolOrigin(data, autoencoder, content));
}

/** One row per objective. */
export const objectives = {
  autoencoder: runAutoencoder,
  clip: runClip,
  diffusion: runDiffusion,
} as const satisfies Record<string, RunObjective>;

export type ObjectiveName = keyof typeof objectives;
