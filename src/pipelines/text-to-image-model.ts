/** @file Reads a model folder. What a pipeline does is decided by these values, never by a model's name. */
import { basename, join } from 'node:path';
import { complain } from '../core/errors.js';
import type { JsonObject, ModelFolder } from '../hub/local-folder.js';
import type { Sampler } from '../schedulers/sampler.js';
import { loadSampler } from '../schedulers/table.js';
import { type Family, families } from './families.js';
import { type AdapterOptions, withAdapters } from './model-adapters.js';
import { checkFit } from './model-fit.js';
import { type ModelPart, readPart, readPartFolder } from './model-part.js';
import {
  type ModelSource,
  type OpenModelOptions,
  openModel,
  readSchedulerConfig,
  sourceWarnings,
} from './model-source.js';
import { readT5Tower, readTowers, type T5Tower, type TextTower } from './text-towers.js';
import { readVae, type VaeFile } from './vae-file.js';

export type Autoencoder = ModelPart<'AutoencoderKL' | 'AutoencoderTiny'>;

/** The network that is asked at every step. */
export type Denoiser = ModelPart<'UNet2DConditionModel' | 'SD3Transformer2DModel'>;

export interface GenerationDefaults {
  readonly steps: number;
  readonly guidanceScale: number;
  readonly negativePrompt: string | undefined;
}

export interface TextToImageModel {
  /** Absolute path of the folder. */
  readonly path: string;
  readonly name: string;
  readonly family: Family;
  readonly towers: readonly TextTower[];
  /** Absent in families without one, and in folders that leave it out. */
  readonly t5: T5Tower | undefined;
  /** Maliang's own models draw a draft from the pooled text first. */
  readonly draft: ModelPart<'LatentDraft'> | undefined;
  /** Without a negative prompt the unconditional side is zeros, not the empty text. */
  readonly zeroesForEmptyPrompt: boolean;
  /** SDXL's refiner is told an aesthetic score instead of a target size. */
  readonly wantsAestheticScore: boolean;
  readonly denoiser: Denoiser;
  readonly vae: Autoencoder;
  readonly schedulerConfig: JsonObject;
  /** The sampler the folder names. */
  readonly sampler: Sampler;
  /** Settings of the folder's own; the family's where it says none. */
  readonly given: Partial<GenerationDefaults>;
  /** Weight files of the model itself, without what is added or put in the place of a part. */
  readonly weightFiles: readonly string[];
  /** What was read otherwise than the files say. */
  readonly warnings: readonly string[];
}

export interface ReadModelOptions extends OpenModelOptions, AdapterOptions {
  /** Default: the folder's name. */
  readonly name?: string | undefined;
  readonly variant?: string | undefined;
  /** Called before each component is read. */
  readonly onPart?: (name: string) => void;
}

/**
 * Reads a folder in the diffusers layout: configurations, tokenizers and weight headers, not the
 * weights. Throws MODEL_NOT_FOUND, MODEL_UNSUPPORTED, CONFIG, WEIGHTS, SAFETENSORS, TOKENIZER or
 * FILE_READ.
 */
export async function readTextToImageModel(
  path: string,
  options: ReadModelOptions = {},
): Promise<TextToImageModel> {
  const { name, variant, onPart } = options;
  const folder = await openModel(path, options);
  const family = familyOf(folder);
  const towers = await readTowers(folder, family, options);
  const t5 = await readT5Tower(folder, family, options);
  const { folder: denoiserName, className } = family.denoiser;
  onPart?.(denoiserName);
  const denoiser = await readPart(folder, denoiserName, { classes: [className], variant });
  const draft = await readDraft(folder, family, options);
  onPart?.('vae');
  const { vae, warnings: vaeWarnings } = await readAutoencoder(folder, family, options);
  const scheduler = await readScheduler(folder, family, options);
  const hasZeroes = family.textStates === 'penultimate' && family.t5 === undefined;
  const model: TextToImageModel = {
    path: folder.path,
    name: name ?? basename(folder.path),
    family,
    towers,
    t5,
    draft,
    zeroesForEmptyPrompt: hasZeroes && flag(folder, 'force_zeros_for_empty_prompt', true),
    wantsAestheticScore: flag(folder, 'requires_aesthetics_score', false),
    denoiser,
    vae,
    schedulerConfig: scheduler.config,
    sampler: scheduler.sampler,
    given: readGiven(folder),
    weightFiles: filesOf([
      denoiser,
      ...towers.map(({ part }) => part),
      ...(t5 ? [t5.part] : []),
      ...(draft ? [draft] : []),
      ...(options.vae === undefined ? [vae] : []),
    ]),
    warnings: [...sourceWarnings(folder), ...vaeWarnings, ...scheduler.warnings],
  };
  checkFit(model);
  return withAdapters(model, options);
}

