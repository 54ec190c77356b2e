/** @file Configuration of UNet2DConditionModel as diffusers writes it, and the published sizes. */
import type { ActivationName } from '../nn/activation.js';
import { type ConfigJson, ConfigReader } from './config-reader.js';

export type UnetDownBlock = 'DownBlock2D' | 'CrossAttnDownBlock2D';
export type UnetUpBlock = 'UpBlock2D' | 'CrossAttnUpBlock2D';
export type UnetMidBlock = 'UNetMidBlock2DCrossAttn' | 'UNetMidBlock2D';

/** How class labels enter; `table` is an embedding of `numClassEmbeds` rows. */
export type ClassEmbed =
  | { readonly kind: 'none' | 'identity' | 'timestep' }
  | { readonly kind: 'table'; readonly count: number }
  | { readonly kind: 'projection' | 'simple_projection'; readonly inputSize: number };

/** What is added to the time embedding: SDXL's pooled text and sizes, or attention-pooled text states. */
export type AdditionEmbed =
  | { readonly kind: 'none' }
  | { readonly kind: 'text_time'; readonly timeSize: number; readonly inputSize: number }
  | { readonly kind: 'text'; readonly heads: number };

/** Lists have one item per down block, finest first, unless said otherwise. */
export interface Unet2dConditionConfig {
  /** Height and width of the latents the model was trained on, when the file says so. */
  readonly sampleSize: readonly [number, number] | undefined;
  readonly inChannels: number;
  readonly outChannels: number;
  readonly centerInputSample: boolean;
  readonly flipSinToCos: boolean;
  readonly freqShift: number;
  readonly downBlockTypes: readonly UnetDownBlock[];
  readonly midBlockType: UnetMidBlock | undefined;
  /** Coarsest first. */
  readonly upBlockTypes: readonly UnetUpBlock[];
  readonly onlyCrossAttention: readonly boolean[];
  readonly blockOutChannels: readonly number[];
  readonly layersPerBlock: readonly number[];
  readonly downsamplePadding: number;
  readonly midBlockScaleFactor: number;
  /** Probability of dropping a value in training; inference ignores it. */
  readonly dropout: number;
  readonly activation: ActivationName;
  readonly normGroups: number;
  readonly normEps: number;
  readonly crossAttentionDim: readonly number[];
  /** Transformer blocks of every layer of every down block. */
  readonly downTransformerLayers: readonly (readonly number[])[];
  readonly midTransformerLayers: number;
  /** Coarsest first; up blocks have one layer more than their down block. */
  readonly upTransformerLayers: readonly (readonly number[])[];
  /** Width of text states projected to `crossAttentionDim` first, if they are. */
  readonly encoderHidDim: number | undefined;
  /** `attention_head_dim` in the file, where the name is wrong for historical reasons. */
  readonly heads: readonly number[];
  readonly useLinearProjection: boolean;
  readonly classEmbed: ClassEmbed;
  readonly classEmbeddingsConcat: boolean;
  readonly additionEmbed: AdditionEmbed;
  readonly timeScaleShift: 'default' | 'scale_shift';
  readonly timeEmbeddingDim: number;
  readonly timeEmbeddingActivation: ActivationName | undefined;
  readonly timestepPostActivation: ActivationName | undefined;
  /** Width of the guidance embedding of LCM models. */
  readonly timeCondProjDim: number | undefined;
  readonly convInKernel: number;
  readonly convOutKernel: number;
}

const activationNames = ['silu', 'swish', 'mish', 'gelu', 'relu'] as const;
const odd = [1, 3, 5, 7] as const;

/**
 * Reads config.json. Throws CONFIG on a field that is unknown, mistyped or out of range, and
 * MODEL_UNSUPPORTED on a setting Maliang does not run.
 */
