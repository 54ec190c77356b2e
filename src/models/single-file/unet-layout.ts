/** @file The UNet in the original names (CompVis latent-diffusion, Stability generative-models): its configuration and its keys. */
import type { ConfigJson } from '../config-reader.js';
import type { StoredShapes } from './origin.js';

/** Layers per down block, finest first, and which up blocks, coarsest first, have attention. */
export interface UnetLayout {
  readonly layers: readonly number[];
  readonly upAttention: readonly boolean[];
}

/** What a block's layers look like. */
interface Block {
  readonly channels: number;
  /** Transformer depth of every layer, 0 where a layer has none. */
  readonly depths: readonly number[];
}

export interface UnetFacts {
  readonly config: ConfigJson;
  readonly inChannels: number;
  readonly contextSize: number | undefined;
  /** Width of what `label_emb` takes, where the model has one. */
  readonly labelSize: number | undefined;
  readonly isLinear: boolean;
}

/** Reads the structure out of keys (without prefix) and shapes; undefined when there is no such UNet. */
export function inferUnet(stored: StoredShapes): UnetFacts | undefined {
  const shape = (key: string): readonly number[] | undefined => stored.get(key)?.shape;
  const first = shape('input_blocks.0.0.weight');
  const out = shape('out.2.weight');
  if (first === undefined || out === undefined) return undefined;
  const down = readDown(stored, first[0]!);
  const up = readUp(stored);
  const mid = depthAt(stored, 'middle_block.1');
  const contextKey = [...stored.keys()].find((key) => key.endsWith('.attn2.to_k.weight'));
  const contextSize = contextKey === undefined ? undefined : shape(contextKey)![1]!;
  const projection = [...stored.keys()].find((key) => key.endsWith('.1.proj_in.weight'));
  const isLinear = projection !== undefined && shape(projection)!.length === 2;
  const label = shape('label_emb.0.0.weight');
  const channels = down.map((block) => block.channels);
  const timeSize = shape('time_embed.0.weight')?.[0];
  const condition = shape(conditionKey(stored) ?? '')?.[1];
  const config: ConfigJson = {
    in_channels: first[1]!,
    out_channels: out[0]!,
    block_out_channels: channels,
    layers_per_block: collapsed(down.map((block) => block.depths.length)),
    down_block_types: down.map((block) => `${hasAttention(block) ? 'CrossAttn' : ''}DownBlock2D`),
    up_block_types: up.map((block) => `${hasAttention(block) ? 'CrossAttn' : ''}UpBlock2D`),
    ...depthFields(down, up, mid),
    ...(mid === 0 ? { mid_block_type: 'UNetMidBlock2D' } : {}),
    cross_attention_dim: contextSize ?? 1280,
    attention_head_dim: isLinear ? channels.map((width) => Math.max(1, width / 64)) : 8,
    use_linear_projection: isLinear,
    ...(timeSize === undefined || timeSize === 4 * channels[0]!
      ? {}
      : { time_embedding_dim: timeSize }),
    ...(condition === undefined ? {} : { time_cond_proj_dim: condition }),
    ...(isScaleShift(stored) ? { resnet_time_scale_shift: 'scale_shift' } : {}),
  };
  return { config, inChannels: first[1]!, contextSize, labelSize: label?.[1], isLinear };
}

const hasAttention = (block: Block): boolean => block.depths.some((depth) => depth > 0);

/** One number when all are equal. */
function collapsed<T>(values: readonly T[]): T | readonly T[] {
  return values.every((value) => value === values[0]) ? values[0]! : values;
}

/** Transformer blocks below `path`. */
function depthAt(stored: StoredShapes, path: string): number {
  let depth = 0;
  while (stored.has(`${path}.transformer_blocks.${depth}.norm1.weight`)) depth++;
  return depth;
}

function readDown(stored: StoredShapes, firstChannels: number): Block[] {
  const blocks: { channels: number; depths: number[] }[] = [];
  let block = { channels: firstChannels, depths: [] as number[] };
  for (let i = 1; ; i++) {
    const conv = stored.get(`input_blocks.${i}.0.in_layers.2.weight`);
    if (conv) {
      block.channels = conv.shape[0]!;
      block.depths.push(depthAt(stored, `input_blocks.${i}.1`));
    } else if (stored.has(`input_blocks.${i}.0.op.weight`)) {
      blocks.push(block);
      block = { channels: block.channels, depths: [] };
    } else break;
  }
  return [...blocks, block];
}

function readUp(stored: StoredShapes): Block[] {
  const blocks: Block[] = [];
  let depths: number[] = [];
  let channels = 0;
  for (let i = 0; ; i++) {
    const conv = stored.get(`output_blocks.${i}.0.in_layers.2.weight`);
    if (!conv) break;
    channels = conv.shape[0]!;
    depths.push(depthAt(stored, `output_blocks.${i}.1`));
    if (!upsamplesAfter(stored, i)) continue;
    blocks.push({ channels, depths });
    depths = [];
  }
  return depths.length > 0 ? [...blocks, { channels, depths }] : blocks;
}

