/** @file Reads a text-to-image model folder. What a pipeline does is decided by these values, never by a model's name. */
import { basename, join } from 'node:path';
import { complain } from '../core/errors.js';
import type { ClipTokenizer } from '../formats/clip-tokenizer.js';
import {
  type JsonObject,
  type ModelFolder,
  readJson,
  readModelFolder,
} from '../hub/local-folder.js';
import { readTokenizerFolder } from '../hub/tokenizer-folder.js';
import type { Sampler } from '../schedulers/sampler.js';
import { loadSampler } from '../schedulers/table.js';
import { type ModelPart, readPart } from './model-part.js';

/** A text encoder with its tokenizer. */
export interface TextTower {
  readonly part: ModelPart<'CLIPTextModel' | 'CLIPTextModelWithProjection'>;
  readonly tokenizer: ClipTokenizer;
  /** Ids per prompt, start, end and padding included. */
  readonly tokens: number;
}

export type Autoencoder = ModelPart<'AutoencoderKL' | 'AutoencoderTiny'>;

export interface GenerationDefaults {
  readonly steps: number;
  readonly guidanceScale: number;
  readonly negativePrompt: string | undefined;
}

export interface TextToImageModel {
  /** Absolute path of the folder. */
  readonly path: string;
  readonly name: string;
  readonly towers: readonly TextTower[];
  /** Which states guide the denoiser: after the last layer and its norm, or before the last layer. */
  readonly textStates: 'last' | 'penultimate';
  /** Without a negative prompt the unconditional side is zeros, not the empty text. */
  readonly zeroesForEmptyPrompt: boolean;
  readonly unet: ModelPart<'UNet2DConditionModel'>;
  readonly vae: Autoencoder;
  readonly schedulerConfig: JsonObject;
  /** The sampler the folder names. */
  readonly sampler: Sampler;
  readonly defaults: GenerationDefaults;
  /** What was read otherwise than the files say. */
  readonly warnings: readonly string[];
}

/** What the pipeline class in model_index.json says. */
interface Family {
  /** Text encoder folders with their tokenizers, in the order their states are joined. */
  readonly towers: readonly (readonly [encoder: string, tokenizer: string])[];
  readonly textStates: 'last' | 'penultimate';
  readonly guidanceScale: number;
  /** diffusers' own corrections of old scheduler files. */
  readonly schedulerFixes: JsonObject;
}

const families: Readonly<Record<string, Family>> = {
  StableDiffusionPipeline: {
    towers: [['text_encoder', 'tokenizer']],
    textStates: 'last',
    guidanceScale: 7.5,
    schedulerFixes: { steps_offset: 1, clip_sample: false },
  },
  StableDiffusionXLPipeline: {
    towers: [
      ['text_encoder', 'tokenizer'],
      ['text_encoder_2', 'tokenizer_2'],
    ],
    textStates: 'penultimate',
    guidanceScale: 5,
    schedulerFixes: {},
  },
};

