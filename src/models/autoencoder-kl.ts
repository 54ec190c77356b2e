/** @file AutoencoderKL: the variational autoencoder of Stable Diffusion (Rombach et al. 2022; diffusers). */
import * as g from '../graph/build.js';
import type { Tensor } from '../graph/tensor.js';
import { attention } from '../nn/attention.js';
import { conv2d, groupNorm } from '../nn/layers.js';
import { downsample, type ResnetBlockOptions, resnetBlock, upsample } from '../nn/resnet-block.js';
import type { Scope } from '../nn/scope.js';
import type { AutoencoderKlConfig } from './autoencoder-kl-config.js';

const eps = 1e-6;

/** The distribution of the latents of each picture. */
export interface LatentDistribution {
  /** [n, latentChannels, h, w]. */
  readonly mean: Tensor;
  /** Natural logarithm of the variance, kept within −30 and 20; the shape of `mean`. */
  readonly logVariance: Tensor;
}

/** Pictures [n, inChannels, h, w] in [−1, 1] -> latents, halved once per block but the last. */
export function autoencoderKlEncode(
  scope: Scope,
  config: AutoencoderKlConfig,
  pictures: Tensor,
): LatentDistribution {
  const { blockOutChannels: widths, latentChannels, layersPerBlock } = config;
  const encoder = scope.child('encoder');
  let h = conv2d(encoder.child('conv_in'), pictures, widths[0]!);
  widths.forEach((channels, i) => {
    const block = encoder.child('down_blocks').child(i);
    h = resnets(block, h, layersPerBlock, options(config, channels));
    if (i < widths.length - 1) h = downsample(block.child('downsamplers').child(0), h, 0);
  });
  h = midBlock(encoder.child('mid_block'), h, config);
  h = output(encoder, h, config, 2 * latentChannels);
  if (config.useQuantConv) {
    h = conv2d(scope.child('quant_conv'), h, 2 * latentChannels, { kernel: 1 });
  }
  const [mean, logVariance] = g.split(h, 2, 1) as [Tensor, Tensor];
  return { mean, logVariance: g.clip(logVariance, -30, 20) };
}

/** Latents [n, latentChannels, h, w], unscaled -> pictures around [−1, 1], not clamped. */
export function autoencoderKlDecode(
  scope: Scope,
  config: AutoencoderKlConfig,
  latents: Tensor,
): Tensor {
  const { latentChannels, layersPerBlock, outChannels } = config;
  const widths = [...config.blockOutChannels].reverse();
  const decoder = scope.child('decoder');
  const start = config.usePostQuantConv
    ? conv2d(scope.child('post_quant_conv'), latents, latentChannels, { kernel: 1 })
    : latents;
  let h = conv2d(decoder.child('conv_in'), start, widths[0]!);
  h = midBlock(decoder.child('mid_block'), h, config);
  widths.forEach((channels, i) => {
    const block = decoder.child('up_blocks').child(i);
    h = resnets(block, h, layersPerBlock + 1, options(config, channels));
    if (i < widths.length - 1) h = upsample(block.child('upsamplers').child(0), h);
  });
  return output(decoder, h, config, outChannels);
}

/** A sample mean + exp(logVariance / 2) · noise; noise [n, latentChannels, h, w] is standard normal. */
export function sampleLatents(distribution: LatentDistribution, noise: Tensor): Tensor {
  const { mean, logVariance } = distribution;
  return g.add(mean, g.mul(g.exp(g.mul(logVariance, 0.5)), noise));
}

function options(config: AutoencoderKlConfig, channels: number): ResnetBlockOptions {
  return { channels, normGroups: config.normGroups, eps, activation: config.activation };
}

function resnets(scope: Scope, x: Tensor, count: number, block: ResnetBlockOptions): Tensor {
  let h = x;
  for (let i = 0; i < count; i++) {
    h = resnetBlock(scope.child('resnets').child(i), h, undefined, block);
  }
  return h;
}

function midBlock(scope: Scope, x: Tensor, config: AutoencoderKlConfig): Tensor {
  const block = options(config, x.shape[1]!);
  const first = resnetBlock(scope.child('resnets').child(0), x, undefined, block);
  const mixed = config.midBlockAddAttention
    ? pixelAttention(scope.child('attentions').child(0), first, config.normGroups)
    : first;
  return resnetBlock(scope.child('resnets').child(1), mixed, undefined, block);
}

/** One head over all pixels, x [n, c, h, w], added to x. */
function pixelAttention(scope: Scope, x: Tensor, normGroups: number): Tensor {
  const [n, channels, height, width] = x.shape as [number, number, number, number];
  const normal = groupNorm(scope.child('group_norm'), x, normGroups, eps);
  const tokens = g.transpose(g.reshape(normal, [n, channels, height * width]), [0, 2, 1]);
  const shape = { heads: 1, headSize: channels, bias: true };
  const mixed = attention(scope, tokens, tokens, shape); // [n, h·w, c]
  return g.add(x, g.reshape(g.transpose(mixed, [0, 2, 1]), x.shape));
}

function output(scope: Scope, x: Tensor, config: AutoencoderKlConfig, channels: number): Tensor {
  const h = g.silu(groupNorm(scope.child('conv_norm_out'), x, config.normGroups, eps));
  return conv2d(scope.child('conv_out'), h, channels);
}

const oldAttentionNames: Readonly<Record<string, string>> = {
  query: 'to_q',
  key: 'to_k',
  value: 'to_v',
  proj_attn: 'to_out.0',
};

/** The present name of a tensor in a file: the first published files name the attention otherwise. */
export function autoencoderKlWeightName(nameInFile: string): string {
  return nameInFile.replace(
    /^((?:en|de)coder\.mid_block\.attentions\.0)\.(query|key|value|proj_attn)\./,
    (_, path: string, part: string) => `${path}.${oldAttentionNames[part]}.`,
  );
}
