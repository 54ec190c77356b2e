/** @file How the inputs of a model case become a graph: one function per component class. */
import { type TensorData, toFloat32 } from '../../src/core/tensor-data.js';
import { matmul, transpose } from '../../src/graph/build.js';
import type { GraphDtype } from '../../src/graph/ops.js';
import { type Graph, input, type Tensor } from '../../src/graph/tensor.js';
import { aestheticHead } from '../../src/models/aesthetic-head.js';
import { autoencoderKlDecode, autoencoderKlEncode } from '../../src/models/autoencoder-kl.js';
import { autoencoderTinyDecode, autoencoderTinyEncode } from '../../src/models/autoencoder-tiny.js';
import { blipCaptioning } from '../../src/models/blip-captioning.js';
import {
  blipImageEmbeds,
  blipImageStates,
  blipMatch,
  blipTextEmbeds,
} from '../../src/models/blip-retrieval.js';
import { clip } from '../../src/models/clip.js';
import type { ClipTextConfig } from '../../src/models/clip-config.js';
import {
  type ClipTextInputs,
  clipText,
  clipTextWithProjection,
  eosPositions,
} from '../../src/models/clip-text.js';
import { clipVisionWithProjection } from '../../src/models/clip-vision.js';
import { fidInception } from '../../src/models/inception-v3.js';
import { latentDraft } from '../../src/models/latent-draft.js';
import type { Component } from '../../src/models/registry.js';
import { sd3Transformer } from '../../src/models/sd3-transformer.js';
import { siglip } from '../../src/models/siglip.js';
import { t5Encoder } from '../../src/models/t5-encoder.js';
import { unet2dCondition } from '../../src/models/unet-2d-condition.js';
import type { Scope } from '../../src/nn/scope.js';

export interface CaseGraph {
  /** Named as in the case file. */
  readonly outputs: Graph;
  /** Values of the graph's inputs. */
  readonly feeds: ReadonlyMap<string, TensorData>;
}

type Given = ReadonlyMap<string, TensorData>;

/** Makes inputs for the tensors of a case; integers where the graph wants real numbers become f32. */
class Feeder {
  readonly feeds = new Map<string, TensorData>();
  readonly #given: Given;

  constructor(given: Given) {
    this.#given = given;
  }

  want(name: string, dtype: GraphDtype = 'f32'): Tensor {
    const value = this.#given.get(name);
    if (!value) throw new Error(`the case has no input.${name}`);
    const isNumber = value.dtype === 'i64' && dtype === 'f32';
    this.feeds.set(`input.${name}`, isNumber ? { ...value, dtype, data: toFloat32(value) } : value);
    return input(`input.${name}`, value.shape, dtype);
  }

  maybe(name: string, dtype: GraphDtype = 'f32'): Tensor | undefined {
    return this.#given.has(name) ? this.want(name, dtype) : undefined;
  }

