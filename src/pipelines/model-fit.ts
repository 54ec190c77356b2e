/** @file Whether the parts of a model fit each other: channels, widths and what the denoiser wants to be told. */
import { complain } from '../core/errors.js';
import type { ModelPart } from './model-part.js';
import type { TextToImageModel } from './text-to-image-model.js';

type UnetConfig = ModelPart<'UNet2DConditionModel'>['config'];
type Sd3Config = ModelPart<'SD3Transformer2DModel'>['config'];

type Draft = ModelPart<'LatentDraft'>;

type Want = (what: string, expected: unknown, got: unknown) => void;

/** Throws MODEL_UNSUPPORTED, naming the two values that differ. */
export function checkFit(model: TextToImageModel): void {
  const { path, denoiser, vae, draft } = model;
  const want: Want = (what, expected, got) => {
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
  const { inChannels } = denoiser.config;
  const isInpainting = inChannels === inpaintingChannels(latentChannels);
  const seen = latentChannels + (draft ? latentChannels : 0);
  if (!isInpainting || draft) want(`${denoiser.name} in_channels`, seen, inChannels);
  if (draft) checkDraft(model, draft, want);
  if (denoiser.className === 'SD3Transformer2DModel') checkSd3(model, denoiser.config, want);
  else checkUnet(model, denoiser.config, want);
}

function checkDraft({ towers, vae }: TextToImageModel, { config }: Draft, want: Want): void {
  want('draft out_channels', vae.config.latentChannels, config.outChannels);
  want('draft input_size', towers.at(-1)!.part.config.projectionDim, config.inputSize);
}

function checkSd3(model: TextToImageModel, config: Sd3Config, want: Want): void {
  const { towers, t5, vae, sampler } = model;
  want('transformer out_channels', vae.config.latentChannels, config.outChannels);
  const pooled = towers.reduce((sum, { part }) => sum + part.config.projectionDim, 0);
  want('transformer pooled_projection_dim', pooled, config.pooledProjectionDim);
  if (t5)
    want('transformer joint_attention_dim', t5.part.config.hiddenSize, config.jointAttentionDim);
  const width = towers.reduce((sum, { part }) => sum + part.config.hiddenSize, 0);
  const room = Math.min(width, config.jointAttentionDim);
  want('transformer joint_attention_dim of at least', width, room);
  want('a scheduler of', 'flow_prediction', sampler.predictionType);
}

function checkUnet(model: TextToImageModel, config: UnetConfig, want: Want): void {
  const { towers, family, sampler } = model;
  const { predictionType } = sampler;
  if (predictionType === 'flow_prediction') want('a scheduler of', 'diffusion', predictionType);
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
