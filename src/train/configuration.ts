/** @file Reads the configuration files of `maliang train`, strictly, into each objective's settings. */
import { parseAutoencoderTinyConfig } from '../models/autoencoder-tiny.js';
import { ConfigReader } from '../models/config-reader.js';
import type { AutoencoderTraining } from './autoencoder.js';
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
