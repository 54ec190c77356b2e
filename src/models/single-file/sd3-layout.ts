/** @file SD3Transformer2DModel in the original names (Stability's mmdit): its configuration and its keys. */
import type { ConfigJson } from '../config-reader.js';
import { type Origin, type StoredShapes, swappedHalves, third, whole } from './origin.js';

/** Reads the structure out of keys (without prefix) and shapes; undefined when there is no such transformer. */
export function inferSd3(stored: StoredShapes): ConfigJson | undefined {
  const shape = (key: string): readonly number[] | undefined => stored.get(key)?.shape;
  const patches = shape('x_embedder.proj.weight');
  const context = shape('context_embedder.weight');
  const pooled = shape('y_embedder.mlp.0.weight');
  const table = shape('pos_embed');
  const final = shape('final_layer.linear.weight');
  if (!patches || !context || !pooled || !table || !final) return undefined;
  const [inner, inChannels, patchSize] = patches as [number, number, number];
  let layers = 0;
  while (stored.has(`joint_blocks.${layers}.x_block.attn.qkv.weight`)) layers++;
  const dual = Array.from({ length: layers }, (_, i) => i).filter((i) =>
    stored.has(`joint_blocks.${i}.x_block.attn2.qkv.weight`),
  );
  const norm = shape('joint_blocks.0.x_block.attn.ln_q.weight');
  const headSize = norm?.[0] ?? 64;
  return {
    sample_size: 128,
    patch_size: patchSize,
    in_channels: inChannels,
    out_channels: final[0]! / patchSize ** 2,
    num_layers: layers,
    attention_head_dim: headSize,
    num_attention_heads: inner / headSize,
    joint_attention_dim: context[1]!,
    caption_projection_dim: inner,
    pooled_projection_dim: pooled[1]!,
    pos_embed_max_size: Math.sqrt(table[1]!),
    dual_attention_layers: dual,
    qk_norm: norm === undefined ? null : 'rms_norm',
  };
}

const edges: Readonly<Record<string, string>> = {
  'pos_embed.pos_embed': 'pos_embed',
  'pos_embed.proj': 'x_embedder.proj',
  'time_text_embed.timestep_embedder.linear_1': 't_embedder.mlp.0',
  'time_text_embed.timestep_embedder.linear_2': 't_embedder.mlp.2',
  'time_text_embed.text_embedder.linear_1': 'y_embedder.mlp.0',
  'time_text_embed.text_embedder.linear_2': 'y_embedder.mlp.2',
  proj_out: 'final_layer.linear',
  'norm_out.linear': 'final_layer.adaLN_modulation.1',
};

const blockLayers: Readonly<Record<string, string>> = {
  'attn.norm_q': 'x_block.attn.ln_q',
  'attn.norm_k': 'x_block.attn.ln_k',
  'attn.norm_added_q': 'context_block.attn.ln_q',
  'attn.norm_added_k': 'context_block.attn.ln_k',
  'attn.to_out.0': 'x_block.attn.proj',
  'attn.to_add_out': 'context_block.attn.proj',
  'attn2.norm_q': 'x_block.attn2.ln_q',
  'attn2.norm_k': 'x_block.attn2.ln_k',
  'attn2.to_out.0': 'x_block.attn2.proj',
  'norm1.linear': 'x_block.adaLN_modulation.1',
  'norm1_context.linear': 'context_block.adaLN_modulation.1',
  'ff.net.0.proj': 'x_block.mlp.fc1',
  'ff.net.2': 'x_block.mlp.fc2',
  'ff_context.net.0.proj': 'context_block.mlp.fc1',
  'ff_context.net.2': 'context_block.mlp.fc2',
};

/** Query, key and value projections, fused in the file. */
const fusedLayers: Readonly<Record<string, readonly [string, number]>> = {
  'attn.to_q': ['x_block.attn.qkv', 0],
  'attn.to_k': ['x_block.attn.qkv', 1],
  'attn.to_v': ['x_block.attn.qkv', 2],
  'attn.add_q_proj': ['context_block.attn.qkv', 0],
  'attn.add_k_proj': ['context_block.attn.qkv', 1],
  'attn.add_v_proj': ['context_block.attn.qkv', 2],
  'attn2.to_q': ['x_block.attn2.qkv', 0],
  'attn2.to_k': ['x_block.attn2.qkv', 1],
  'attn2.to_v': ['x_block.attn2.qkv', 2],
};

/** Where a parameter of a transformer with `layers` blocks lies; the file has shift before scale. */
export function sd3Origin(parameter: string, layers: number): Origin {
  if (edges[parameter] !== undefined) return whole(edges[parameter]);
  const dot = parameter.lastIndexOf('.');
  const [layer, kind] = [parameter.slice(0, dot), parameter.slice(dot + 1)];
  if (layer === 'norm_out.linear') return swappedHalves(`${edges[layer]}.${kind}`);
  if (edges[layer] !== undefined) return whole(`${edges[layer]}.${kind}`);
  const inBlock = /^transformer_blocks\.(\d+)\.(.*)$/.exec(layer);
  if (!inBlock) return whole(parameter);
  const [, index, name] = inBlock as unknown as [string, string, string];
  const block = `joint_blocks.${index}`;
  const fused = fusedLayers[name];
  if (fused) return third(`${block}.${fused[0]}.${kind}`, fused[1]);
  const key = `${block}.${blockLayers[name] ?? name}.${kind}`;
  // The last block has only a shift and a scale for the text, in the other order.
  const isSwapped = name === 'norm1_context.linear' && Number(index) === layers - 1;
  return isSwapped ? swappedHalves(key) : whole(key);
}