  tokens(config: ClipTextConfig): ClipTextInputs {
    const ids = this.want('input_ids', 'i64');
    const [n, length] = ids.shape as [number, number];
    const flat = Array.from(this.#given.get('input_ids')!.data as BigInt64Array, Number);
    const rows = Array.from({ length: n }, (_, i) => flat.slice(i * length, (i + 1) * length));
    const data = BigInt64Array.from(eosPositions(rows, config), BigInt);
    this.feeds.set('eosPosition', { dtype: 'i64', shape: [n], data });
    return { ids, eosPosition: input('eosPosition', [n], 'i64') };
  }
}

/** The graph of a case. */
export function caseGraphs(scope: Scope, component: Component, given: Given): CaseGraph {
  const feeder = new Feeder(given);
  const outputs = new Map(Object.entries(outputsOf(scope, component, feeder)));
  return { outputs, feeds: feeder.feeds };
}

function outputsOf(scope: Scope, component: Component, feeder: Feeder): Record<string, Tensor> {
  const { className, config } = component;
  switch (className) {
    case 'UNet2DConditionModel': {
      const textEmbeds = feeder.maybe('text_embeds');
      const sample = unet2dCondition(scope, config, {
        sample: feeder.want('sample'),
        timesteps: feeder.want('timestep'),
        encoderHiddenStates: feeder.want('encoder_hidden_states'),
        classLabels: feeder.maybe(
          'class_labels',
          config.classEmbed.kind === 'table' ? 'i64' : 'f32',
        ),
        timestepCond: feeder.maybe('timestep_cond'),
        addedConditions: textEmbeds && { textEmbeds, timeIds: feeder.want('time_ids') },
      });
      return { sample };
    }
    case 'SD3Transformer2DModel':
      return {
        sample: sd3Transformer(scope, config, {
          sample: feeder.want('sample'),
          timesteps: feeder.want('timestep'),
          encoderHiddenStates: feeder.want('encoder_hidden_states'),
          pooledProjections: feeder.want('pooled_projections'),
        }),
      };
    case 'AutoencoderKL': {
      const { mean, logVariance } = autoencoderKlEncode(scope, config, feeder.want('picture'));
      const picture = autoencoderKlDecode(scope, config, feeder.want('latents'));
      return { mean, logvar: logVariance, picture };
    }
    case 'AutoencoderTiny':
      return {
        latents: autoencoderTinyEncode(scope, config, feeder.want('picture')),
        picture: autoencoderTinyDecode(scope, config, feeder.want('latents')),
      };
    case 'CLIPTextModel': {
      const out = clipText(scope, config, feeder.tokens(config));
      return { ...states(out), pooler_output: out.pooled };
    }
    case 'CLIPTextModelWithProjection': {
      const out = clipTextWithProjection(scope, config, feeder.tokens(config));
      return { ...states(out), text_embeds: out.textEmbeds };
    }
    case 'CLIPVisionModelWithProjection': {
      const out = clipVisionWithProjection(scope, config, feeder.want('pixel_values'));
      return { ...states(out), image_embeds: out.imageEmbeds };
    }
    case 'CLIPModel': {
      const pixels = feeder.want('pixel_values');
      const out = clip(scope, config, { ...feeder.tokens(config.text), pixels });
      return {
        logits_per_image: transpose(out.logitsPerText, [1, 0]),
        text_embeds: out.textEmbeds,
        image_embeds: out.imageEmbeds,
      };
    }
    case 'FidInceptionV3': {
      const out = fidInception(scope, config, feeder.want('pixels'));
      return { pool: out.pool, logits_unbiased: out.logitsUnbiased, logits: out.logits };
    }
    case 'SiglipModel': {
      const pixels = feeder.want('pixel_values');
      const out = siglip(scope, config, { ids: feeder.want('input_ids', 'i64'), pixels });
      return {
        logits_per_image: transpose(out.logitsPerText, [1, 0]),
        text_embeds: out.textEmbeds,
        image_embeds: out.imageEmbeds,
      };
    }
    case 'BlipForImageTextRetrieval': {
      const text = { ids: feeder.want('input_ids', 'i64'), mask: feeder.want('attention_mask') };
      const states = blipImageStates(scope, config, feeder.want('pixel_values'));
      const images = blipImageEmbeds(scope, config, states);
      const texts = blipTextEmbeds(scope, config, text);
      return {
        last_hidden_state: states,
        itc: matmul(images, transpose(texts, [1, 0])),
        itm: blipMatch(scope, config, text, states),
      };
    }
    case 'BlipForConditionalGeneration': {
      const pixels = feeder.want('pixel_values');
      return {
        logits: blipCaptioning(scope, config, { ids: feeder.want('input_ids', 'i64'), pixels }),
      };
    }
    case 'LatentDraft':
      return { draft: latentDraft(scope, config, feeder.want('embeds')) };
    case 'AestheticHead':
      return { scores: aestheticHead(scope, config, feeder.want('embeds')) };
    case 'T5EncoderModel':
      return { last_hidden_state: t5Encoder(scope, config, feeder.want('input_ids', 'i64')) };
  }
}

function states(out: { lastHiddenState: Tensor; hiddenStates: readonly Tensor[] }) {
  return {
    last_hidden_state: out.lastHiddenState,
    penultimate_hidden_state: out.hiddenStates.at(-2)!,
  };
}
