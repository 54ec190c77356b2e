/** @file Configuration of AutoencoderKL as diffusers writes it, and the published sizes. */
import type { ActivationName } from '../nn/activation.js';
import { type ConfigJson, ConfigReader } from './config-reader.js';

export interface AutoencoderKlConfig {
  readonly inChannels: number;
  readonly outChannels: number;
  readonly latentChannels: number;
  /** Widths of the encoder's blocks, finest first; the decoder has the same in reverse. */
  readonly blockOutChannels: readonly number[];
  /** Residual blocks of an encoder block; decoder blocks have one more. */
  readonly layersPerBlock: number;
  readonly activation: ActivationName;
  readonly normGroups: number;
  /** Latents for the generator are `(z − shiftFactor) · scalingFactor`. */
  readonly scalingFactor: number;
  readonly shiftFactor: number;
  /** Statistics of the latents per channel, for models that standardise with them. */
  readonly latentsMean: readonly number[] | undefined;
  readonly latentsStd: readonly number[] | undefined;
  readonly useQuantConv: boolean;
  readonly usePostQuantConv: boolean;
  readonly midBlockAddAttention: boolean;
}

/** Reads config.json. Throws CONFIG or MODEL_UNSUPPORTED, naming the field. */
export function parseAutoencoderKlConfig(json: unknown): AutoencoderKlConfig {
  const read = new ConfigReader('AutoencoderKL', json);
  const down = read.choices('down_block_types', ['DownEncoderBlock2D'], ['DownEncoderBlock2D']);
  const up = read.choices('up_block_types', ['UpDecoderBlock2D'], ['UpDecoderBlock2D']);
  const blockOutChannels = read.integers('block_out_channels', [64]);
  const normGroups = read.integer('norm_num_groups', 32);
  const latentChannels = read.integer('latent_channels', 4);
  if (down.length !== blockOutChannels.length || up.length !== blockOutChannels.length) {
    const got = [down.length, up.length, blockOutChannels.length];
    throw read.wrong('equally many down_block_types, up_block_types, block_out_channels', got);
  }
  if (blockOutChannels.some((channels) => channels % normGroups !== 0)) {
    throw read.wrong(`block_out_channels divisible by ${normGroups} norm_num_groups`, [
      ...blockOutChannels,
    ]);
  }
  read.ignore('sample_size', 'force_upcast');
  const config: AutoencoderKlConfig = {
    inChannels: read.integer('in_channels', 3),
    outChannels: read.integer('out_channels', 3),
    latentChannels,
    blockOutChannels,
    layersPerBlock: read.integer('layers_per_block', 1),
    activation: read.choice('act_fn', ['silu', 'swish', 'mish', 'gelu', 'relu'], 'silu'),
    normGroups,
    scalingFactor: read.number('scaling_factor', 0.18215, { min: 1e-9 }),
    shiftFactor: read.number('shift_factor', 0),
    latentsMean: readStatistics(read, 'latents_mean', latentChannels),
    latentsStd: readStatistics(read, 'latents_std', latentChannels),
    useQuantConv: read.boolean('use_quant_conv', true),
    usePostQuantConv: read.boolean('use_post_quant_conv', true),
    midBlockAddAttention: read.boolean('mid_block_add_attention', true),
  };
  read.done();
  return config;
}

function readStatistics(
  read: ConfigReader,
  field: string,
  count: number,
): readonly number[] | undefined {
  const value = read.raw(field) ?? undefined;
  if (value === undefined) return undefined;
  const isList = Array.isArray(value) && value.length === count;
  if (isList && value.every((item) => Number.isFinite(item))) return value as number[];
  throw read.wrong(`${field} null or ${count} numbers, one per latent channel`, value);
}

const four: ConfigJson = {
  block_out_channels: [128, 256, 512, 512],
  down_block_types: new Array(4).fill('DownEncoderBlock2D'),
  up_block_types: new Array(4).fill('UpDecoderBlock2D'),
  layers_per_block: 2,
};

/** Published configurations, as config.json would hold them. */
export const autoencoderKlPresets = {
  /** Two blocks of 8 and 16 channels, for tests. */
  tiny: {
    block_out_channels: [8, 16],
    down_block_types: new Array(2).fill('DownEncoderBlock2D'),
    up_block_types: new Array(2).fill('UpDecoderBlock2D'),
    norm_num_groups: 4,
  },
  /** SD 1 and 2. */
  sd: four,
  sdxl: { ...four, scaling_factor: 0.13025 },
  sd3: {
    ...four,
    latent_channels: 16,
    scaling_factor: 1.5305,
    shift_factor: 0.0609,
    use_quant_conv: false,
    use_post_quant_conv: false,
  },
} as const satisfies Record<string, ConfigJson>;
