/** @file UNet2DConditionModel: the denoiser of Stable Diffusion 1, 2 and XL (Rombach et al. 2022; diffusers). */
import { complain } from '../core/errors.js';
import * as g from '../graph/build.js';
import type { Pair } from '../graph/ops.js';
import type { Tensor } from '../graph/tensor.js';
import { activate } from '../nn/activation.js';
import { type InitialRule, zeros } from '../nn/initialise.js';
import { conv2d, embedding, groupNorm, layerNorm, linear } from '../nn/layers.js';
import {
  type DropoutMask,
  downsample,
  type ResnetBlockOptions,
  resnetBlock,
  upsample,
} from '../nn/resnet-block.js';
import type { Scope } from '../nn/scope.js';
import { sinusoidalEmbedding, timestepMlp } from '../nn/timestep.js';
import { transformer2d } from '../nn/transformer-2d.js';
import type { Unet2dConditionConfig } from './unet-2d-condition-config.js';

/** SDXL's extra conditions. */
export interface AddedConditions {
  /** Pooled text embeddings [n, d]. */
  readonly textEmbeds: Tensor;
  /** Original size, crop corner and target size, or the refiner's five values: f32 [n, k]. */
  readonly timeIds: Tensor;
}

export interface Unet2dConditionInputs {
  /** Noisy latents [n, inChannels, h, w]; any size. */
  readonly sample: Tensor;
  /** f32 [n], in steps of the training schedule. */
  readonly timesteps: Tensor;
  /** Text states [n, tokens, crossAttentionDim]. */
  readonly encoderHiddenStates: Tensor;
  /** What `classEmbed` asks for: i64 [n] for a table, f32 [n] for timesteps, else f32 [n, k]. */
  readonly classLabels?: Tensor | undefined;
  /** Guidance embedding [n, timeCondProjDim] of LCM models. */
  readonly timestepCond?: Tensor | undefined;
  readonly addedConditions?: AddedConditions | undefined;
  /** Training only: masks for the dropout inside residual blocks. */
  readonly dropoutMask?: DropoutMask | undefined;
  readonly below?: Below | undefined;
}

/** A place on the way up: what comes from below, before a skip connection joins it. */
export interface Below {
  /** The skip connection, 0 for the outermost; see `skipConnections`. */
  readonly branch: number;
  /** Looks at the features from below [n, c, h, w], or puts others in their place. */
  readonly pass: (features: Tensor) => Tensor;
}

/** How many skip connections the network has. */
export function skipConnections({ layersPerBlock, downBlockTypes }: Unet2dConditionConfig): number {
  const layers = layersPerBlock.reduce((sum, count) => sum + count, 0);
  return layers + downBlockTypes.length;
}

/** What all blocks need. */
interface Shared {
  readonly below: Below | undefined;
  readonly config: Unet2dConditionConfig;
  readonly time: Tensor;
  readonly context: Tensor;
  readonly dropoutMask: DropoutMask | undefined;
}

/** The model's output [n, outChannels, h, w]: noise, velocity or sample, as it was trained. */
export function unet2dCondition(
  scope: Scope,
  config: Unet2dConditionConfig,
  inputs: Unet2dConditionInputs,
): Tensor {
  const { sample, encoderHiddenStates, dropoutMask, below } = inputs;
  const { encoderHidDim, crossAttentionDim } = config;
  const time = timeEmbedding(scope, config, inputs);
  const context =
    encoderHidDim === undefined
      ? encoderHiddenStates
      : linear(scope.child('encoder_hid_proj'), encoderHiddenStates, crossAttentionDim[0]!);
  const shared: Shared = { below, config, time, context, dropoutMask };

  const centred = config.centerInputSample ? g.sub(g.mul(sample, 2), 1) : sample;
  const kernel = config.convInKernel;
  let h = conv2d(scope.child('conv_in'), centred, config.blockOutChannels[0]!, { kernel });
  const skips: Tensor[] = [h];
  config.downBlockTypes.forEach((_, i) => {
    h = downBlock(scope.child('down_blocks').child(i), h, i, shared, skips);
  });
  h = midBlock(scope.child('mid_block'), h, shared);
  config.upBlockTypes.forEach((_, i) => {
    h = upBlock(scope.child('up_blocks').child(i), h, i, shared, skips);
  });
  h = groupNorm(scope.child('conv_norm_out'), h, config.normGroups, config.normEps);
  h = activate(config.activation, h);
  return conv2d(scope.child('conv_out'), h, config.outChannels, { kernel: config.convOutKernel });
}

