/** @file Every component class Maliang runs, by the name its config.json gives. */
import { complain } from '../core/errors.js';
import { input, type Tensor } from '../graph/tensor.js';
import { declareOnce, Scope } from '../nn/scope.js';
import {
  type AestheticHeadConfig,
  aestheticHead,
  parseAestheticHeadConfig,
} from './aesthetic-head.js';
import {
  autoencoderKlDecode,
  autoencoderKlEncode,
  autoencoderKlWeightName,
} from './autoencoder-kl.js';
import { type AutoencoderKlConfig, parseAutoencoderKlConfig } from './autoencoder-kl-config.js';
import {
  type AutoencoderTinyConfig,
  autoencoderTinyDecode,
  autoencoderTinyEncode,
  parseAutoencoderTinyConfig,
} from './autoencoder-tiny.js';
import { blipCaptioning, blipTiedNames } from './blip-captioning.js';
import { type BlipConfig, parseBlipConfig } from './blip-config.js';
import {
  blipImageEmbeds,
  blipImageStates,
  blipMatch,
  blipTextEmbeds,
  blipWeightName,
} from './blip-retrieval.js';
import { clip } from './clip.js';
import {
  type ClipConfig,
  type ClipTextConfig,
  type ClipVisionConfig,
  parseClipConfig,
  parseClipTextConfig,
  parseClipVisionConfig,
} from './clip-config.js';
import { clipText, clipTextWithProjection, clipWeightName } from './clip-text.js';
import { clipVisionWithProjection } from './clip-vision.js';
import {
  type FidInceptionConfig,
  fidInception,
  fidInceptionWeightName,
  parseFidInceptionConfig,
} from './inception-v3.js';
import { type LatentDraftConfig, latentDraft, parseLatentDraftConfig } from './latent-draft.js';
import { sd3Transformer } from './sd3-transformer.js';
import { parseSd3TransformerConfig, type Sd3TransformerConfig } from './sd3-transformer-config.js';
import { siglip, siglipWeightName } from './siglip.js';
import { parseSiglipConfig, type SiglipConfig } from './siglip-config.js';
import { t5Encoder, t5EncoderWeightName } from './t5-encoder.js';
import { parseT5EncoderConfig, type T5EncoderConfig } from './t5-encoder-config.js';
import { unet2dCondition } from './unet-2d-condition.js';
import {
  parseUnet2dConditionConfig,
  type Unet2dConditionConfig,
} from './unet-2d-condition-config.js';

/** Where the parameters of a graph are declared: what every model function takes first. */
export { Scope };

/** The configuration type of each class. */
export interface ComponentConfigs {
  UNet2DConditionModel: Unet2dConditionConfig;
  SD3Transformer2DModel: Sd3TransformerConfig;
  AutoencoderKL: AutoencoderKlConfig;
  AutoencoderTiny: AutoencoderTinyConfig;
  CLIPTextModel: ClipTextConfig;
  CLIPTextModelWithProjection: ClipTextConfig;
  CLIPVisionModelWithProjection: ClipVisionConfig;
  CLIPModel: ClipConfig;
  SiglipModel: SiglipConfig;
  BlipForImageTextRetrieval: BlipConfig;
  BlipForConditionalGeneration: BlipConfig;
  AestheticHead: AestheticHeadConfig;
  T5EncoderModel: T5EncoderConfig;
  FidInceptionV3: FidInceptionConfig;
  LatentDraft: LatentDraftConfig;
}

export type ComponentClass = keyof ComponentConfigs;

/** What is known of one class. */
export interface ComponentRow<C> {
  /** Throws CONFIG or MODEL_UNSUPPORTED, naming the field. */
  readonly parse: (json: unknown) => C;
  /** Builds the whole model once at a small size, so that every parameter is declared. */
  readonly declare: (scope: Scope, config: C) => void;
  /** The parameter a tensor of a file fills; undefined for stored values that are not used. */
  readonly weightName: (nameInFile: string) => string | undefined;
  /** Names files may store a shared parameter under, beside or instead of its own. */
  readonly tiedNames?: ReadonlyMap<string, string>;
}

