/** @file Configuration of the CLIP towers as transformers writes it, and the published sizes. */
import type { ActivationName } from '../nn/activation.js';
import type { ClipEncoderOptions } from '../nn/clip-encoder.js';
import { type ConfigJson, ConfigReader } from './config-reader.js';
import { activationNames, bookkeeping } from './transformers-fields.js';

/** What both towers have in common. */
export interface ClipTowerConfig {
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  /** Width of the shared text and image space. */
  readonly projectionDim: number;
  readonly layers: number;
  readonly heads: number;
  readonly activation: ActivationName;
  readonly layerNormEps: number;
}

export interface ClipTextConfig extends ClipTowerConfig {
  readonly vocabSize: number;
  /** Most tokens of a text, 77 for all published models. */
  readonly maxPositions: number;
  /** The end-of-text token; 2 stands for the rule of old files, see `eosPositions`. */
  readonly eosTokenId: number;
}

export interface ClipVisionConfig extends ClipTowerConfig {
  readonly channels: number;
  /** Height and width of the picture, in pixels. */
  readonly imageSize: number;
  readonly patchSize: number;
}

export interface ClipConfig {
  readonly text: ClipTextConfig;
  readonly vision: ClipVisionConfig;
  /** Natural logarithm of the factor on cosines, before training. */
  readonly logitScaleInit: number;
}

type TowerDefaults = Omit<ClipTowerConfig, 'activation' | 'layerNormEps' | 'projectionDim'>;

function readTower(read: ConfigReader, defaults: TowerDefaults): ClipTowerConfig {
  read.ignore(...bookkeeping);
  const config = {
    hiddenSize: read.integer('hidden_size', defaults.hiddenSize),
    intermediateSize: read.integer('intermediate_size', defaults.intermediateSize),
    projectionDim: read.integer('projection_dim', 512),
    layers: read.integer('num_hidden_layers', defaults.layers),
    heads: read.integer('num_attention_heads', defaults.heads),
    activation: read.choice('hidden_act', activationNames, 'quick_gelu'),
    layerNormEps: read.number('layer_norm_eps', 1e-5, { min: 0 }),
  };
  if (config.hiddenSize % config.heads === 0) return config;
  throw read.wrong(`hidden_size divisible by ${config.heads} heads`, config.hiddenSize);
}

/** Reads the config.json of a text tower. Throws CONFIG or MODEL_UNSUPPORTED, naming the field. */
export function parseClipTextConfig(json: unknown): ClipTextConfig {
  const read = new ConfigReader('CLIPTextModel', json);
  const defaults = { hiddenSize: 512, intermediateSize: 2048, layers: 12, heads: 8 };
  const config = {
    ...readTower(read, defaults),
    vocabSize: read.integer('vocab_size', 49_408),
    maxPositions: read.integer('max_position_embeddings', 77),
    eosTokenId: read.integer('eos_token_id', 49_407, { min: 0 }),
  };
  read.done();
  return config;
}

/** Reads the config.json of a vision tower. Throws CONFIG or MODEL_UNSUPPORTED, naming the field. */
export function parseClipVisionConfig(json: unknown): ClipVisionConfig {
  const read = new ConfigReader('CLIPVisionModelWithProjection', json);
  const defaults = { hiddenSize: 768, intermediateSize: 3072, layers: 12, heads: 12 };
  read.ignore('eos_token_id');
  const config = {
    ...readTower(read, defaults),
    channels: read.integer('num_channels', 3),
    imageSize: read.integer('image_size', 224),
    patchSize: read.integer('patch_size', 32),
  };
  read.done();
  if (config.patchSize <= config.imageSize) return config;
  throw read.wrong(`patch_size of at most image_size ${config.imageSize}`, config.patchSize);
}

/** Reads the config.json of a CLIPModel, with `text_config` and `vision_config` inside. */
export function parseClipConfig(json: unknown): ClipConfig {
  const read = new ConfigReader('CLIPModel', json);
  read.ignore(...bookkeeping, 'eos_token_id');
  const projectionDim = read.integer('projection_dim', 512);
  // Old files hold a tower twice; transformers lets `…_config_dict` count where both are there.
  const tower = (name: string): unknown =>
    [read.raw(name), read.raw(`${name}_dict`)].reduce((one, other) => other ?? one) ?? {};
  const text = parseClipTextConfig(tower('text_config'));
  const vision = parseClipVisionConfig(tower('vision_config'));
  const config = {
    text: { ...text, projectionDim },
    vision: { ...vision, projectionDim },
    logitScaleInit: read.number('logit_scale_init_value', 2.6592),
  };
  read.done();
  return config;
}