/** Timestep, class and SDXL conditions in one vector [n, timeEmbeddingDim], twice that if concatenated. */
function timeEmbedding(
  scope: Scope,
  config: Unet2dConditionConfig,
  inputs: Unet2dConditionInputs,
): Tensor {
  const condition = wanted(
    'timestepCond',
    inputs.timestepCond,
    config.timeCondProjDim !== undefined,
  );
  let time = timestepMlp(scope.child('time_embedding'), sinusoid(config, inputs.timesteps), {
    size: config.timeEmbeddingDim,
    activation: config.activation,
    postActivation: config.timestepPostActivation,
    condition,
  });
  const classes = classEmbedding(scope.child('class_embedding'), config, inputs);
  if (classes)
    time = config.classEmbeddingsConcat ? g.concat([time, classes], 1) : g.add(time, classes);
  const added = addedEmbedding(scope.child('add_embedding'), config, inputs);
  if (added) time = g.add(time, added);
  const { timeEmbeddingActivation } = config;
  return timeEmbeddingActivation ? activate(timeEmbeddingActivation, time) : time;
}

function sinusoid(
  config: Unet2dConditionConfig,
  timesteps: Tensor,
  size: number = config.blockOutChannels[0]!,
): Tensor {
  const { flipSinToCos, freqShift } = config;
  return sinusoidalEmbedding(timesteps, { size, flipSinToCos, downscaleFreqShift: freqShift });
}

function classEmbedding(
  scope: Scope,
  config: Unet2dConditionConfig,
  inputs: Unet2dConditionInputs,
): Tensor | undefined {
  const { classEmbed, activation, timeEmbeddingDim: size } = config;
  const labels = wanted('classLabels', inputs.classLabels, classEmbed.kind !== 'none');
  if (labels === undefined) return undefined;
  switch (classEmbed.kind) {
    case 'none':
      return undefined;
    case 'identity':
      return labels;
    case 'table':
      return embedding(scope, labels, classEmbed.count, size);
    case 'timestep':
      return timestepMlp(scope, sinusoid(config, labels), { size, activation });
    case 'projection':
      return timestepMlp(scope, labels, { size });
    case 'simple_projection':
      return linear(scope, labels, size);
  }
}

function addedEmbedding(
  scope: Scope,
  config: Unet2dConditionConfig,
  inputs: Unet2dConditionInputs,
): Tensor | undefined {
  const { additionEmbed, timeEmbeddingDim: size } = config;
  const asked = additionEmbed.kind === 'text_time';
  const conditions = wanted('addedConditions', inputs.addedConditions, asked);
  if (additionEmbed.kind === 'text') {
    return pooledTextEmbedding(scope, inputs.encoderHiddenStates, size, additionEmbed.heads);
  }
  if (conditions === undefined || additionEmbed.kind === 'none') return undefined;
  const { timeSize, inputSize } = additionEmbed;
  const { textEmbeds, timeIds } = conditions;
  const [n, count] = timeIds.shape as [number, number];
  const waves = sinusoid(config, g.reshape(timeIds, [n * count]), timeSize); // [n·k, timeSize]
  const joined = g.concat([textEmbeds, g.reshape(waves, [n, count * timeSize])], 1);
  if (joined.shape[1] === inputSize) return timestepMlp(scope, joined, { size });
  throw complain('SHAPE', {
    where: 'unet2dCondition: addedConditions',
    expected: `${inputSize} values in textEmbeds and the embedded timeIds`,
    got: `${joined.shape[1]}`,
  });
}

/** Text states [n, t, c] -> [n, size]: their mean attends to itself and to them all. */
function pooledTextEmbedding(scope: Scope, states: Tensor, size: number, heads: number): Tensor {
  const eps = 1e-5;
  const pool = scope.child('pool');
  const width = states.shape[2]!;
  const x = layerNorm(scope.child('norm1'), states, eps);
  const offset = pool.parameter('positional_embedding', [1, width]);
  const token = g.add(g.mean(x, [1], true), offset); // [n, 1, c]
  const all = g.concat([token, x], 1);
  const query = linear(pool.child('q_proj'), token, width);
  const key = linear(pool.child('k_proj'), all, width);
  const value = linear(pool.child('v_proj'), all, width);
  const pooled = g.reshape(g.attention(query, key, value, { heads }), [x.shape[0]!, width]);
  return layerNorm(scope.child('norm2'), linear(scope.child('proj'), pooled, size), eps);
}