function upsamplesAfter(stored: StoredShapes, i: number): boolean {
  return [1, 2].some((at) => stored.has(`output_blocks.${i}.${at}.conv.weight`));
}

/** `transformer_layers_per_block`: one number, one per block, or lists where layers differ. */
function depthFields(down: readonly Block[], up: readonly Block[], mid: number): ConfigJson {
  const last = down.length - 1;
  const even = (block: Block): boolean => block.depths.every((depth) => depth === block.depths[0]);
  const mirrored = down.every((block, i) => up[last - i]?.depths[0] === block.depths[0]);
  if (![...down, ...up].every(even) || !mirrored) {
    return {
      transformer_layers_per_block: down.map((block, i) =>
        i === last && !hasAttention(block) ? block.depths.map(() => mid) : block.depths,
      ),
      reverse_transformer_layers_per_block: up.map((block) => block.depths),
    };
  }
  const used = down.filter(hasAttention).map((block) => block.depths[0]!);
  if (mid > 0) used.push(mid);
  if (used.every((depth) => depth === used[0])) {
    return { transformer_layers_per_block: used[0] ?? 1 };
  }
  const rows = down.map((block, i) => block.depths[0] || (i === last ? mid : 1) || 1);
  return { transformer_layers_per_block: rows };
}

function isScaleShift(stored: StoredShapes): boolean {
  const time = stored.get('input_blocks.1.0.emb_layers.1.weight')?.shape[0];
  const conv = stored.get('input_blocks.1.0.in_layers.2.weight')?.shape[0];
  return time !== undefined && conv !== undefined && time === 2 * conv;
}

/** LCM's guidance embedding; converters leave diffusers' name for it. */
function conditionKey(stored: StoredShapes): string | undefined {
  const names = ['time_embedding.cond_proj.weight', 'time_embed.cond_proj.weight'];
  return names.find((name) => stored.has(name));
}

const edges: Readonly<Record<string, string>> = {
  'time_embedding.linear_1': 'time_embed.0',
  'time_embedding.linear_2': 'time_embed.2',
  'add_embedding.linear_1': 'label_emb.0.0',
  'add_embedding.linear_2': 'label_emb.0.2',
  'class_embedding.linear_1': 'label_emb.0.0',
  'class_embedding.linear_2': 'label_emb.0.2',
  conv_in: 'input_blocks.0.0',
  conv_norm_out: 'out.0',
  conv_out: 'out.2',
};

const resnetLayers: Readonly<Record<string, string>> = {
  norm1: 'in_layers.0',
  conv1: 'in_layers.2',
  time_emb_proj: 'emb_layers.1',
  norm2: 'out_layers.0',
  conv2: 'out_layers.3',
  conv_shortcut: 'skip_connection',
};

/** The original name of a layer of diffusers' UNet2DConditionModel: `conv_in` -> `input_blocks.0.0`. */
export function originalUnetLayer(layer: string, layout: UnetLayout): string {
  const edge = edges[layer];
  if (edge !== undefined) return edge;
  const [place, block, kind, at, ...rest] = layer.split('.') as [string, ...string[]];
  if (place === 'mid_block') {
    const [, list, number, ...inner] = layer.split('.');
    const target = list === 'attentions' ? 1 : Number(number) * 2;
    return inside(`middle_block.${target}`, list!, inner);
  }
  if (kind === undefined || at === undefined) return layer;
  const before = (counts: readonly number[]): number =>
    counts.slice(0, Number(block)).reduce((sum, count) => sum + count + 1, 0);
  if (place === 'down_blocks') {
    const start = 1 + before(layout.layers);
    if (kind === 'downsamplers')
      return `input_blocks.${start + layout.layers[Number(block)]!}.0.op`;
    return inside(`input_blocks.${start + Number(at)}.${slot(kind)}`, kind, rest);
  }
  if (place !== 'up_blocks') return layer;
  const counts = layout.layers.toReversed();
  const start = before(counts);
  if (kind === 'upsamplers') {
    const index = layout.upAttention[Number(block)] ? 2 : 1;
    return `output_blocks.${start + counts[Number(block)]!}.${index}.conv`;
  }
  return inside(`output_blocks.${start + Number(at)}.${slot(kind)}`, kind, rest);
}

const slot = (kind: string): number => (kind === 'attentions' ? 1 : 0);

/** Resnets have other names inside, transformers the same. */
function inside(path: string, kind: string, rest: readonly string[]): string {
  const tail = kind === 'resnets' ? rest.map((name) => resnetLayers[name] ?? name) : rest;
  return [path, ...tail].join('.');
}