/** The encoder's options of a tower. */
export function clipEncoderOptions(config: ClipTowerConfig, causal: boolean): ClipEncoderOptions {
  const { layers, heads, intermediateSize, activation, layerNormEps: eps } = config;
  return { layers, heads, intermediateSize, activation, eps, causal };
}

const textSize = (
  hidden: number,
  layers: number,
  heads: number,
  projection: number,
  act: string,
): ConfigJson => ({
  hidden_size: hidden,
  intermediate_size: 4 * hidden,
  num_hidden_layers: layers,
  num_attention_heads: heads,
  projection_dim: projection,
  hidden_act: act,
  vocab_size: 49_408,
  max_position_embeddings: 77,
  eos_token_id: 2,
});

/** Published text towers, as config.json would hold them. */
export const clipTextPresets = {
  /** Two layers of width 16, for tests. */
  tiny: {
    hidden_size: 16,
    intermediate_size: 32,
    num_hidden_layers: 2,
    num_attention_heads: 2,
    projection_dim: 12,
    vocab_size: 64,
    max_position_embeddings: 16,
    eos_token_id: 63,
  },
  /** OpenAI ViT-B/32 and ViT-B/16. */
  vitBase: textSize(512, 12, 8, 512, 'quick_gelu'),
  /** SD 1 and SDXL's first: OpenAI ViT-L/14. */
  vitLarge14: textSize(768, 12, 12, 768, 'quick_gelu'),
  /** SD 2: OpenCLIP ViT-H/14 without its last layer. */
  vitHuge14: textSize(1024, 23, 16, 512, 'gelu'),
  /** SDXL's second: OpenCLIP ViT-bigG/14. */
  vitBigG14: textSize(1280, 32, 20, 1280, 'gelu'),
} as const satisfies Record<string, ConfigJson>;

const visionSize = (
  hidden: number,
  layers: number,
  patch: number,
  projection: number,
  act: string,
): ConfigJson => ({
  hidden_size: hidden,
  intermediate_size: 4 * hidden,
  num_hidden_layers: layers,
  num_attention_heads: layers === 12 ? 12 : 16,
  projection_dim: projection,
  hidden_act: act,
  image_size: 224,
  patch_size: patch,
});

/** Published vision towers, as config.json would hold them. */
export const clipVisionPresets = {
  /** Two layers of width 16 over 16×16 pixels, for tests. */
  tiny: {
    hidden_size: 16,
    intermediate_size: 32,
    num_hidden_layers: 2,
    num_attention_heads: 2,
    projection_dim: 12,
    image_size: 16,
    patch_size: 8,
  },
  vitBase32: visionSize(768, 12, 32, 512, 'quick_gelu'),
  vitBase16: visionSize(768, 12, 16, 512, 'quick_gelu'),
  vitLarge14: visionSize(1024, 24, 14, 768, 'quick_gelu'),
  /** OpenCLIP ViT-H/14. */
  vitHuge14: visionSize(1280, 32, 14, 1024, 'gelu'),
  /** OpenCLIP ViT-bigG/14. */
  vitBigG14: { ...visionSize(1664, 48, 14, 1280, 'gelu'), intermediate_size: 8192 },
} as const satisfies Record<string, ConfigJson>;

const pair = (text: ConfigJson, vision: ConfigJson): ConfigJson => ({
  projection_dim: vision.projection_dim,
  text_config: text,
  vision_config: vision,
});

/** Published pairs of towers, as config.json would hold them. */
export const clipPresets = {
  tiny: pair(clipTextPresets.tiny, clipVisionPresets.tiny),
  vitBase32: pair(clipTextPresets.vitBase, clipVisionPresets.vitBase32),
  vitBase16: pair(clipTextPresets.vitBase, clipVisionPresets.vitBase16),
  vitLarge14: pair(clipTextPresets.vitLarge14, clipVisionPresets.vitLarge14),
  /** SD 2's text tower is this one's without its last layer. */
  vitHuge14: pair(textSize(1024, 24, 16, 1024, 'gelu'), clipVisionPresets.vitHuge14),
  vitBigG14: pair(clipTextPresets.vitBigG14, clipVisionPresets.vitBigG14),
} as const satisfies Record<string, ConfigJson>;