export interface ReadModelOptions {
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
  const folder = await readModelFolder(path);
  const family = familyOf(folder);
  const towers = await readTowers(folder, family, options);
  onPart?.('unet');
  const unet = await readPart(folder, 'unet', { classes: ['UNet2DConditionModel'], variant });
  onPart?.('vae');
  const vae = await readPart(folder, 'vae', {
    classes: ['AutoencoderKL', 'AutoencoderTiny'],
    variant,
  });
  const scheduler = await readScheduler(folder, family);
  const model: TextToImageModel = {
    path: folder.path,
    name: name ?? basename(folder.path),
    towers,
    textStates: family.textStates,
    zeroesForEmptyPrompt: flag(folder, 'force_zeros_for_empty_prompt', family),
    unet,
    vae,
    schedulerConfig: scheduler.config,
    sampler: scheduler.sampler,
    defaults: readDefaults(folder, family),
    warnings: scheduler.warnings,
  };
  checkFit(model);
  return model;
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

/** Present towers in order; SDXL folders may leave out the first. */
async function readTowers(
  folder: ModelFolder,
  family: Family,
  { variant, onPart }: ReadModelOptions,
): Promise<TextTower[]> {
  const towers: TextTower[] = [];
  const last = family.towers.length - 1;
  for (const [i, [encoder, tokenizerName]] of family.towers.entries()) {
    if (i < last && !folder.components.has(encoder)) continue;
    onPart?.(encoder);
    const isPooled = family.textStates === 'penultimate' && i === last;
    const part = await readPart(folder, encoder, {
      classes: isPooled ? ['CLIPTextModelWithProjection'] : ['CLIPTextModel'],
      variant,
    });
    const tokenizer = await readTokenizerFolder(join(folder.path, tokenizerName));
    const tokens = Math.min(tokenizer.maxLength, part.config.maxPositions);
    if (tokenizer.vocabSize > part.config.vocabSize) {
      throw complain('CONFIG', {
        where: join(folder.path, tokenizerName),
        expected: `ids below vocab_size ${part.config.vocabSize} of ${encoder}`,
        got: `ids up to ${tokenizer.vocabSize - 1}`,
      });
    }
    towers.push({ part, tokenizer, tokens });
  }
  return towers;
}

function flag(folder: ModelFolder, key: string, family: Family): boolean {
  if (family.textStates === 'last') return false;
  const value = Object.hasOwn(folder.index, key) ? folder.index[key] : true;
  if (typeof value === 'boolean') return value;
  const where = join(folder.path, 'model_index.json');
  throw complain('CONFIG', { where, expected: `${key} true or false`, got: JSON.stringify(value) });
}

async function readScheduler(folder: ModelFolder, family: Family) {
  const file = join(folder.path, 'scheduler', 'scheduler_config.json');
  const stored = await readJson(file);
  const config = { ...stored, ...family.schedulerFixes };
  const changed = Object.entries(family.schedulerFixes).filter(
    ([key, value]) => Object.hasOwn(stored, key) && stored[key] !== value,
  );
  const sampler = loadSampler(config);
  const fixes = changed.map(
    ([key, value]) => `${file}: ${key} ${stored[key]} is read as ${value}, as diffusers does.`,
  );
  return { config, sampler, warnings: [...fixes, ...sampler.warnings] };
}

/** diffusers' defaults, or those of the `_maliang` block of model_index.json. */
function readDefaults(folder: ModelFolder, family: Family): GenerationDefaults {
  const block = Object.hasOwn(folder.index, '_maliang') ? folder.index._maliang : {};
  const isBlock = typeof block === 'object' && block !== null && !Array.isArray(block);
  const given = (isBlock ? block : {}) as JsonObject;
  const { steps = 50, guidance_scale = family.guidanceScale, negative_prompt } = given;
  const isText = negative_prompt === undefined || typeof negative_prompt === 'string';
  if (isBlock && Number.isInteger(steps) && Number.isFinite(guidance_scale) && isText) {
    return {
      steps: steps as number,
      guidanceScale: guidance_scale as number,
      negativePrompt: negative_prompt as string | undefined,
    };
  }
  throw complain('CONFIG', {
    where: join(folder.path, 'model_index.json'),
    expected: '_maliang with steps, guidance_scale and negative_prompt, each optional',
    got: JSON.stringify(block),
  });
}

/** The parts must fit each other: channels, widths and what the denoiser wants to be told. */
function checkFit({ path, towers, unet, vae, textStates }: TextToImageModel): void {
  const { config } = unet;
  const want = (what: string, expected: unknown, got: unknown): void => {
    if (expected === got) return;
    throw complain('MODEL_UNSUPPORTED', {
      where: path,
      expected: `${what} ${expected}`,
      got: `${got}`,
      next: 'Maliang does not draw from words with such a model.',
    });
  };
  want('vae out_channels', 3, vae.config.outChannels);
  want('unet in_channels', vae.config.latentChannels, config.inChannels);
  want('unet class_embed_type', 'none', config.classEmbed.kind);
  const width = towers.reduce((sum, { part }) => sum + part.config.hiddenSize, 0);
  const widths = new Set(config.crossAttentionDim);
  want('different unet cross_attention_dim', 1, widths.size);
  want('unet cross_attention_dim', width, config.encoderHidDim ?? config.crossAttentionDim[0]);
  const { additionEmbed } = config;
  if (additionEmbed.kind !== 'text_time') return;
  want('text states for addition_embed_type text_time', 'penultimate', textStates);
  const pooled = towers.at(-1)!.part.config.projectionDim;
  const size = pooled + timeIdCount * additionEmbed.timeSize;
  want('unet projection_class_embeddings_input_dim', size, additionEmbed.inputSize);
}

/** Original size, crop corner and target size. */
export const timeIdCount = 6;
