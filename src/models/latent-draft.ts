/** @file LatentDraft, Maliang's own: a text embedding to the latents it most likely means, blurred where it leaves a choice. */
import * as g from '../graph/build.js';
import type { Tensor } from '../graph/tensor.js';
import { conv2d, layerNorm, linear } from '../nn/layers.js';
import type { Scope } from '../nn/scope.js';
import { type ConfigJson, ConfigReader } from './config-reader.js';

export interface LatentDraftConfig {
  /** Width of the text embedding. */
  readonly inputSize: number;
  readonly hiddenSize: number;
  /** Width of each level, coarsest first; every level after the first is twice as large. */
  readonly blockOutChannels: readonly number[];
  /** Channels of the latents. */
  readonly outChannels: number;
  /** Height and width of the draft, in latents. */
  readonly sampleSize: number;
}

/** Reads config.json. Throws CONFIG, naming the field. */
export function parseLatentDraftConfig(json: unknown): LatentDraftConfig {
  const read = new ConfigReader('LatentDraft', json);
  const config = {
    inputSize: read.integer('input_size', 256),
    hiddenSize: read.integer('hidden_size', 512),
    blockOutChannels: read.integers('block_out_channels', [64, 64, 32]),
    outChannels: read.integer('out_channels', 8),
    sampleSize: read.integer('sample_size', 16),
  };
  const factor = 2 ** (config.blockOutChannels.length - 1);
  if (config.sampleSize % factor !== 0) {
    throw read.wrong(`sample_size a multiple of ${factor}`, config.sampleSize);
  }
  read.done();
  return config;
}

/** Embeddings [n, inputSize] -> drafts [n, outChannels, sampleSize, sampleSize]. */
export function latentDraft(scope: Scope, config: LatentDraftConfig, embeds: Tensor): Tensor {
  const { hiddenSize, blockOutChannels, outChannels, sampleSize } = config;
  const [coarsest, ...finer] = blockOutChannels as [number, ...number[]];
  const n = embeds.shape[0]!;
  const side = sampleSize / 2 ** finer.length;
  const normed = layerNorm(scope.child('norm'), embeds, 1e-5);
  const hidden = g.gelu(linear(scope.child('linear_1'), normed, hiddenSize));
  const flat = linear(scope.child('linear_2'), hidden, coarsest * side * side);
  const first = g.gelu(g.reshape(flat, [n, coarsest, side, side]));
  const features = finer.reduce((x, width, level) => {
    const size = side * 2 ** (level + 1);
    const larger = g.resize(x, { mode: 'nearest', size: [size, size] });
    return g.gelu(conv2d(scope.child('up_blocks').child(level), larger, width));
  }, first);
  const last = g.gelu(conv2d(scope.child('conv'), features, features.shape[1]!));
  return conv2d(scope.child('conv_out'), last, outChannels);
}

/** Configurations, as config.json would hold them. */
export const latentDraftPresets = {
  /** For tests. */
  tiny: {
    input_size: 12,
    hidden_size: 8,
    block_out_channels: [6, 4],
    out_channels: 4,
    sample_size: 8,
  },
  builtin: {},
} as const satisfies Record<string, ConfigJson>;
