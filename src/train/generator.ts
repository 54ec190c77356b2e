/** @file The denoisers the diffusion loop can train, one row per diffusers class. */
import { complain } from '../core/errors.js';
import type { TensorData } from '../core/tensor-data.js';
import type { Tensor } from '../graph/tensor.js';
import {
  sd3PositionTable,
  sd3Transformer,
  sd3TransformerInitials,
} from '../models/sd3-transformer.js';
import {
  parseSd3TransformerConfig,
  type Sd3TransformerConfig,
} from '../models/sd3-transformer-config.js';
import { unet2dCondition, unet2dConditionInitials } from '../models/unet-2d-condition.js';
import {
  parseUnet2dConditionConfig,
  type Unet2dConditionConfig,
} from '../models/unet-2d-condition-config.js';
import type { InitialRule } from '../nn/initialise.js';
import type { Scope } from '../nn/scope.js';

export interface GeneratorInputs {
  readonly sample: Tensor; // [n, c, h, w], a draft's channels after the latents'
  readonly timesteps: Tensor; // f32 [n]
  readonly textStates: Tensor; // [n, tokens, width]
  readonly textEmbeds: Tensor; // [n, width]
  readonly timeIds: Tensor; // f32 [n, timeIdCount]
}

/** SDXL's sizes: original, crop, target; height and width each. */
export const timeIdCount = 6;

/** What the latents and the text tower give a generator. */
export interface ConditionSizes {
  readonly channels: number;
  /** Channels of a draft beside the latents; 0 without one. */
  readonly draftChannels: number;
  readonly textWidth: number;
  readonly pooledWidth: number;
}

/** A field of the generator's configuration and the value the other parts ask for. */
export interface FieldWish {
  readonly field: string;
  readonly has: number;
  readonly wanted: number;
  readonly because: string;
}

/** A denoiser ready to be built: its class, its starting values and the function that builds it. */
export interface Generator {
  readonly className: 'UNet2DConditionModel' | 'SD3Transformer2DModel';
  readonly initials: readonly InitialRule[];
  readonly frozen: ReadonlyMap<string, TensorData>;
  /** Values the configuration must have beside these latents and texts. */
  readonly wishes: (sizes: ConditionSizes) => readonly FieldWish[];
  readonly build: (scope: Scope, inputs: GeneratorInputs) => Tensor;
}

const ofLatents = 'the channels of the latents';
const ofText = 'the hidden_size of the text tower';
const ofPooled = 'the projection_dim of the text tower';

function inputWish(has: number, channels: number, draftChannels: number): FieldWish {
  const because = draftChannels > 0 ? `${ofLatents} and of their draft` : ofLatents;
  return { field: 'in_channels', has, wanted: channels + draftChannels, because };
}

function unetGenerator(config: Unet2dConditionConfig): Generator {
  const { inChannels, outChannels, encoderHidDim, crossAttentionDim, additionEmbed } = config;
  refuseUntrained(config);
  return {
    className: 'UNet2DConditionModel',
    initials: unet2dConditionInitials,
    frozen: new Map(),
    wishes: ({ channels, draftChannels, textWidth, pooledWidth }) => [
      inputWish(inChannels, channels, draftChannels),
      { field: 'out_channels', has: outChannels, wanted: channels, because: ofLatents },
      encoderHidDim === undefined
        ? {
            field: 'cross_attention_dim',
            has: crossAttentionDim.find((size) => size !== textWidth) ?? textWidth,
            wanted: textWidth,
            because: ofText,
          }
        : { field: 'encoder_hid_dim', has: encoderHidDim, wanted: textWidth, because: ofText },
      ...(additionEmbed.kind === 'text_time'
        ? [
            {
              field: 'projection_class_embeddings_input_dim',
              has: additionEmbed.inputSize,
              wanted: pooledWidth + timeIdCount * additionEmbed.timeSize,
              because: `${ofPooled} and ${timeIdCount} addition_time_embed_dim`,
            },
          ]
        : []),
    ],
    build: (scope, { sample, timesteps, textStates, textEmbeds, timeIds }) =>
      unet2dCondition(scope, config, {
        sample,
        timesteps,
        encoderHiddenStates: textStates,
        addedConditions: additionEmbed.kind === 'text_time' ? { textEmbeds, timeIds } : undefined,
      }),
  };
}

/** Settings that a UNet can be drawn with but not trained. */
function refuseUntrained({ dropout, classEmbed, timeCondProjDim }: Unet2dConditionConfig): void {
  const refuse = (expected: string, got: string): Error =>
    complain('MODEL_UNSUPPORTED', {
      where: 'training: model',
      expected,
      got,
      next: 'Leave the field out: training does not use it.',
    });
  if (dropout !== 0) throw refuse('dropout 0', `${dropout}`);
  if (classEmbed.kind !== 'none') throw refuse('no class embedding', classEmbed.kind);
  if (timeCondProjDim !== undefined) throw refuse('no time_cond_proj_dim', `${timeCondProjDim}`);
}

function sd3Generator(config: Sd3TransformerConfig): Generator {
  const { posEmbedMaxSize: max, heads, headSize } = config;
  const { inChannels, outChannels, jointAttentionDim, pooledProjectionDim } = config;
  const data = sd3PositionTable(config);
  const table: TensorData = { dtype: 'f32', shape: [1, max * max, heads * headSize], data };
  return {
    className: 'SD3Transformer2DModel',
    initials: sd3TransformerInitials(config),
    frozen: new Map([['pos_embed.pos_embed', table]]),
    wishes: ({ channels, draftChannels, textWidth, pooledWidth }) => [
      inputWish(inChannels, channels, draftChannels),
      { field: 'out_channels', has: outChannels, wanted: channels, because: ofLatents },
      { field: 'joint_attention_dim', has: jointAttentionDim, wanted: textWidth, because: ofText },
      {
        field: 'pooled_projection_dim',
        has: pooledProjectionDim,
        wanted: pooledWidth,
        because: ofPooled,
      },
    ],
    build: (scope, { sample, timesteps, textStates, textEmbeds }) =>
      sd3Transformer(scope, config, {
        sample,
        timesteps,
        encoderHiddenStates: textStates,
        pooledProjections: textEmbeds,
      }),
  };
}

/** Throws CONFIG, naming the field, when the configuration does not fit latents and texts. */
export function requireFit(generator: Generator, sizes: ConditionSizes): void {
  for (const { field, has, wanted, because } of generator.wishes(sizes)) {
    if (has === wanted) continue;
    throw complain('CONFIG', {
      where: `training: model.${field}`,
      expected: `${wanted}, ${because}`,
      got: `${has}`,
    });
  }
}

/** Reads a denoiser's config with `_class_name`. Throws CONFIG, or MODEL_UNSUPPORTED for other classes. */
export function readGenerator(json: unknown): Generator {
  const className = (json as { _class_name?: unknown } | null | undefined)?._class_name;
  if (className === 'UNet2DConditionModel') return unetGenerator(parseUnet2dConditionConfig(json));
  if (className === 'SD3Transformer2DModel') return sd3Generator(parseSd3TransformerConfig(json));
  throw complain('MODEL_UNSUPPORTED', {
    where: 'training: model._class_name',
    expected: 'UNet2DConditionModel or SD3Transformer2DModel',
    got: JSON.stringify(className) ?? 'nothing',
    next: 'Set `_class_name` in the `model` block of the configuration.',
  });
}