const sameName = (name: string): string => name;
const ids = (): { ids: Tensor; eosPosition: Tensor } => ({
  ids: input('ids', [1, 1], 'i64'),
  eosPosition: input('eosPosition', [1], 'i64'),
});
const pixels = ({ channels, imageSize }: { channels: number; imageSize: number }): Tensor =>
  input('pixels', [1, channels, imageSize, imageSize]);
const feature = (name: string, ...shape: readonly number[]): Tensor => input(name, shape);

/** One row per class. */
export const components: { readonly [K in ComponentClass]: ComponentRow<ComponentConfigs[K]> } = {
  UNet2DConditionModel: {
    parse: parseUnet2dConditionConfig,
    declare: declareUnet,
    weightName: sameName,
  },
  SD3Transformer2DModel: {
    parse: parseSd3TransformerConfig,
    declare: (scope, config) => {
      sd3Transformer(scope, config, {
        sample: feature('sample', 1, config.inChannels, config.patchSize, config.patchSize),
        timesteps: feature('timesteps', 1),
        encoderHiddenStates: feature('text', 1, 1, config.jointAttentionDim),
        pooledProjections: feature('pooled', 1, config.pooledProjectionDim),
      });
    },
    weightName: sameName,
  },
  AutoencoderKL: {
    parse: parseAutoencoderKlConfig,
    declare: (scope, config) => {
      const side = 2 ** config.blockOutChannels.length;
      autoencoderKlEncode(scope, config, feature('pictures', 1, config.inChannels, side, side));
      autoencoderKlDecode(scope, config, feature('latents', 1, config.latentChannels, 1, 1));
    },
    weightName: autoencoderKlWeightName,
  },
  AutoencoderTiny: {
    parse: parseAutoencoderTinyConfig,
    declare: (scope, config) => {
      autoencoderTinyEncode(scope, config, feature('pictures', 1, config.inChannels, 8, 8));
      autoencoderTinyDecode(scope, config, feature('latents', 1, config.latentChannels, 1, 1));
    },
    weightName: sameName,
  },
  CLIPTextModel: {
    parse: parseClipTextConfig,
    declare: (scope, config) => void clipText(scope, config, ids()),
    weightName: (name) => clipWeightName(name, 'text_model'),
  },
  CLIPTextModelWithProjection: {
    parse: parseClipTextConfig,
    declare: (scope, config) => void clipTextWithProjection(scope, config, ids()),
    weightName: (name) => clipWeightName(name, 'text_model'),
  },
  CLIPVisionModelWithProjection: {
    parse: parseClipVisionConfig,
    declare: (scope, config) => void clipVisionWithProjection(scope, config, pixels(config)),
    weightName: (name) => clipWeightName(name, 'vision_model'),
  },
  CLIPModel: {
    parse: parseClipConfig,
    declare: (scope, config) =>
      void clip(scope, config, { ...ids(), pixels: pixels(config.vision) }),
    weightName: (name) => clipWeightName(name),
  },
  SiglipModel: {
    parse: parseSiglipConfig,
    declare: (scope, config) =>
      void siglip(scope, config, { ids: ids().ids, pixels: pixels(config.vision) }),
    weightName: siglipWeightName,
  },
  BlipForImageTextRetrieval: {
    parse: parseBlipConfig,
    declare: declareRetrieval,
    weightName: blipWeightName,
  },
  BlipForConditionalGeneration: {
    parse: parseBlipConfig,
    declare: (scope, config) =>
      void blipCaptioning(scope, config, { ids: ids().ids, pixels: pixels(config.vision) }),
    weightName: blipWeightName,
    tiedNames: blipTiedNames,
  },
  AestheticHead: {
    parse: parseAestheticHeadConfig,
    declare: (scope, config) =>
      void aestheticHead(scope, config, feature('embeds', 1, config.inputSize)),
    weightName: sameName,
  },
  T5EncoderModel: {
    parse: parseT5EncoderConfig,
    declare: (scope, config) => void t5Encoder(scope, config, input('ids', [1, 1], 'i64')),
    weightName: t5EncoderWeightName,
  },
  FidInceptionV3: {
    parse: parseFidInceptionConfig,
    declare: (scope, config) => void fidInception(scope, config, feature('pixels', 1, 3, 75, 75)),
    weightName: fidInceptionWeightName,
  },
  LatentDraft: {
    parse: parseLatentDraftConfig,
    declare: (scope, config) =>
      void latentDraft(scope, config, feature('embeds', 1, config.inputSize)),
    weightName: sameName,
  },
};

