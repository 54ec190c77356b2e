/** @file The image processor's settings in a model folder: preprocessor_config.json, or inside processor_config.json. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type JsonObject, readJson } from './local-folder.js';

/** Undefined when the folder has neither. Throws FILE_READ or CONFIG. */
export async function readImageProcessorFile(folder: string): Promise<JsonObject | undefined> {
  const own = await optionalJson(join(folder, 'preprocessor_config.json'));
  if (own) return own;
  const whole = await optionalJson(join(folder, 'processor_config.json'));
  const inner =
    whole && Object.hasOwn(whole, 'image_processor') ? whole.image_processor : undefined;
  return typeof inner === 'object' && inner !== null ? (inner as JsonObject) : undefined;
}

async function optionalJson(file: string): Promise<JsonObject | undefined> {
  return (await stat(file).catch(() => undefined)) ? readJson(file) : undefined;
}
