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
  readonly sample: Tensor; // [n, c, h, w]
  readonly timesteps: Tensor; // f32 [n]
  readonly textStates: Tensor; // [n, tokens, width]
  readonly textEmbeds: Tensor; // [n, width]
  readonly timeIds: Tensor; // f32 [n, 6]
}

/** A denoiser ready to be built: its class, its starting values and the function that builds it. */
export interface Generator {
  readonly className: 'UNet2DConditionModel' | 'SD3Transformer2DModel';
  readonly inChannels: number;
  readonly initials: readonly InitialRule[];
  readonly frozen: ReadonlyMap<string, TensorData>;
  readonly build: (scope: Scope, inputs: GeneratorInputs) => Tensor;
}

function unetGenerator(config: Unet2dConditionConfig): Generator {
  return {
    className: 'UNet2DConditionModel',
    inChannels: config.inChannels,
    initials: unet2dConditionInitials,
    frozen: new Map(),
    build: (scope, { sample, timesteps, textStates, textEmbeds, timeIds }) =>
      unet2dCondition(scope, config, {
        sample,
        timesteps,
        encoderHiddenStates: textStates,
        addedConditions:
          config.additionEmbed.kind === 'text_time' ? { textEmbeds, timeIds } : undefined,
      }),
  };
}

function sd3Generator(config: Sd3TransformerConfig): Generator {
  const { posEmbedMaxSize: max, heads, headSize } = config;
  const data = sd3PositionTable(config);
  const table: TensorData = { dtype: 'f32', shape: [1, max * max, heads * headSize], data };
  return {
    className: 'SD3Transformer2DModel',
    inChannels: config.inChannels,
    initials: sd3TransformerInitials(config),
    frozen: new Map([['pos_embed.pos_embed', table]]),
    build: (scope, { sample, timesteps, textStates, textEmbeds }) =>
      sd3Transformer(scope, config, {
        sample,
        timesteps,
        encoderHiddenStates: textStates,
        pooledProjections: textEmbeds,
      }),
  };
}

/** Reads a denoiser's config with `_class_name`. Throws MODEL_UNSUPPORTED for other classes. */
export function readGenerator(json: unknown): Generator {
  const className = (json as { _class_name?: unknown } | null)?._class_name;
  if (className === 'UNet2DConditionModel') return unetGenerator(parseUnet2dConditionConfig(json));
  if (className === 'SD3Transformer2DModel') return sd3Generator(parseSd3TransformerConfig(json));
  throw complain('MODEL_UNSUPPORTED', {
    where: 'training: model._class_name',
    expected: 'UNet2DConditionModel or SD3Transformer2DModel',
    got: JSON.stringify(className),
    next: 'Set `_class_name` in the `model` block of the configuration.',
  });
}
