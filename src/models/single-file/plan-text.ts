/** @file The CLIP towers of a UNet's checkpoint, and the family they show. */
import { below, type ComponentSketch } from './component.js';
import type { StoredShapes } from './origin.js';
import {
  type CheckpointFacts,
  type CheckpointTokenizer,
  type FamilyName,
  lacking,
  tokenizers,
} from './plan.js';
import { clipTextOrigin, inferClipText, inferOpenClipText, openClipOrigin } from './text-layout.js';
import type { UnetFacts } from './unet-layout.js';

/** Prefixes of the text towers, in diffusers' order. */
export interface TextPlan {
  readonly family: FamilyName;
  readonly sketches: readonly ComponentSketch[];
  readonly tokenizers: readonly CheckpointTokenizer[];
}

export function planText(facts: CheckpointFacts, { labelSize }: UnetFacts): TextPlan {
  const { tensors, path } = facts;
  const has = (prefix: string): boolean => below(tensors, prefix).size > 0;
  const hf = (prefix: string): ComponentSketch =>
    clipSketch(path, tensors, { name: 'text_encoder', prefix, activation: 'quick_gelu' });
  if (has('conditioner.embedders.1.model.')) {
    return {
      family: 'sdxl',
      sketches: [
        hf('conditioner.embedders.0.transformer.'),
        openClipSketch(path, tensors, 'text_encoder_2', 'conditioner.embedders.1.model.', true),
      ],
      tokenizers: tokenizers(['tokenizer', '<|endoftext|>'], ['tokenizer_2', '!']),
    };
  }
  const pooled = 'conditioner.embedders.0.model.';
  if (has(pooled) && labelSize !== undefined) {
    return {
      family: 'sdxl-refiner',
      sketches: [openClipSketch(path, tensors, 'text_encoder_2', pooled, true)],
      tokenizers: tokenizers(['tokenizer_2', '!']),
    };
  }
  const open = ['cond_stage_model.model.', pooled].find(has);
  if (open !== undefined) {
    return {
      family: 'sd2',
      sketches: [openClipSketch(path, tensors, 'text_encoder', open, false)],
      tokenizers: tokenizers(['tokenizer', '!']),
    };
  }
  const plain = ['cond_stage_model.transformer.', 'conditioner.embedders.0.transformer.'].find(has);
  if (plain !== undefined) {
    return {
      family: 'sd1',
      sketches: [hf(plain)],
      tokenizers: tokenizers(['tokenizer', '<|endoftext|>']),
    };
  }
  throw lacking(path, 'a text encoder (cond_stage_model or conditioner.embedders)');
}

const positionIds = { pattern: /position_ids$/, reason: 'numbers that are counted' };

export function clipSketch(
  path: string,
  tensors: StoredShapes,
  { name, prefix, activation }: { name: string; prefix: string; activation: string },
): ComponentSketch {
  const stored = below(tensors, prefix);
  const config = inferClipText(stored, activation);
  if (!config) throw lacking(path, `a CLIP text encoder below ${prefix}`);
  return {
    name,
    className: 'CLIPTextModel',
    prefix,
    config,
    origin: (parameter) => clipTextOrigin(parameter, stored),
    unused: [
      positionIds,
      { pattern: /^text_projection\./, reason: 'a projection this model does not use' },
      {
        pattern: /^(?:vision_model|visual_projection|logit_scale)/,
        reason: 'the vision side of CLIP',
      },
    ],
  };
}

function openClipSketch(
  path: string,
  tensors: StoredShapes,
  name: string,
  prefix: string,
  isPooled: boolean,
): ComponentSketch {
  const facts = inferOpenClipText(below(tensors, prefix), { leavesOutLast: !isPooled });
  if (!facts) throw lacking(path, `an OpenCLIP text encoder below ${prefix}`);
  const { config, storedLayers } = facts;
  const lastLayers = Array.from({ length: storedLayers }, (_, i) => i).slice(
    config.num_hidden_layers as number,
  );
  const last = new RegExp(`^transformer\\.resblocks\\.(?:${lastLayers.join('|') || '-'})\\.`);
  return {
    name,
    className: isPooled ? 'CLIPTextModelWithProjection' : 'CLIPTextModel',
    prefix,
    config,
    origin: openClipOrigin,
    unused: [
      { pattern: /^(?:logit_scale|attn_mask)$/, reason: 'values only training needs' },
      { pattern: last, reason: 'the last layer, which SD 2 leaves out' },
      ...(isPooled
        ? []
        : [{ pattern: /^text_projection/, reason: 'a projection this model does not use' }]),
      positionIds,
    ],
  };
}
