/** @file CLIP text towers inside checkpoints: transformers' names behind a prefix, or OpenCLIP's with fused projections. */
import type { ConfigJson } from '../config-reader.js';
import { type Origin, type StoredShapes, third, whole } from './origin.js';

/** Reads a tower in transformers' names (keys without prefix); undefined when there is none. */
export function inferClipText(stored: StoredShapes, activation: string): ConfigJson | undefined {
  const root = clipRoot(stored);
  const layers = countFrom0((i) =>
    stored.has(`${root}encoder.layers.${i}.self_attn.q_proj.weight`),
  );
  return towerConfig(stored, {
    words: `${root}embeddings.token_embedding.weight`,
    positions: `${root}embeddings.position_embedding.weight`,
    wide: `${root}encoder.layers.0.mlp.fc1.weight`,
    projection: stored.get('text_projection.weight')?.shape[0],
    layers,
    activation,
  });
}

/** Some tools saved the tower without its outer name. */
function clipRoot(stored: StoredShapes): string {
  return stored.has('embeddings.token_embedding.weight') ? '' : 'text_model.';
}

/** Where a parameter lies in a tower with transformers' names. */
export function clipTextOrigin(parameter: string, stored: StoredShapes): Origin {
  return whole(parameter.replace(/^text_model\./, clipRoot(stored)));
}

export interface OpenClipFacts {
  readonly config: ConfigJson;
  /** Layers in the file, of which `config` may use fewer. */
  readonly storedLayers: number;
}

/** Layers of OpenCLIP ViT-H/14 that SD 2 reads; the 24th is stored and has no effect. */
const usedByStableDiffusion2 = 23;

/**
 * Reads a tower in OpenCLIP's names (keys without prefix). SD 2 reads the states before the last
 * layer of ViT-H; diffusers leaves that layer out, whatever the size.
 */
export function inferOpenClipText(
  stored: StoredShapes,
  { leavesOutLast }: { readonly leavesOutLast: boolean },
): OpenClipFacts | undefined {
  const storedLayers = countFrom0((i) =>
    stored.has(`transformer.resblocks.${i}.attn.in_proj_weight`),
  );
  const layers = leavesOutLast ? Math.min(storedLayers, usedByStableDiffusion2) : storedLayers;
  const config = towerConfig(stored, {
    words: 'token_embedding.weight',
    positions: 'positional_embedding',
    wide: 'transformer.resblocks.0.mlp.c_fc.weight',
    projection: leavesOutLast ? undefined : stored.get('text_projection')?.shape[1],
    layers,
    activation: 'gelu',
  });
  return config && { config, storedLayers };
}

interface TowerKeys {
  readonly words: string;
  readonly positions: string;
  readonly wide: string;
  readonly projection: number | undefined;
  readonly layers: number;
  readonly activation: string;
}

/** All published towers have 64 values per head. */
function towerConfig(stored: StoredShapes, keys: TowerKeys): ConfigJson | undefined {
  const [vocab, width] = stored.get(keys.words)?.shape ?? [];
  const positions = stored.get(keys.positions)?.shape[0];
  const wide = stored.get(keys.wide)?.shape[0];
  if (vocab === undefined || width === undefined || positions === undefined) return undefined;
  if (wide === undefined || keys.layers === 0) return undefined;
  return {
    vocab_size: vocab,
    hidden_size: width,
    max_position_embeddings: positions,
    intermediate_size: wide,
    num_hidden_layers: keys.layers,
    num_attention_heads: Math.max(1, width / 64),
    hidden_act: keys.activation,
    projection_dim: keys.projection ?? (keys.activation === 'quick_gelu' ? width : 512),
    eos_token_id: 2,
  };
}

const openClipLayers: readonly (readonly [RegExp, string])[] = [
  [/^text_model\.embeddings\.token_embedding\.weight$/, 'token_embedding.weight'],
  [/^text_model\.embeddings\.position_embedding\.weight$/, 'positional_embedding'],
  [/^text_model\.final_layer_norm\./, 'ln_final.'],
  [/^text_model\.encoder\.layers\./, 'transformer.resblocks.'],
  [/\.layer_norm1\./, '.ln_1.'],
  [/\.layer_norm2\./, '.ln_2.'],
  [/\.mlp\.fc1\./, '.mlp.c_fc.'],
  [/\.mlp\.fc2\./, '.mlp.c_proj.'],
  [/\.self_attn\.out_proj\./, '.attn.out_proj.'],
];

/** Where a parameter lies in a tower with OpenCLIP's names. */
export function openClipOrigin(parameter: string): Origin {
  if (parameter === 'text_projection.weight') return { kind: 'transposed', key: 'text_projection' };
  const fused = /^text_model\.encoder\.layers\.(\d+)\.self_attn\.([qkv])_proj\.(weight|bias)$/.exec(
    parameter,
  );
  if (fused) {
    const [, layer, part, kind] = fused as unknown as [string, string, string, string];
    return third(`transformer.resblocks.${layer}.attn.in_proj_${kind}`, 'qkv'.indexOf(part));
  }
  return whole(
    openClipLayers.reduce((name, [pattern, by]) => name.replace(pattern, by), parameter),
  );
}

/** How many numbers from 0 in a row `has` finds. */
function countFrom0(has: (i: number) => boolean): number {
  let i = 0;
  while (has(i)) i++;
  return i;
}
