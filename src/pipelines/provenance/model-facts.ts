/** @file What a model is, for recipes: hashes of its files and settings, and of all that was added to it. */
import { createHash } from 'node:crypto';
import { relative, resolve, sep } from 'node:path';
import { sha256OfFile } from '../../hub/file-hash.js';
import { readWeightFile } from '../../hub/weight-file.js';
import { type LoraOption, loraFile } from '../lora-files.js';
import type { AdapterOptions } from '../model-adapters.js';
import type { OpenModelOptions } from '../model-source.js';
import { filesOf, type TextToImageModel } from '../text-to-image-model.js';
import { writtenPath } from './home-path.js';
import type { Recipe } from './recipe.js';

/** The parts of a recipe that hang on the model alone. */
export type ModelFacts = Pick<Recipe, 'model' | 'vae' | 'loras' | 'embeddings'> & {
  /** How the denoiser is stored, such as `f16`. */
  readonly weights: string;
};

export interface ModelOrigin extends AdapterOptions, OpenModelOptions {
  /** `builtin`, an id of the hub, or an absolute path. */
  readonly source: string;
  readonly commit?: string | undefined;
  readonly variant?: string | undefined;
}

/** Hashes files as needed; large ones take a second for each gigabyte. Throws FILE_READ or CANCELLED. */
export async function readModelFacts(
  model: TextToImageModel,
  origin: ModelOrigin,
  signal: AbortSignal,
): Promise<ModelFacts> {
  const { vae, loras = [], textualInversions = [], variant, predictionType, config } = origin;
  const isPath = origin.source === model.path;
  const added = await Promise.all(loras.map((lora) => loraFacts(lora, signal)));
  const words = await Promise.all(
    textualInversions.map(async ({ path, token }) => ({
      path: writtenPath(path),
      token,
      sha256: await sha256OfFile(resolve(path), { signal }),
    })),
  );
  return {
    model: {
      name: model.name,
      source: isPath ? writtenPath(model.path) : origin.source,
      commit: origin.commit,
      variant,
      config: config === undefined ? undefined : writtenPath(config),
      predictionType,
      sha256: await hashOfFiles(model.path, model.weightFiles, signal),
      settings: settingsHash(model),
    },
    vae:
      vae === undefined
        ? undefined
        : { path: writtenPath(vae), sha256: await hashOfFiles(vae, filesOf([model.vae]), signal) },
    loras: added.length === 0 ? undefined : added,
    embeddings: words.length === 0 ? undefined : words,
    weights: [...new Set([...model.denoiser.weights.values()].map(({ dtype }) => dtype))]
      .sort()
      .join(' '),
  };
}

async function loraFacts({ path, weight = 1, textWeight }: LoraOption, signal: AbortSignal) {
  const file = await loraFile(path);
  const { tensors } = await readWeightFile(file);
  // The webui names LoRAs by the hash of their tensors, whatever their header says.
  const from = Math.min(...[...tensors.values()].map(({ begin }) => begin));
  return {
    path: writtenPath(path),
    weight,
    textWeight,
    sha256: await sha256OfFile(file, { signal }),
    tensors: await sha256OfFile(file, { from, signal }),
  };
}

/** Of one file its SHA-256; of several that of the list `sha256sum` prints, names in order. */
async function hashOfFiles(
  root: string,
  files: readonly string[],
  signal: AbortSignal,
): Promise<string> {
  const named = files
    .map((file) => ({ file, name: relative(root, file).split(sep).join('/') }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  const hashes: string[] = [];
  for (const { file } of named) hashes.push(await sha256OfFile(file, { signal }));
  if (hashes.length === 1) return hashes[0]!;
  return sha256(named.map(({ name }, i) => `${hashes[i]}  ${name}\n`).join(''));
}

/** Of the configurations, which change pictures as much as weights do. */
function settingsHash(model: TextToImageModel): string {
  const { family, schedulerConfig, denoiser, vae, towers, t5, given } = model;
  const parts = [denoiser, vae, ...towers.map(({ part }) => part), ...(t5 ? [t5.part] : [])];
  const configs = parts.map(({ className, config }) => [className, config]);
  return sha256(JSON.stringify([family.latentSpace, schedulerConfig, given, configs]));
}

export function sha256(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}
