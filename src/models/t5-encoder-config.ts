/** @file Configuration of T5EncoderModel as transformers writes it, and the published sizes. */
import type { ActivationName } from '../nn/activation.js';
import { type ConfigJson, ConfigReader } from './config-reader.js';
import { bookkeeping } from './transformers-fields.js';

export interface T5EncoderConfig {
  readonly vocabSize: number;
  readonly hiddenSize: number;
  /** Values per head; heads × head size need not be the hidden size. */
  readonly headSize: number;
  readonly heads: number;
  readonly layers: number;
  /** Width inside the feed-forward. */
  readonly intermediateSize: number;
  readonly activation: ActivationName;
  /** Whether the feed-forward multiplies by a second projection (Shazeer 2020). */
  readonly isGated: boolean;
  readonly layerNormEps: number;
  /** Distances told apart, both directions together. */
  readonly distanceBuckets: number;
  /** All distances from here on share the last bucket. */
  readonly maxDistance: number;
}

const activationNames = [
  'relu',
  'gelu',
  'gelu_new',
  'gelu_pytorch_tanh',
  'quick_gelu',
  'silu',
  'swish',
  'mish',
] as const;

/** Reads config.json. Throws CONFIG or MODEL_UNSUPPORTED, naming the field. */
export function parseT5EncoderConfig(json: unknown): T5EncoderConfig {
  const read = new ConfigReader('T5EncoderModel', json);
  read.ignore(...bookkeeping, 'dropout_rate', 'classifier_dropout', 'num_decoder_layers');
  read.ignore('eos_token_id', 'n_positions', 'output_past', 'scale_decoder_outputs');
  read.only('is_decoder', false);
  const config = {
    vocabSize: read.integer('vocab_size', 32_128),
    hiddenSize: read.integer('d_model', 512),
    headSize: read.integer('d_kv', 64),
    heads: read.integer('num_heads', 8),
    layers: read.integer('num_layers', 6),
    intermediateSize: read.integer('d_ff', 2048),
    ...readFeedForward(read),
    layerNormEps: read.number('layer_norm_epsilon', 1e-6, { min: 0 }),
    distanceBuckets: read.integer('relative_attention_num_buckets', 32, { min: 4 }),
    maxDistance: read.integer('relative_attention_max_distance', 128),
  };
  read.done();
  const exact = Math.floor(Math.floor(config.distanceBuckets / 2) / 2);
  if (config.maxDistance > exact) return config;
  const expected = `relative_attention_max_distance above ${exact}, a quarter of the buckets`;
  throw read.wrong(expected, config.maxDistance);
}

/** `relu`, `gated-silu` and so on; the two fields transformers derives from it count before it. */
function readFeedForward(read: ConfigReader): Pick<T5EncoderConfig, 'activation' | 'isGated'> {
  const names = activationNames.flatMap((name) => [name, `gated-${name}`] as const);
  const kind = read.choice('feed_forward_proj', names, 'relu');
  const derived = kind.replace('gated-', '') as (typeof activationNames)[number];
  const fallback = kind === 'gated-gelu' ? 'gelu_new' : derived;
  return {
    activation: read.choice('dense_act_fn', activationNames, fallback),
    isGated: read.boolean('is_gated_act', kind.startsWith('gated-')),
  };
}

/** Published configurations, as config.json would hold them. */
export const t5EncoderPresets = {
  /** Two layers of width 16, for tests. */
  tiny: {
    vocab_size: 64,
    d_model: 16,
    d_kv: 4,
    d_ff: 24,
    num_layers: 2,
    num_heads: 2,
    feed_forward_proj: 'gated-gelu',
  },
  /** The third text encoder of SD 3. */
  xxl: {
    d_model: 4096,
    d_ff: 10_240,
    num_layers: 24,
    num_heads: 64,
    feed_forward_proj: 'gated-gelu',
  },
} as const satisfies Record<string, ConfigJson>;