/** Every file that parameters of these parts lie in, once. */
export function filesOf(parts: readonly Pick<ModelPart, 'weights'>[]): string[] {
  return [
    ...new Set(parts.flatMap(({ weights }) => [...weights.values()].map(({ file }) => file))),
  ];
}

async function readDraft(
  folder: ModelSource,
  { draft: name }: Family,
  { variant, onPart }: ReadModelOptions,
): Promise<ModelPart<'LatentDraft'> | undefined> {
  if (name === undefined) return undefined;
  onPart?.(name);
  return readPart(folder, name, { classes: ['LatentDraft'], variant });
}

/** The model's own autoencoder, or the one given in its place. */
async function readAutoencoder(
  folder: ModelSource,
  { latentSpace }: Family,
  { variant, vae: given }: ReadModelOptions,
): Promise<VaeFile> {
  const classes = ['AutoencoderKL', 'AutoencoderTiny'] as const;
  const isThere = given === undefined || folder.components.has('vae');
  const own = isThere ? await readPart(folder, 'vae', { classes, variant }) : undefined;
  return given === undefined ? { vae: own!, warnings: [] } : readVae(given, own, latentSpace);
}

/** Reads a small decoder for the model's latents from a component folder. Throws as above. */
export async function readPreviewDecoder(
  { vae: own }: TextToImageModel,
  path: string,
): Promise<Autoencoder> {
  const decoder = await readPartFolder(path, { name: 'preview', classes: ['AutoencoderTiny'] });
  const [wanted, got] = [own, decoder].map(({ config }) => config.latentChannels);
  if (wanted === got) return decoder;
  throw complain('MODEL_UNSUPPORTED', {
    where: path,
    expected: `latent_channels ${wanted}, as the model has`,
    got: `${got}`,
    next: 'Take the TAESD made for this family.',
  });
}

function familyOf(folder: ModelFolder): Family {
  const family = Object.hasOwn(families, folder.className) ? families[folder.className] : undefined;
  if (family) return family;
  throw complain('MODEL_UNSUPPORTED', {
    where: join(folder.path, 'model_index.json'),
    expected: `_class_name of ${Object.keys(families).join(' or ')}`,
    got: JSON.stringify(folder.className.slice(0, 80)),
    next: 'Maliang does not run this pipeline.',
  });
}

function flag(folder: ModelFolder, key: string, fallback: boolean): boolean {
  const value = Object.hasOwn(folder.index, key) ? folder.index[key] : fallback;
  if (typeof value === 'boolean') return value;
  const where = join(folder.path, 'model_index.json');
  throw complain('CONFIG', { where, expected: `${key} true or false`, got: JSON.stringify(value) });
}

async function readScheduler(
  folder: ModelSource,
  family: Family,
  { predictionType }: ReadModelOptions,
) {
  const { where: file, config: stored } = await readSchedulerConfig(folder, predictionType);
  const config = { ...stored, ...family.schedulerFixes };
  const changed = Object.entries(family.schedulerFixes).filter(
    ([key, value]) => Object.hasOwn(stored, key) && stored[key] !== value,
  );
  const sampler = loadSampler(config);
  // What the file leaves out is the other class's default, whatever the pipeline corrects.
  const switchable = { ...stored, ...Object.fromEntries(changed) };
  const fixes = changed.map(
    ([key, value]) => `${file}: ${key} ${stored[key]} is read as ${value}, as diffusers does.`,
  );
  return { config: switchable, sampler, warnings: [...fixes, ...sampler.warnings] };
}

/** The `_maliang` block of model_index.json. */
function readGiven(folder: ModelFolder): Partial<GenerationDefaults> {
  const block = Object.hasOwn(folder.index, '_maliang') ? folder.index._maliang : {};
  const isBlock = typeof block === 'object' && block !== null && !Array.isArray(block);
  const { steps, guidance_scale, negative_prompt } = (isBlock ? block : {}) as JsonObject;
  const fits =
    isBlock &&
    (steps === undefined || Number.isInteger(steps)) &&
    (guidance_scale === undefined || Number.isFinite(guidance_scale)) &&
    (negative_prompt === undefined || typeof negative_prompt === 'string');
  if (!fits) {
    throw complain('CONFIG', {
      where: join(folder.path, 'model_index.json'),
      expected: '_maliang with steps, guidance_scale and negative_prompt, each optional',
      got: JSON.stringify(block),
    });
  }
  return {
    ...(steps !== undefined && { steps: steps as number }),
    ...(guidance_scale !== undefined && { guidanceScale: guidance_scale as number }),
    ...(negative_prompt !== undefined && { negativePrompt: negative_prompt as string }),
  };
}
