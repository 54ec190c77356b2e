/** @file Checkpoints around SD 3's transformer. */
import type { ConfigJson } from '../config-reader.js';
import type { ComponentSketch } from './component.js';
import {
  type CheckpointFacts,
  type CheckpointOverrides,
  type Plan,
  tokenizers,
  unetPrefix,
} from './plan.js';
import { clipSketch } from './plan-text.js';
import { publishedSchedules } from './schedules.js';
import { sd3Origin } from './sd3-layout.js';
import { vaeSketches } from './vae-sketch.js';

export function planSd3(
  facts: CheckpointFacts,
  overrides: CheckpointOverrides,
  config: ConfigJson,
): Plan {
  const { tensors, path } = facts;
  const encoders = 'text_encoders.';
  const small = `${encoders}clip_l.transformer.`;
  const large = `${encoders}clip_g.transformer.`;
  const small1 = { name: 'text_encoder', prefix: small, activation: 'quick_gelu' };
  const large1 = { name: 'text_encoder_2', prefix: large, activation: 'gelu' };
  return {
    family: 'sd3',
    className: 'StableDiffusion3Pipeline',
    options: {},
    sketches: [
      identityProjection(clipSketch(path, tensors, small1)),
      projected(clipSketch(path, tensors, large1)),
      sd3Sketch(config),
      ...vaeSketches(facts, overrides, { scaling_factor: 1.5305, shift_factor: 0.0609 }),
    ],
    tokenizers: tokenizers(['tokenizer', '<|endoftext|>'], ['tokenizer_2', '!']),
    scheduler: publishedSchedules.sd3,
  };
}

/** SD 3's small tower is projected by nothing: diffusers puts ones on the diagonal, whatever the file has. */
function identityProjection(sketch: ComponentSketch): ComponentSketch {
  return {
    ...sketch,
    className: 'CLIPTextModelWithProjection',
    config: { ...sketch.config, projection_dim: sketch.config.hidden_size },
    origin: (parameter, component) =>
      parameter === 'text_projection.weight'
        ? { kind: 'identity' }
        : sketch.origin(parameter, component),
  };
}

function projected(sketch: ComponentSketch): ComponentSketch {
  return { ...sketch, className: 'CLIPTextModelWithProjection' };
}

function sd3Sketch(config: ConfigJson): ComponentSketch {
  return {
    name: 'transformer',
    className: 'SD3Transformer2DModel',
    prefix: unetPrefix,
    config,
    origin: (parameter) => sd3Origin(parameter, config.num_layers as number),
  };
}