export function parseUnet2dConditionConfig(json: unknown): Unet2dConditionConfig {
  const read = new ConfigReader('UNet2DConditionModel', json);
  const downBlockTypes = read.choices(
    'down_block_types',
    ['DownBlock2D', 'CrossAttnDownBlock2D'],
    ['CrossAttnDownBlock2D', 'CrossAttnDownBlock2D', 'CrossAttnDownBlock2D', 'DownBlock2D'],
  );
  const blocks = downBlockTypes.length;
  const perBlock = (field: string, fallback: number | readonly number[]): number[] =>
    read.integerPerBlock(field, fallback, blocks);
  const blockOutChannels = perBlock('block_out_channels', [320, 640, 1280, 1280]);
  const layersPerBlock = perBlock('layers_per_block', 2);
  refuseUnsupported(read);
  const config: Unet2dConditionConfig = {
    sampleSize: readSampleSize(read),
    inChannels: read.integer('in_channels', 4),
    outChannels: read.integer('out_channels', 4),
    centerInputSample: read.boolean('center_input_sample', false),
    flipSinToCos: read.boolean('flip_sin_to_cos', true),
    freqShift: read.number('freq_shift', 0),
    downBlockTypes,
    midBlockType: readMidBlock(read),
    upBlockTypes: readUpBlocks(read, blocks),
    onlyCrossAttention: read.booleanPerBlock('only_cross_attention', false, blocks),
    blockOutChannels,
    layersPerBlock,
    downsamplePadding: read.integer('downsample_padding', 1, { min: 0, max: 1 }),
    midBlockScaleFactor: read.number('mid_block_scale_factor', 1, { min: 1e-6 }),
    dropout: read.number('dropout', 0, { min: 0, max: 1 }),
    activation: read.choice('act_fn', activationNames, 'silu'),
    normGroups: read.integer('norm_num_groups', 32),
    normEps: read.number('norm_eps', 1e-5, { min: 0 }),
    crossAttentionDim: perBlock('cross_attention_dim', 1280),
    ...readTransformerLayers(read, layersPerBlock),
    encoderHidDim: read.optionalInteger('encoder_hid_dim'),
    heads: perBlock('attention_head_dim', 8),
    useLinearProjection: read.boolean('use_linear_projection', false),
    classEmbed: readClassEmbed(read),
    classEmbeddingsConcat: read.boolean('class_embeddings_concat', false),
    additionEmbed: readAdditionEmbed(read),
    timeScaleShift: read.choice('resnet_time_scale_shift', ['default', 'scale_shift'], 'default'),
    timeEmbeddingDim: read.optionalInteger('time_embedding_dim') ?? 4 * blockOutChannels[0]!,
    timeEmbeddingActivation: read.optionalChoice('time_embedding_act_fn', activationNames),
    timestepPostActivation: read.optionalChoice('timestep_post_act', activationNames),
    timeCondProjDim: read.optionalInteger('time_cond_proj_dim'),
    convInKernel: readKernel(read, 'conv_in_kernel'),
    convOutKernel: readKernel(read, 'conv_out_kernel'),
  };
  read.done();
  checkWidths(read, config);
  return config;
}

/** Settings that change nothing in these block types, or only the precision of other engines. */
const withoutEffect = [
  'cross_attention_norm',
  'mid_block_only_cross_attention',
  'resnet_out_scale_factor',
  'resnet_skip_time_act',
  'upcast_attention',
];

function refuseUnsupported(read: ConfigReader): void {
  read.only('num_attention_heads', null);
  read.only('dual_cross_attention', false);
  read.only('encoder_hid_dim_type', null, 'text_proj');
  read.only('time_embedding_type', 'positional');
  read.only('attention_type', 'default');
  read.ignore(...withoutEffect);
}

function readSampleSize(read: ConfigReader): readonly [number, number] | undefined {
  const value = read.raw('sample_size') ?? undefined;
  if (value === undefined) return undefined;
  const sizes = read.integerPerBlock('sample_size', 64, 2);
  return [sizes[0]!, sizes[1]!];
}

function readMidBlock(read: ConfigReader): UnetMidBlock | undefined {
  const known = ['UNetMidBlock2DCrossAttn', 'UNetMidBlock2D'] as const;
  if (read.raw('mid_block_type') === null) return undefined;
  return read.choice('mid_block_type', known, 'UNetMidBlock2DCrossAttn');
}

function readUpBlocks(read: ConfigReader, blocks: number): readonly UnetUpBlock[] {
  const types = read.choices<UnetUpBlock>(
    'up_block_types',
    ['UpBlock2D', 'CrossAttnUpBlock2D'],
    ['UpBlock2D', 'CrossAttnUpBlock2D', 'CrossAttnUpBlock2D', 'CrossAttnUpBlock2D'],
  );
  if (types.length === blocks) return types;
  throw read.wrong(`as many up_block_types as down_block_types, ${blocks}`, types.length);
}

type TransformerLayers = Pick<
  Unet2dConditionConfig,
  'downTransformerLayers' | 'midTransformerLayers' | 'upTransformerLayers'
>;

/** One number for all blocks, one per block, or one list per block with a number per layer. */
function readTransformerLayers(read: ConfigReader, layers: readonly number[]): TransformerLayers {
  const field = 'transformer_layers_per_block';
  const given = read.raw(field) ?? 1;
  const down = read.perBlock(field, given, layers.length);
  const reverse = read.raw('reverse_transformer_layers_per_block') ?? undefined;
  if (reverse === undefined && down.some((item) => Array.isArray(item))) {
    throw read.wrong('reverse_transformer_layers_per_block beside nested lists', undefined);
  }
  const up =
    reverse === undefined
      ? [...down].reverse()
      : read.perBlock('reverse_transformer_layers_per_block', reverse, layers.length);
  const spread = (items: readonly unknown[], counts: readonly number[]): number[][] =>
    items.map((item, i) => {
      const counted = read.perBlock(`${field}[${i}]`, item, counts[i]!);
      if (
        counted.every((n) => Number.isInteger(n) && (n as number) >= 0 && (n as number) <= 1000)
      ) {
        return counted as number[];
      }
      throw read.wrong(`${field}[${i}] whole numbers from 0 to 1000`, item);
    });
  const upCounts = layers.map((count) => count + 1).reverse();
  const downLayers = spread(down, layers);
  return {
    downTransformerLayers: downLayers,
    midTransformerLayers: downLayers.at(-1)![0]!,
    upTransformerLayers: spread(up, upCounts),
  };
}

