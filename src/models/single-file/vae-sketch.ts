/** @file What is known of an AutoencoderKL inside a file before its parameters are looked for. */
import type { ConfigJson } from '../config-reader.js';
import { below, type ComponentSketch } from './component.js';
import type { StoredShapes } from './origin.js';
import { type CheckpointFacts, type CheckpointOverrides, lacking } from './plan.js';
import { inferVae, vaeOrigin } from './vae-layout.js';

/** The autoencoder of keys (without prefix) in either naming. */
export function vaeSketch(
  stored: StoredShapes,
  prefix: string,
  config: ConfigJson,
): ComponentSketch {
  const blocks = (config.block_out_channels as readonly number[]).length;
  return {
    name: 'vae',
    className: 'AutoencoderKL',
    prefix,
    config,
    origin: (parameter) => vaeOrigin(parameter, blocks, stored),
    unused: [
      { pattern: /^loss\./, reason: 'the losses the autoencoder was trained with' },
      { pattern: /^model_ema\./, reason: 'a moving average of the autoencoder' },
    ],
  };
}

/** The autoencoder of a checkpoint; none when another one is used and the file has none. */
export function vaeSketches(
  { tensors, path }: CheckpointFacts,
  { withoutVae }: CheckpointOverrides,
  scaling: ConfigJson,
): ComponentSketch[] {
  const prefix = ['first_stage_model.', 'vae.'].find((known) => below(tensors, known).size > 0);
  if (prefix === undefined && withoutVae) return [];
  if (prefix === undefined) throw lacking(path, 'a VAE (first_stage_model)');
  const stored = below(tensors, prefix);
  const config = inferVae(stored);
  if (!config) throw lacking(path, `an AutoencoderKL below ${prefix}`);
  return [vaeSketch(stored, prefix, { ...config, ...scaling })];
}