function declareRetrieval(scope: Scope, config: BlipConfig): void {
  const text = { ids: ids().ids, mask: feature('mask', 1, 1) };
  const states = blipImageStates(scope, config, pixels(config.vision));
  blipImageEmbeds(scope, config, states);
  blipTextEmbeds(scope, config, text);
  blipMatch(scope, config, text, states);
}

function declareUnet(scope: Scope, config: Unet2dConditionConfig): void {
  const { classEmbed, additionEmbed, timeCondProjDim } = config;
  const side = 2 ** config.blockOutChannels.length;
  const labelWidth = 'inputSize' in classEmbed ? classEmbed.inputSize : config.timeEmbeddingDim;
  const classLabels = {
    none: undefined,
    table: input('labels', [1], 'i64'),
    timestep: input('labels', [1]),
    identity: input('labels', [1, labelWidth]),
    projection: input('labels', [1, labelWidth]),
    simple_projection: input('labels', [1, labelWidth]),
  }[classEmbed.kind];
  unet2dCondition(scope, config, {
    sample: feature('sample', 1, config.inChannels, side, side),
    timesteps: feature('timesteps', 1),
    encoderHiddenStates: feature(
      'text',
      1,
      1,
      config.encoderHidDim ?? config.crossAttentionDim[0]!,
    ),
    classLabels,
    timestepCond: timeCondProjDim === undefined ? undefined : feature('cond', 1, timeCondProjDim),
    addedConditions:
      additionEmbed.kind === 'text_time'
        ? {
            textEmbeds: feature('textEmbeds', 1, additionEmbed.inputSize - additionEmbed.timeSize),
            timeIds: feature('timeIds', 1, 1),
          }
        : undefined,
  });
}

/** A component of a model folder, its configuration read. */
export type Component = {
  [K in ComponentClass]: { readonly className: K; readonly config: ComponentConfigs[K] };
}[ComponentClass];

/** Reads a component's config.json. An unknown class is MODEL_UNSUPPORTED; see `components`. */
export function parseComponent(className: string, json: unknown): Component {
  const known = componentClass(className);
  return { className: known, config: components[known].parse(json) } as Component;
}

/** Narrows a class name out of a file. Throws MODEL_UNSUPPORTED, naming the classes Maliang runs. */
export function componentClass(className: string): ComponentClass {
  if (Object.hasOwn(components, className)) return className as ComponentClass;
  throw complain('MODEL_UNSUPPORTED', {
    where: 'model',
    expected: `a class of ${Object.keys(components).join(', ')}`,
    got: JSON.stringify(className.slice(0, 80)),
    next: 'Maliang does not run this architecture.',
  });
}

/** Everything a component stores, in the order of first use. */
export interface ComponentParameters {
  readonly weights: ReadonlyMap<string, Tensor>;
  /** Stored values that are not trained. */
  readonly buffers: ReadonlyMap<string, Tensor>;
}

/** Names and shapes of everything the component stores. */
export function componentParameters({ className, config }: Component): ComponentParameters {
  const weights = new Map<string, Tensor>();
  const buffers = new Map<string, Tensor>();
  const row = components[className] as ComponentRow<unknown>;
  row.declare(new Scope('', declareOnce(weights, buffers)), config);
  return { weights, buffers };
}
