/** @file Whether the parts of a model fit each other: channels, widths and what the denoiser wants to be told. */
import { complain } from '../core/errors.js';
import type { TextToImageModel } from './text-to-image-model.js';

/** Throws MODEL_UNSUPPORTED, naming the two values that differ. */
export function checkFit(model: TextToImageModel): void {
  const { path, towers, denoiser, vae, family } = model;
  const { config } = denoiser;
  const want = (what: string, expected: unknown, got: unknown): void => {
    if (expected === got) return;
    throw complain('MODEL_UNSUPPORTED', {
      where: path,
      expected: `${what} ${expected}`,
      got: `${got}`,
      next: 'Maliang does not draw from words with such a model.',
    });
  };
  const { latentChannels } = vae.config;
  want('vae in_channels', 3, vae.config.inChannels);
  want('vae out_channels', 3, vae.config.outChannels);
  const isInpainting = config.inChannels === inpaintingChannels(latentChannels);
  if (!isInpainting) want('unet in_channels', latentChannels, config.inChannels);
  want('unet class_embed_type', 'none', config.classEmbed.kind);
  const width = towers.reduce((sum, { part }) => sum + part.config.hiddenSize, 0);
  const widths = new Set(config.crossAttentionDim);
  want('different unet cross_attention_dim', 1, widths.size);
  want('unet cross_attention_dim', width, config.encoderHidDim ?? config.crossAttentionDim[0]);
  const { additionEmbed } = config;
  if (additionEmbed.kind !== 'text_time') return;
  want('text states for addition_embed_type text_time', 'penultimate', family.textStates);
  const pooled = towers.at(-1)!.part.config.projectionDim;
  const size = pooled + timeIdCount(model) * additionEmbed.timeSize;
  want('unet projection_class_embeddings_input_dim', size, additionEmbed.inputSize);
}

/** Latents, a mask and the latents of the masked picture, side by side. */
export function inpaintingChannels(latentChannels: number): number {
  return 2 * latentChannels + 1;
}

/** Original size, crop corner, and target size or aesthetic score. */
function timeIdCount({ wantsAestheticScore }: TextToImageModel): number {
  return wantsAestheticScore ? 5 : 6;
}
