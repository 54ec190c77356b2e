/** @file Configuration of BLIP as transformers writes it, and the published sizes (Li et al. 2022). */
import type { ActivationName } from '../nn/activation.js';
import { type ConfigJson, ConfigReader } from './config-reader.js';
import { activationNames, bookkeeping } from './transformers-fields.js';

/** What both towers have in common. */
export interface BlipTowerConfig {
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly layers: number;
  readonly heads: number;
  readonly activation: ActivationName;
  readonly layerNormEps: number;
}

export interface BlipTextConfig extends BlipTowerConfig {
  readonly vocabSize: number;
  readonly maxPositions: number;
  /** Width of the picture states that cross-attention reads. */
  readonly encoderHiddenSize: number;
  /** First token of a caption, `[DEC]`. */
  readonly bosTokenId: number;
  /** Ends a caption, `[SEP]`. */
  readonly sepTokenId: number;
  readonly padTokenId: number;
}

export interface BlipVisionConfig extends BlipTowerConfig {
  readonly channels: number;
  /** Height and width of the picture, in pixels. */
  readonly imageSize: number;
  readonly patchSize: number;
}

export interface BlipConfig {
  readonly text: BlipTextConfig;
  readonly vision: BlipVisionConfig;
  /** Width of the shared space that ITC compares in. */
  readonly imageTextHiddenSize: number;
}

function readTower(read: ConfigReader, heads: number, eps: number): BlipTowerConfig {
  read.ignore(...bookkeeping, 'eos_token_id', 'projection_dim', 'layer_norm_eps');
  read.ignore('attention_probs_dropout_prob', 'hidden_dropout_prob', 'label_smoothing');
  const config = {
    hiddenSize: read.integer('hidden_size', 768),
    intermediateSize: read.integer('intermediate_size', 3072),
    layers: read.integer('num_hidden_layers', 12),
    heads: read.integer('num_attention_heads', heads),
    activation: read.choice('hidden_act', activationNames, 'gelu'),
    layerNormEps: read.number('layer_norm_eps', eps, { min: 0 }),
  };
  if (config.hiddenSize % config.heads === 0) return config;
  throw read.wrong(`hidden_size divisible by ${config.heads} heads`, config.hiddenSize);
}

function parseText(json: unknown, encoderHiddenSize: number): BlipTextConfig {
  const read = new ConfigReader('BlipTextModel', json);
  read.only('is_decoder', true);
  // transformers writes the vision tower's width over it.
  read.ignore('encoder_hidden_size');
  const vocabSize = read.integer('vocab_size', 30_524);
  const id = (field: string, fallback: number): number =>
    read.integer(field, fallback, { min: 0, max: vocabSize - 1 });
  const config = {
    ...readTower(read, 8, 1e-12),
    vocabSize,
    maxPositions: read.integer('max_position_embeddings', 512),
    encoderHiddenSize,
    bosTokenId: id('bos_token_id', Math.min(30_522, vocabSize - 1)),
    sepTokenId: id('sep_token_id', Math.min(102, vocabSize - 1)),
    padTokenId: id('pad_token_id', 0),
  };
  read.done();
  return config;
}

function parseVision(json: unknown): BlipVisionConfig {
  const read = new ConfigReader('BlipVisionModel', json);
  // Not among the fields of the class, which always takes 3.
  read.only('num_channels', 3);
  const config = {
    ...readTower(read, 12, 1e-5),
    channels: 3,
    imageSize: read.integer('image_size', 384),
    patchSize: read.integer('patch_size', 16),
  };
  read.done();
  if (config.patchSize <= config.imageSize) return config;
  throw read.wrong(`patch_size of at most image_size ${config.imageSize}`, config.patchSize);
}

/** Reads the config.json of a BLIP model. Throws CONFIG or MODEL_UNSUPPORTED, naming the field. */
export function parseBlipConfig(json: unknown): BlipConfig {
  const read = new ConfigReader('Blip', json);
  read.ignore(...bookkeeping, 'eos_token_id', 'projection_dim', 'logit_scale_init_value');
  read.ignore('label_smoothing', 'text_config_dict', 'vision_config_dict');
  const vision = parseVision(read.raw('vision_config') ?? {});
  const text = parseText(read.raw('text_config') ?? {}, vision.hiddenSize);
  const imageTextHiddenSize = read.integer('image_text_hidden_size', 256);
  read.done();
  return { text, vision, imageTextHiddenSize };
}

const textBase = { num_attention_heads: 12 };
const large: ConfigJson = {
  text_config: { ...textBase, encoder_hidden_size: 1024 },
  vision_config: {
    hidden_size: 1024,
    intermediate_size: 4096,
    num_hidden_layers: 24,
    num_attention_heads: 16,
  },
};

/** Published models, as config.json would hold them. */
export const blipPresets = {
  /** Two layers of width 16 over 16×16 pixels, for tests. */
  tiny: {
    image_text_hidden_size: 12,
    text_config: {
      hidden_size: 16,
      intermediate_size: 32,
      num_hidden_layers: 2,
      num_attention_heads: 2,
      vocab_size: 64,
      max_position_embeddings: 24,
      bos_token_id: 62,
      sep_token_id: 3,
    },
    vision_config: {
      hidden_size: 16,
      intermediate_size: 32,
      num_hidden_layers: 2,
      num_attention_heads: 2,
      image_size: 16,
      patch_size: 8,
    },
  },
  base: { text_config: textBase, vision_config: {} },
  large,
} as const satisfies Record<string, ConfigJson>;
