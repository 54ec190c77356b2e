/** @file AutoencoderKL in the original names (CompVis latent-diffusion): its configuration and its keys. */
import type { ConfigJson } from '../config-reader.js';
import { type Origin, type StoredShapes, whole } from './origin.js';

/** Reads the structure out of keys (without prefix) and shapes; undefined when there is no such autoencoder. */
export function inferVae(stored: StoredShapes): ConfigJson | undefined {
  const shape = (key: string): readonly number[] | undefined => stored.get(key)?.shape;
  const isDiffusers = stored.has('encoder.down_blocks.0.resnets.0.conv1.weight');
  const first = shape('encoder.conv_in.weight');
  const code = shape('encoder.conv_out.weight');
  const out = shape('decoder.conv_out.weight');
  if (first === undefined || code === undefined || out === undefined) return undefined;
  const convOf = (block: number, layer: number): string =>
    isDiffusers
      ? `encoder.down_blocks.${block}.resnets.${layer}.conv1.weight`
      : `encoder.down.${block}.block.${layer}.conv1.weight`;
  const channels: number[] = [];
  while (stored.has(convOf(channels.length, 0))) {
    channels.push(shape(convOf(channels.length, 0))![0]!);
  }
  let layers = 0;
  while (stored.has(convOf(0, layers))) layers++;
  if (channels.length === 0) return undefined;
  const attention = isDiffusers ? 'mid_block.attentions.0.group_norm' : 'mid.attn_1.norm';
  return {
    in_channels: first[1]!,
    out_channels: out[0]!,
    latent_channels: code[0]! / 2,
    block_out_channels: channels,
    down_block_types: channels.map(() => 'DownEncoderBlock2D'),
    up_block_types: channels.map(() => 'UpDecoderBlock2D'),
    layers_per_block: layers,
    use_quant_conv: stored.has('quant_conv.weight'),
    use_post_quant_conv: stored.has('post_quant_conv.weight'),
    mid_block_add_attention: stored.has(`encoder.${attention}.weight`),
  };
}

const attentionLayers: Readonly<Record<string, readonly string[]>> = {
  group_norm: ['norm', 'group_norm'],
  to_q: ['q', 'to_q', 'query'],
  to_k: ['k', 'to_k', 'key'],
  to_v: ['v', 'to_v', 'value'],
  'to_out.0': ['proj_out', 'to_out.0', 'proj_attn'],
};

/** Where a parameter of diffusers' AutoencoderKL lies, in a file with either naming. */
export function vaeOrigin(parameter: string, blocks: number, stored: StoredShapes): Origin {
  const dot = parameter.lastIndexOf('.');
  const kind = parameter.slice(dot + 1);
  const found = candidates(parameter.slice(0, dot), blocks).find((layer) =>
    stored.has(`${layer}.${kind}`),
  );
  return whole(`${found ?? candidates(parameter.slice(0, dot), blocks)[0]}.${kind}`);
}

/** Names a layer has been given, the original first. */
function candidates(layer: string, blocks: number): string[] {
  const attention = /^(.*mid_block\.attentions\.0)\.(.*)$/.exec(layer);
  if (attention) {
    const [, path, name] = attention as unknown as [string, string, string];
    const original = path.replace('mid_block.attentions.0', 'mid.attn_1');
    const names = attentionLayers[name] ?? [name];
    return [original, path].flatMap((place) => names.map((known) => `${place}.${known}`));
  }
  return [originalLayer(layer, blocks), layer];
}

function originalLayer(layer: string, blocks: number): string {
  return layer
    .replace('conv_norm_out', 'norm_out')
    .replace('conv_shortcut', 'nin_shortcut')
    .replace(/mid_block\.resnets\.(\d+)/, (_, i) => `mid.block_${Number(i) + 1}`)
    .replace(/down_blocks\.(\d+)\.resnets/, 'down.$1.block')
    .replace(/down_blocks\.(\d+)\.downsamplers\.0/, 'down.$1.downsample')
    .replace(/up_blocks\.(\d+)\.resnets/, (_, i) => `up.${blocks - 1 - Number(i)}.block`)
    .replace(/up_blocks\.(\d+)\.upsamplers\.0/, (_, i) => `up.${blocks - 1 - Number(i)}.upsample`);
}
