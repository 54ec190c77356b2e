/** @file Reads the configuration files of `maliang train`, strictly, into each objective's settings. */
import { parseAutoencoderTinyConfig } from '../models/autoencoder-tiny.js';
import { parseClipConfig } from '../models/clip-config.js';
import { type ConfigJson, ConfigReader } from '../models/config-reader.js';
import { readConfig } from '../schedulers/config.js';
import { ddimFields } from '../schedulers/ddim.js';
import type { NoiseSchedule } from '../schedulers/schedules.js';
import type { AutoencoderTraining } from './autoencoder.js';
import type { ClipTraining } from './clip.js';
import type { DiffusionTraining } from './diffusion.js';
import { readGenerator } from './generator.js';
import { readRunSettings } from './run-settings.js';

/** A path in a configuration file, relative to where the command runs. Throws CONFIG. */
export function readPath(read: ConfigReader, field: string): string {
  const value = read.raw(field);
  if (typeof value === 'string' && value.length > 0) return value;
  throw read.wrong(`${field} a path`, value);
}

/** Throws CONFIG or MODEL_UNSUPPORTED, naming the field. */
export function readAutoencoderTraining(json: unknown): AutoencoderTraining {
  const read = new ConfigReader('training configuration', json);
  const training = {
    run: readRunSettings(read),
    model: parseAutoencoderTinyConfig(read.raw('model')),
    data: readPath(read, 'data'),
    cropSize: read.integer('crop_size', 64, { min: 16, max: 128 }),
    latentNoise: read.number('latent_noise', 0.1, { min: 0 }),
  };
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
  const training = {
    run,
    model: parseClipConfig(read.raw('model')),
    data: readPath(read, 'data'),
    tokenizer: readPath(read, 'tokenizer'),
    sceneShare: read.number('scene_share', 0.3, { min: 0, max: 1 }),
  };
  read.done();
  return training;
}

/** Files and folders a diffusion run starts from. */
export interface DiffusionFiles {
  readonly data: string;
  readonly autoencoder: string;
  readonly clip: string;
  readonly tokenizer: string;
  /** Folder of the encoded pictures; made when missing. */
  readonly pool: string;
  readonly poolSize: number;
  readonly sceneShare: number;
}

const diffusionFields = ['data', 'autoencoder', 'clip', 'tokenizer', 'pool'] as const;

/** Throws CONFIG, naming the field. */
export function readDiffusionFiles(json: unknown): DiffusionFiles {
  const read = new ConfigReader('training configuration', json);
  const [data, autoencoder, clip, tokenizer, pool] = diffusionFields.map((field) =>
    readPath(read, field),
  ) as [string, string, string, string, string];
  const poolSize = read.integer('pool_size', 40_000);
  const sceneShare = read.number('scene_share', 0.35, { min: 0, max: 1 });
  return { data, autoencoder, clip, tokenizer, pool, poolSize, sceneShare };
}

/** Throws CONFIG or MODEL_UNSUPPORTED, naming the field. */
export function readDiffusionTraining(json: unknown): DiffusionTraining {
  const read = new ConfigReader('training configuration', json);
  read.ignore(...diffusionFields, 'pool_size', 'scene_share');
  const training = {
    run: readRunSettings(read),
    generator: readGenerator(read.raw('model')),
    noise: readNoise(read),
    captionDropout: read.number('caption_dropout', 0.1, { min: 0, max: 1 }),
    pictureSize: read.integer('picture_size', 128),
  };
  read.done();
  return training;
}

/** The noise levels of the sampler the model is made for. */
function readNoise(read: ConfigReader): NoiseSchedule {
  const json = read.raw('scheduler') ?? {};
  if (typeof json !== 'object') throw read.wrong('scheduler an object', json);
  return readConfig('training: scheduler', ddimFields, json as ConfigJson).config;
}