function readClassEmbed(read: ConfigReader): ClassEmbed {
  const kind = read.optionalChoice('class_embed_type', [
    'timestep',
    'identity',
    'projection',
    'simple_projection',
  ]);
  const count = read.optionalInteger('num_class_embeds');
  const inputSize = read.optionalInteger('projection_class_embeddings_input_dim');
  if (kind === undefined) return count === undefined ? { kind: 'none' } : { kind: 'table', count };
  if (kind === 'timestep' || kind === 'identity') return { kind };
  if (inputSize !== undefined) return { kind, inputSize };
  throw read.wrong(`projection_class_embeddings_input_dim beside class_embed_type ${kind}`, null);
}

function readAdditionEmbed(read: ConfigReader): AdditionEmbed {
  const kind = read.optionalChoice('addition_embed_type', ['text_time', 'text']);
  const timeSize = read.optionalInteger('addition_time_embed_dim');
  const inputSize = read.optionalInteger('projection_class_embeddings_input_dim');
  const heads = read.integer('addition_embed_type_num_heads', 64);
  if (kind === undefined) return { kind: 'none' };
  if (kind === 'text') return { kind, heads };
  if (timeSize !== undefined && inputSize !== undefined) return { kind, timeSize, inputSize };
  const expected =
    'addition_time_embed_dim and projection_class_embeddings_input_dim beside text_time';
  throw read.wrong(expected, [timeSize ?? null, inputSize ?? null]);
}

function readKernel(read: ConfigReader, field: string): number {
  const kernel = read.integer(field, 3);
  if (odd.some((size) => size === kernel)) return kernel;
  throw read.wrong(`${field} one of ${odd.join(', ')}`, kernel);
}

function checkWidths(read: ConfigReader, config: Unet2dConditionConfig): void {
  for (const channels of config.blockOutChannels) {
    if (channels % config.normGroups !== 0) {
      throw read.wrong(`block_out_channels divisible by norm_num_groups ${config.normGroups}`, [
        ...config.blockOutChannels,
      ]);
    }
  }
  config.heads.forEach((heads, i) => {
    if (heads > config.blockOutChannels[i]!) {
      throw read.wrong('at most one head per channel in attention_head_dim', [...config.heads]);
    }
  });
}

const sd1: ConfigJson = {
  sample_size: 64,
  cross_attention_dim: 768,
  attention_head_dim: 8,
};
const sd2: ConfigJson = {
  sample_size: 64,
  cross_attention_dim: 1024,
  attention_head_dim: [5, 10, 20, 20],
  use_linear_projection: true,
};
const sdxl: ConfigJson = {
  sample_size: 128,
  down_block_types: ['DownBlock2D', 'CrossAttnDownBlock2D', 'CrossAttnDownBlock2D'],
  up_block_types: ['CrossAttnUpBlock2D', 'CrossAttnUpBlock2D', 'UpBlock2D'],
  block_out_channels: [320, 640, 1280],
  transformer_layers_per_block: [1, 2, 10],
  attention_head_dim: [5, 10, 20],
  cross_attention_dim: 2048,
  use_linear_projection: true,
  addition_embed_type: 'text_time',
  addition_time_embed_dim: 256,
  projection_class_embeddings_input_dim: 2816,
};

/** Published configurations, as config.json would hold them. */
export const unet2dConditionPresets = {
  /** Two levels, for tests. */
  tiny: {
    sample_size: 8,
    in_channels: 4,
    out_channels: 4,
    down_block_types: ['CrossAttnDownBlock2D', 'DownBlock2D'],
    up_block_types: ['UpBlock2D', 'CrossAttnUpBlock2D'],
    block_out_channels: [8, 16],
    layers_per_block: 1,
    norm_num_groups: 4,
    attention_head_dim: 2,
    cross_attention_dim: 12,
  },
  sd1,
  sd1Inpainting: { ...sd1, in_channels: 9 },
  sd2,
  sd2Inpainting: { ...sd2, in_channels: 9 },
  sdxl,
  sdxlRefiner: {
    ...sdxl,
    down_block_types: [
      'DownBlock2D',
      'CrossAttnDownBlock2D',
      'CrossAttnDownBlock2D',
      'DownBlock2D',
    ],
    up_block_types: ['UpBlock2D', 'CrossAttnUpBlock2D', 'CrossAttnUpBlock2D', 'UpBlock2D'],
    block_out_channels: [384, 768, 1536, 1536],
    transformer_layers_per_block: 4,
    attention_head_dim: [6, 12, 24, 24],
    cross_attention_dim: 1280,
    projection_class_embeddings_input_dim: 2560,
  },
} as const satisfies Record<string, ConfigJson>;
