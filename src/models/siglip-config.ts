/** @file Configuration of SigLIP as transformers writes it, and the published sizes (Zhai et al. 2023). */
import type { ActivationName } from '../nn/activation.js';
import type { ClipEncoderOptions } from '../nn/clip-encoder.js';
import { type ConfigJson, ConfigReader } from './config-reader.js';
import { activationNames, bookkeeping } from './transformers-fields.js';

/** What both towers have in common. */
export interface SiglipTowerConfig {
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly layers: number;
  readonly heads: number;
  readonly activation: ActivationName;
  readonly layerNormEps: number;
}

export interface SiglipTextConfig extends SiglipTowerConfig {
  readonly vocabSize: number;
  /** Tokens of every text, padding included; 64 for all published models. */
  readonly maxPositions: number;
  /** Width of the text embedding. */
  readonly projectionSize: number;
}

export interface SiglipVisionConfig extends SiglipTowerConfig {
  readonly channels: number;
  /** Height and width of the picture, in pixels. */
  readonly imageSize: number;
  readonly patchSize: number;
}

export interface SiglipConfig {
  readonly text: SiglipTextConfig;
  readonly vision: SiglipVisionConfig;
}

function readTower(read: ConfigReader): SiglipTowerConfig {
  read.ignore(...bookkeeping, 'eos_token_id');
  const config = {
    hiddenSize: read.integer('hidden_size', 768),
    intermediateSize: read.integer('intermediate_size', 3072),
    layers: read.integer('num_hidden_layers', 12),
    heads: read.integer('num_attention_heads', 12),
    activation: read.choice('hidden_act', activationNames, 'gelu_pytorch_tanh'),
    layerNormEps: read.number('layer_norm_eps', 1e-6, { min: 0 }),
  };
  if (config.hiddenSize % config.heads === 0) return config;
  throw read.wrong(`hidden_size divisible by ${config.heads} heads`, config.hiddenSize);
}

function parseText(json: unknown): SiglipTextConfig {
  const read = new ConfigReader('SiglipTextModel', json);
  const tower = readTower(read);
  const config = {
    ...tower,
    vocabSize: read.integer('vocab_size', 32_000),
    maxPositions: read.integer('max_position_embeddings', 64),
    projectionSize: read.integer('projection_size', tower.hiddenSize),
  };
  read.done();
  return config;
}

function parseVision(json: unknown): SiglipVisionConfig {
  const read = new ConfigReader('SiglipVisionModel', json);
  read.only('vision_use_head', true);
  const config = {
    ...readTower(read),
    channels: read.integer('num_channels', 3),
    imageSize: read.integer('image_size', 224),
    patchSize: read.integer('patch_size', 16),
  };
  read.done();
  if (config.patchSize <= config.imageSize) return config;
  throw read.wrong(`patch_size of at most image_size ${config.imageSize}`, config.patchSize);
}

/** Reads the config.json of a SiglipModel. Throws CONFIG or MODEL_UNSUPPORTED, naming the field. */
export function parseSiglipConfig(json: unknown): SiglipConfig {
  const read = new ConfigReader('SiglipModel', json);
  read.ignore(...bookkeeping, 'eos_token_id');
  const text = parseText(read.raw('text_config') ?? {});
  const vision = parseVision(read.raw('vision_config') ?? {});
  read.done();
  if (text.projectionSize === vision.hiddenSize) return { text, vision };
  throw read.wrong(
    `projection_size equal to the vision tower's hidden_size ${vision.hiddenSize}`,
    text.projectionSize,
  );
}

/** The encoder's options of a tower; both look at all tokens. */
export function siglipEncoderOptions(config: SiglipTowerConfig): ClipEncoderOptions {
  const { layers, heads, intermediateSize, activation, layerNormEps: eps } = config;
  return { layers, heads, intermediateSize, activation, eps, causal: false };
}

const base = (imageSize: number): ConfigJson => ({
  text_config: {},
  vision_config: { image_size: imageSize },
});

const shapeOptimized = {
  hidden_size: 1152,
  intermediate_size: 4304,
  num_hidden_layers: 27,
  num_attention_heads: 16,
};

/** Published models, as config.json would hold them. */
export const siglipPresets = {
  /** Two layers of width 16 over 16×16 pixels, for tests. */
  tiny: {
    text_config: {
      hidden_size: 16,
      intermediate_size: 32,
      num_hidden_layers: 2,
      num_attention_heads: 2,
      vocab_size: 64,
      max_position_embeddings: 8,
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
  basePatch16: base(224),
  basePatch16At384: base(384),
  so400mPatch14At384: {
    text_config: shapeOptimized,
    vision_config: { ...shapeOptimized, image_size: 384, patch_size: 14 },
  },
} as const satisfies Record<string, ConfigJson>;
