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
import { type LoadedComponent, loadComponent, saveComponent } from './component-weights.js';
import {
  type DiffusionFiles,
  type PoolFiles,
  readAutoencoderTraining,
  readClipTraining,
  readDiffusionFiles,
  readDiffusionTraining,
  readDraftFiles,
  readDraftTraining,
} from './configuration.js';
import { type DiffusionTraining, trainDiffusion } from './diffusion.js';
import { writeDiffusionSheet } from './diffusion-sheet.js';
import { draftCaptions, trainDraft } from './draft.js';
import { loadDraftModel, saveDraftModel, writeDraftSheet } from './draft-model.js';
import { buildLatentPool, LatentPool, type PoolEncoder, poolOrigin } from './latent-pool.js';
import { pictureEmbeds } from './picture-embeds.js';
import type { RunSettings } from './run-settings.js';
import { isTowerWeight, type TextTower } from './text-tower.js';
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

const runDraft: RunObjective = async (json, options) => {
  const files = readDraftFiles(json);
  const training = readDraftTraining(json);
  const clip = await loadComponent(files.clip, 'CLIPModel');
  const text = await textTowerOf(clip, files);
  const autoencoder = await loadAutoencoder(files.autoencoder);
  const pool = await openPool(files, training, autoencoder, options);
  const captions = draftCaptions(pool, text, training.tokens);
  const imageEmbeds = await embedPool(files, training, clip, options);
  const source = { ...captions, pool, imageEmbeds };
  const scale = clip.weights.get('logit_scale')!;
  const { text_config: towerJson } = clip.config as { text_config: JsonObject };
  await trainDraft(training, text, scale, source, options, async (run) => {
    const learnt = run.averages();
    const tower = { ...towerJson, projection_dim: text.config.projectionDim };
    const configs = { tower, draft: modelOf(json) };
    await saveDraftModel(join(options.folder, 'model'), configs, learnt);
    await writeDraftSheet(
      { training, pool, autoencoder, text },
      learnt,
      sheetOf(options.folder, run),
    );
  });
};

/** The text tower of a CLIP pair. */
async function textTowerOf(clip: LoadedComponent, files: PoolFiles): Promise<TextTower> {
  const config = parseClipConfig(clip.config).text;
  const tokenizer = await readTokenizerFolder(files.tokenizer);
  requireTokenizerFit(tokenizer, config, `${files.clip}: text_config`);
  return {
    config,
    weights: new Map([...clip.weights].filter(([name]) => isTowerWeight(name))),
    tokenizer,
  };
}

/** What the captions of a diffusion run go through. */
export async function loadTextTower(files: DiffusionFiles): Promise<TextTower> {
  if (files.draft !== undefined) return loadDraftModel(files.draft, files.tokenizer);
  return textTowerOf(await loadComponent(files.clip, 'CLIPModel'), files);
}

async function loadAutoencoder(folder: string): Promise<PoolEncoder> {
  const { config, weights } = await loadComponent(folder, 'AutoencoderTiny');
  return { config: parseAutoencoderTinyConfig(config), weights };
}

/** What the pool is made of. */
type PoolTraining = Pick<DiffusionTraining, 'run' | 'pictureSize'>;

/** The pool of the configuration, made first when the folder holds none. */
async function openPool(
  files: PoolFiles,
  { run: { seed, threads }, pictureSize: size }: PoolTraining,
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

/** The pool's pictures through the vision tower of a CLIP pair, [poolSize, projectionDim]. */
async function embedPool(
  files: PoolFiles,
  { run: { seed, threads }, pictureSize: size }: PoolTraining,
  clip: LoadedComponent,
  { signal, onProgress }: ObjectiveOptions,
): Promise<Float32Array> {
  const { poolSize: count, sceneShare, augment } = files;
  using data = PictogramDataset.open(files.data, { size, sceneShare, augment });
  const vision = { config: parseClipConfig(clip.config).vision, weights: clip.weights };
  return await pictureEmbeds(data, vision, {
    count,
    seed,
    threads,
    signal,
    onProgress: (done, total) => onProgress?.('looking at pictures', done, total),
  });
}

/** One row per objective. */
export const objectives = {
  autoencoder: runAutoencoder,
  clip: runClip,
  draft: runDraft,
  diffusion: runDiffusion,
} as const satisfies Record<string, RunObjective>;

export type ObjectiveName = keyof typeof objectives;
