/** @file AutoencoderTiny (TAESD, Ollin Boer Bohan 2023; diffusers): a small residual autoencoder without norms. */
import * as g from '../graph/build.js';
import type { Tensor } from '../graph/tensor.js';
import { type ActivationName, activate } from '../nn/activation.js';
import { conv2d } from '../nn/layers.js';
import type { Scope } from '../nn/scope.js';
import { type ConfigJson, ConfigReader } from './config-reader.js';

export interface AutoencoderTinyConfig {
  readonly inChannels: number;
  readonly outChannels: number;
  readonly latentChannels: number;
  /** Width of every encoder stage; the architecture keeps one width. */
  readonly encoderChannels: number;
  readonly decoderChannels: number;
  /** Residual blocks of every stage, finest first; each stage after the first halves the size. */
  readonly encoderBlocks: readonly number[];
  /** Residual blocks of every stage, coarsest first; each stage but the last enlarges. */
  readonly decoderBlocks: readonly number[];
  readonly activation: ActivationName;
  readonly upsampleMode: 'nearest' | 'bilinear';
  readonly upsampleFactor: number;
  /** Latents lie within ± this value around zero when stored as bytes. */
  readonly latentMagnitude: number;
  readonly latentShift: number;
  /** Latents for the generator are `(z − shiftFactor) · scalingFactor`. */
  readonly scalingFactor: number;
  readonly shiftFactor: number;
}

/** Reads config.json. Throws CONFIG or MODEL_UNSUPPORTED, naming the field. */
export function parseAutoencoderTinyConfig(json: unknown): AutoencoderTinyConfig {
  const read = new ConfigReader('AutoencoderTiny', json);
  const encoderBlocks = read.integers('num_encoder_blocks', [1, 3, 3, 3], { min: 0 });
  const decoderBlocks = read.integers('num_decoder_blocks', [3, 3, 3, 1], { min: 0 });
  read.ignore('block_out_channels', 'force_upcast');
  const config: AutoencoderTinyConfig = {
    inChannels: read.integer('in_channels', 3),
    outChannels: read.integer('out_channels', 3),
    latentChannels: read.integer('latent_channels', 4),
    encoderChannels: readWidth(read, 'encoder_block_out_channels', encoderBlocks.length),
    decoderChannels: readWidth(read, 'decoder_block_out_channels', decoderBlocks.length),
    encoderBlocks,
    decoderBlocks,
    activation: read.choice('act_fn', ['relu', 'silu', 'swish', 'mish', 'gelu'], 'relu'),
    upsampleMode: read.choice('upsample_fn', ['nearest', 'bilinear'], 'nearest'),
    upsampleFactor: read.integer('upsampling_scaling_factor', 2, { max: 16 }),
    latentMagnitude: read.number('latent_magnitude', 3),
    latentShift: read.number('latent_shift', 0.5),
    scalingFactor: read.number('scaling_factor', 1, { min: 1e-9 }),
    shiftFactor: read.number('shift_factor', 0),
  };
  read.done();
  return config;
}

function readWidth(read: ConfigReader, field: string, stages: number): number {
  const widths = read.integers(field, new Array<number>(stages).fill(64));
  if (widths.length !== stages) throw read.wrong(`${field} with ${stages} items`, widths);
  if (widths.every((width) => width === widths[0])) return widths[0]!;
  throw read.wrong(`${field} with equal widths, as the architecture requires`, widths);
}

/** Three convolutions around a skip: x [n, c, h, w] -> the same shape. */
function tinyBlock(scope: Scope, x: Tensor, activation: ActivationName): Tensor {
  const conv = scope.child('conv');
  const width = x.shape[1]!;
  let h = activate(activation, conv2d(conv.child(0), x, width));
  h = activate(activation, conv2d(conv.child(2), h, width));
  return g.relu(g.add(conv2d(conv.child(4), h, width), x));
}

/** Numbers the layers of a torch Sequential. */
function sequence(scope: Scope): () => Scope {
  let next = 0;
  return () => scope.child('layers').child(next++);
}

/** Pictures [n, inChannels, h, w] in [−1, 1] -> latents [n, latentChannels, h/2ˢ, w/2ˢ], s stages after the first. */
export function autoencoderTinyEncode(
  scope: Scope,
  config: AutoencoderTinyConfig,
  pictures: Tensor,
): Tensor {
  const { encoderChannels: width, encoderBlocks, latentChannels, activation } = config;
  const layer = sequence(scope.child('encoder'));
  let h = g.div(g.add(pictures, 1), 2);
  encoderBlocks.forEach((blocks, i) => {
    h = i === 0 ? conv2d(layer(), h, width) : conv2d(layer(), h, width, { stride: 2, bias: false });
    for (let block = 0; block < blocks; block++) h = tinyBlock(layer(), h, activation);
  });
  return conv2d(layer(), h, latentChannels);
}

/** Latents [n, latentChannels, h, w] -> pictures around [−1, 1], not clamped. */
export function autoencoderTinyDecode(
  scope: Scope,
  config: AutoencoderTinyConfig,
  latents: Tensor,
): Tensor {
  const { decoderChannels: width, decoderBlocks, outChannels, activation } = config;
  const layer = sequence(scope.child('decoder'));
  const clamped = g.mul(g.tanh(g.div(latents, 3)), 3);
  let h = activate(activation, conv2d(layer(), clamped, width));
  layer(); // The activation has a number of its own.
  decoderBlocks.forEach((blocks, i) => {
    for (let block = 0; block < blocks; block++) h = tinyBlock(layer(), h, activation);
    const isLast = i === decoderBlocks.length - 1;
    if (!isLast) {
      layer(); // So has the enlargement.
      h = enlarge(h, config);
    }
    h = conv2d(layer(), h, isLast ? outChannels : width, { bias: isLast });
  });
  return g.sub(g.mul(h, 2), 1);
}

function enlarge(x: Tensor, config: AutoencoderTinyConfig): Tensor {
  const { upsampleMode: mode, upsampleFactor: factor } = config;
  return g.resize(x, { mode, size: [x.shape[2]! * factor, x.shape[3]! * factor] });
}

/** Published configurations, as config.json would hold them. */
export const autoencoderTinyPresets = {
  /** Two stages of width 8, for tests. */
  tiny: {
    encoder_block_out_channels: [8, 8],
    decoder_block_out_channels: [8, 8],
    num_encoder_blocks: [1, 1],
    num_decoder_blocks: [1, 1],
  },
  taesd: {},
  taesd3: { latent_channels: 16, scaling_factor: 1, shift_factor: 0 },
} as const satisfies Record<string, ConfigJson>;
