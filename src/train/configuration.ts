/** @file Reads the configuration files of `maliang train`, strictly, into each objective's settings. */
import { parseAutoencoderTinyConfig } from '../models/autoencoder-tiny.js';
import { parseClipConfig } from '../models/clip-config.js';
import { type ConfigJson, ConfigReader } from '../models/config-reader.js';
import { parseLatentDraftConfig } from '../models/latent-draft.js';
import { readConfig } from '../schedulers/config.js';
import { type DdimConfig, ddimFields } from '../schedulers/ddim.js';
import { type AutoencoderTraining, latentFactor } from './autoencoder.js';
import type { ClipTraining } from './clip.js';
import type { DiffusionTraining } from './diffusion.js';
import type { DraftTraining } from './draft.js';
import { readGenerator } from './generator.js';
import { readPath, readRunSettings } from './run-settings.js';

/** The `model` block, which may leave out `_class_name` where only one class can be trained. */
function modelOf(read: ConfigReader, className: string): unknown {
  const model = read.raw('model');
  if (typeof model !== 'object' || model === null) throw read.wrong('model an object', model);
  const named = (model as { _class_name?: unknown })._class_name;
  if (named === undefined || named === className) return model;
  throw read.wrong(`model._class_name ${className}`, named);
}

/** Pixels per side of the pictures drawn. */
function pictureSizeOf(read: ConfigReader, field: string, size: number): 64 | 128 {
  if (size === 64 || size === 128) return size;
  throw read.wrong(`${field} 64 or 128, the sizes pictograms are drawn in`, size);
}

/** Throws CONFIG or MODEL_UNSUPPORTED, naming the field. */
export function readAutoencoderTraining(json: unknown): AutoencoderTraining {
  const read = new ConfigReader('training configuration', json);
  const model = parseAutoencoderTinyConfig(modelOf(read, 'AutoencoderTiny'));
  const training = {
    run: readRunSettings(read),
    model,
    data: readPath(read, 'data'),
    cropSize: read.integer('crop_size', 64, { min: 16, max: 128 }),
    latentNoise: read.number('latent_noise', 0.1, { min: 0 }),
  };
  const factor = latentFactor(model);
  if (training.cropSize % factor !== 0) {
    const expected = `crop_size a multiple of ${factor}, the pixels a latent spans`;
    throw read.wrong(expected, training.cropSize);
  }
  read.done();
  return training;
}

/** Throws CONFIG or MODEL_UNSUPPORTED, naming the field. */
export function readClipTraining(json: unknown): ClipTraining {
  const read = new ConfigReader('training configuration', json);
  const run = readRunSettings(read);
  if (run.microBatch !== run.batchSize) {
    throw read.wrong('micro_batch equal to batch_size: all pairs are compared', run.microBatch);
  }
  const model = parseClipConfig(modelOf(read, 'CLIPModel'));
  const training = {
    run,
    model,
    data: readPath(read, 'data'),
    tokenizer: readPath(read, 'tokenizer'),
    sceneShare: read.number('scene_share', 0.3, { min: 0, max: 1 }),
    pictureSize: pictureSizeOf(read, 'model.vision_config.image_size', model.vision.imageSize),
  };
  read.done();
  return training;
}

/** Files and folders of the runs that learn from a pool of latents. */
export interface PoolFiles {
  readonly data: string;
  readonly autoencoder: string;
  readonly clip: string;
  readonly tokenizer: string;
  /** Folder of the encoded pictures; made when missing. */
  readonly pool: string;
  readonly poolSize: number;
  readonly sceneShare: number;
  /** Whether single pictures are shifted, scaled and mirrored a little. */
  readonly augment: boolean;
}

/** What a diffusion run starts from. */
export interface DiffusionFiles extends PoolFiles {
  /** Model folder of a draft run, whose text tower takes the place of that of `clip`. */
  readonly draft: string | undefined;
}

const pathFields = ['data', 'autoencoder', 'clip', 'tokenizer', 'pool'] as const;
const poolFields = [...pathFields, 'pool_size', 'scene_share', 'augment'] as const;

function readPoolFiles(read: ConfigReader): PoolFiles {
  const [data, autoencoder, clip, tokenizer, pool] = pathFields.map((field) =>
    readPath(read, field),
  ) as [string, string, string, string, string];
  const poolSize = read.integer('pool_size', 40_000);
  const sceneShare = read.number('scene_share', 0.35, { min: 0, max: 1 });
  const augment = read.boolean('augment', true);
  return { data, autoencoder, clip, tokenizer, pool, poolSize, sceneShare, augment };
}

/** Throws CONFIG, naming the field. */
export function readDraftFiles(json: unknown): PoolFiles {
  return readPoolFiles(new ConfigReader('training configuration', json));
}

/** Throws CONFIG, naming the field. */
export function readDiffusionFiles(json: unknown): DiffusionFiles {
  const read = new ConfigReader('training configuration', json);
  const draft = read.raw('draft') === undefined ? undefined : readPath(read, 'draft');
  return { ...readPoolFiles(read), draft };
}

/** Throws CONFIG or MODEL_UNSUPPORTED, naming the field. */
export function readDraftTraining(json: unknown): DraftTraining {
  const read = new ConfigReader('training configuration', json);
  read.ignore(...poolFields);
  const training = {
    run: readRunSettings(read),
    model: parseLatentDraftConfig(modelOf(read, 'LatentDraft')),
    tokens: read.integer('tokens', 32, { min: 3 }),
    captionDropout: read.number('caption_dropout', 0.01, { min: 0, max: 1 }),
    contrast: read.number('contrast', 0.05, { min: 0 }),
    pictureSize: pictureSizeOf(read, 'picture_size', read.integer('picture_size', 128)),
  };
  if (training.run.startFrom !== undefined) {
    throw read.wrong(
      'no start_from: a draft begins with the tower of `clip`',
      training.run.startFrom,
    );
  }
  read.done();
  return training;
}

/** Throws CONFIG or MODEL_UNSUPPORTED, naming the field. */
export function readDiffusionTraining(json: unknown): DiffusionTraining {
  const read = new ConfigReader('training configuration', json);
  read.ignore(...poolFields, 'draft');
  const training = {
    run: readRunSettings(read),
    generator: readGenerator(read.raw('model')),
    scheduler: readScheduler(read),
    captionDropout: read.number('caption_dropout', 0.1, { min: 0, max: 1 }),
    logitMean: read.number('logit_mean', 0, { min: -4, max: 4 }),
    pictureSize: pictureSizeOf(read, 'picture_size', read.integer('picture_size', 128)),
  };
  read.done();
  return training;
}

/** The sampler the model is made for; the loop predicts velocities. */
function readScheduler(read: ConfigReader): DdimConfig {
  const json = read.raw('scheduler') ?? {};
  if (typeof json !== 'object' || Array.isArray(json))
    throw read.wrong('scheduler an object', json);
  const where = 'training: scheduler';
  const { config, warnings } = readConfig(where, ddimFields, json as ConfigJson);
  const [warning] = warnings;
  if (warning) throw read.wrong('scheduler without fields that have no effect', warning);
  if (config.predictionType === 'v_prediction') return config;
  throw read.wrong('scheduler.prediction_type "v_prediction"', config.predictionType);
}