/** An input the config asks for must be there, and one it does not ask for must not. */
function wanted<T>(name: string, value: T | undefined, isWanted: boolean): T | undefined {
  if ((value !== undefined) === isWanted) return value;
  throw complain('SHAPE', {
    where: `unet2dCondition: ${name}`,
    expected: isWanted
      ? 'a value, as the config asks for one'
      : 'none, as the config has no use for it',
    got: isWanted ? 'none' : 'one',
  });
}

function resnetOptions(shared: Shared, channels: number, outputScale = 1): ResnetBlockOptions {
  const { normGroups, normEps: eps, activation, timeScaleShift } = shared.config;
  const { dropoutMask } = shared;
  return { channels, normGroups, eps, activation, timeScaleShift, outputScale, dropoutMask };
}

/** Where a transformer stands and how it looks. */
interface AttendOptions {
  /** Counted from the finest. */
  readonly level: number;
  readonly layers: number;
  readonly onlyCrossAttention: boolean;
}

function attend(scope: Scope, h: Tensor, shared: Shared, options: AttendOptions): Tensor {
  const { level, layers, onlyCrossAttention } = options;
  const { normGroups, useLinearProjection: linearProjection } = shared.config;
  const heads = shared.config.heads[level]!;
  const shape = { heads, layers, normGroups, linearProjection, onlyCrossAttention };
  return transformer2d(scope, h, shared.context, shape);
}

function downBlock(scope: Scope, x: Tensor, i: number, shared: Shared, skips: Tensor[]): Tensor {
  const { config, time } = shared;
  const resnet = resnetOptions(shared, config.blockOutChannels[i]!);
  const crosses = config.downBlockTypes[i] === 'CrossAttnDownBlock2D';
  let h = x;
  for (let layer = 0; layer < config.layersPerBlock[i]!; layer++) {
    h = resnetBlock(scope.child('resnets').child(layer), h, time, resnet);
    if (crosses) {
      const layers = config.downTransformerLayers[i]![layer]!;
      const options = { level: i, layers, onlyCrossAttention: config.onlyCrossAttention[i]! };
      h = attend(scope.child('attentions').child(layer), h, shared, options);
    }
    skips.push(h);
  }
  if (i < config.downBlockTypes.length - 1) {
    h = downsample(scope.child('downsamplers').child(0), h, config.downsamplePadding);
    skips.push(h);
  }
  return h;
}

function midBlock(scope: Scope, x: Tensor, shared: Shared): Tensor {
  const { config, time } = shared;
  if (config.midBlockType === undefined) return x;
  const last = config.blockOutChannels.length - 1;
  const resnet = resnetOptions(shared, config.blockOutChannels[last]!, config.midBlockScaleFactor);
  const h = resnetBlock(scope.child('resnets').child(0), x, time, resnet);
  if (config.midBlockType === 'UNetMidBlock2D') return h;
  const attention = scope.child('attentions').child(0);
  const layers = config.midTransformerLayers;
  const mixed = attend(attention, h, shared, { level: last, layers, onlyCrossAttention: false });
  return resnetBlock(scope.child('resnets').child(1), mixed, time, resnet);
}

function upBlock(scope: Scope, x: Tensor, i: number, shared: Shared, skips: Tensor[]): Tensor {
  const { config, time } = shared;
  const level = config.upBlockTypes.length - 1 - i;
  const resnet = resnetOptions(shared, config.blockOutChannels[level]!);
  const crosses = config.upBlockTypes[i] === 'CrossAttnUpBlock2D';
  let h = x;
  for (let layer = 0; layer <= config.layersPerBlock[level]!; layer++) {
    const skip = skips.pop()!;
    if (shared.below?.branch === skips.length) h = shared.below.pass(h);
    h = g.concat([h, skip], 1);
    h = resnetBlock(scope.child('resnets').child(layer), h, time, resnet);
    if (crosses) {
      const layers = config.upTransformerLayers[i]![layer]!;
      const options = { level, layers, onlyCrossAttention: config.onlyCrossAttention[level]! };
      h = attend(scope.child('attentions').child(layer), h, shared, options);
    }
  }
  if (level === 0) return h;
  const target = skips.at(-1)!.shape.slice(2) as [number, number] satisfies Pair;
  return upsample(scope.child('upsamplers').child(0), h, target);
}

/** Starting values for training: what ends a residual branch or the model begins at zero, as in latent diffusion. */
export const unet2dConditionInitials: readonly InitialRule[] = [
  { pattern: /^conv_out\./, fill: zeros },
  { pattern: /\.resnets\.\d+\.conv2\./, fill: zeros },
  { pattern: /\.attentions\.\d+\.proj_out\./, fill: zeros },
];
