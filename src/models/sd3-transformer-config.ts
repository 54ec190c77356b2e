/** @file Configuration of SD3Transformer2DModel as diffusers writes it, and the published sizes. */
import { type ConfigJson, ConfigReader } from './config-reader.js';

export interface Sd3TransformerConfig {
  /** Height and width of the latents the position table was scaled for. */
  readonly sampleSize: number;
  readonly patchSize: number;
  readonly inChannels: number;
  readonly outChannels: number;
  readonly layers: number;
  readonly heads: number;
  readonly headSize: number;
  /** Width of the text states. */
  readonly jointAttentionDim: number;
  /** Width of the pooled text. */
  readonly pooledProjectionDim: number;
  /** Side of the position table, in patches; larger pictures are refused. */
  readonly posEmbedMaxSize: number;
  /** Blocks with a second attention over the picture alone. */
  readonly dualAttentionLayers: ReadonlySet<number>;
  readonly qkNorm: 'rms_norm' | undefined;
}

/** Reads config.json. Throws CONFIG or MODEL_UNSUPPORTED, naming the field. */
export function parseSd3TransformerConfig(json: unknown): Sd3TransformerConfig {
  const read = new ConfigReader('SD3Transformer2DModel', json);
  const inChannels = read.integer('in_channels', 16);
  const layers = read.integer('num_layers', 18);
  const outFallback = read.raw('out_channels') === null ? inChannels : 16;
  const config: Sd3TransformerConfig = {
    sampleSize: read.integer('sample_size', 128),
    patchSize: read.integer('patch_size', 2, { max: 64 }),
    inChannels,
    outChannels: read.integer('out_channels', outFallback),
    layers,
    heads: read.integer('num_attention_heads', 18),
    headSize: read.integer('attention_head_dim', 64),
    jointAttentionDim: read.integer('joint_attention_dim', 4096),
    pooledProjectionDim: read.integer('pooled_projection_dim', 2048),
    posEmbedMaxSize: read.integer('pos_embed_max_size', 96, { max: 4096 }),
    dualAttentionLayers: readDualLayers(read),
    qkNorm: read.optionalChoice('qk_norm', ['rms_norm']),
  };
  const inner = config.heads * config.headSize;
  const caption = read.integer('caption_projection_dim', 1152);
  read.done();
  if (caption !== inner) {
    throw read.wrong(`caption_projection_dim equal to heads × head size, ${inner}`, caption);
  }
  if (inner % 4 !== 0) throw read.wrong('heads × head size divisible by 4', inner);
  return config;
}

/** Numbers beyond the last layer are none. */
function readDualLayers(read: ConfigReader): ReadonlySet<number> {
  const value = read.raw('dual_attention_layers') ?? [];
  if (Array.isArray(value) && value.length === 0) return new Set();
  return new Set(read.integers('dual_attention_layers', [], { min: 0 }));
}

/** Published configurations, as config.json would hold them. */
export const sd3TransformerPresets = {
  /** Two layers of width 16, for tests. */
  tiny: {
    sample_size: 16,
    in_channels: 4,
    out_channels: 4,
    num_layers: 2,
    attention_head_dim: 8,
    num_attention_heads: 2,
    joint_attention_dim: 12,
    caption_projection_dim: 16,
    pooled_projection_dim: 10,
    pos_embed_max_size: 12,
  },
  sd3Medium: {
    num_layers: 24,
    num_attention_heads: 24,
    caption_projection_dim: 1536,
    pos_embed_max_size: 192,
  },
  sd35Medium: {
    num_layers: 24,
    num_attention_heads: 24,
    caption_projection_dim: 1536,
    pos_embed_max_size: 384,
    dual_attention_layers: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
    qk_norm: 'rms_norm',
  },
  sd35Large: {
    num_layers: 38,
    num_attention_heads: 38,
    caption_projection_dim: 2432,
    pos_embed_max_size: 192,
    qk_norm: 'rms_norm',
  },
} as const satisfies Record<string, ConfigJson>;
