/** @file Messages of configurations that do not fit. */
import { expect, it } from 'vitest';
import { parseAutoencoderKlConfig } from './autoencoder-kl-config.js';
import { parseAutoencoderTinyConfig } from './autoencoder-tiny.js';
import { parseClipTextConfig, parseClipVisionConfig } from './clip-config.js';
import { componentClass } from './registry.js';
import { parseSd3TransformerConfig } from './sd3-transformer-config.js';
import { parseUnet2dConditionConfig, unet2dConditionPresets } from './unet-2d-condition-config.js';

const { tiny } = unet2dConditionPresets;

/** `CODE: message` of what a call throws. */
function messageOf(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    return `${(error as { code: string }).code}: ${(error as Error).message}`;
  }
  return 'nothing thrown';
}
const unet = (changes: object): string =>
  messageOf(() => parseUnet2dConditionConfig({ ...tiny, ...changes }));

it('ignores bookkeeping', () => {
  const written = { ...tiny, _class_name: 'UNet2DConditionModel', _diffusers_version: '0.30.0' };
  expect(parseUnet2dConditionConfig(written)).toEqual(parseUnet2dConditionConfig(tiny));
});

it('names unknown fields', () => {
  const message = messageOf(() => parseAutoencoderTinyConfig({ latent_chanels: 4 }));
  expect(message).toMatchInlineSnapshot(
    `"CONFIG: AutoencoderTiny: expected fields of act_fn, block_out_channels, decoder_block_out_channels, encoder_block_out_channels, force_upcast, in_channels, latent_channels, latent_magnitude, latent_shift, num_decoder_blocks, num_encoder_blocks, out_channels, scaling_factor, shift_factor, upsample_fn, upsampling_scaling_factor, got "latent_chanels". Check the spelling, or remove the field if it changes nothing."`,
  );
  expect(unet({ __proto__: null, constructor: 1 })).toMatch(/^CONFIG: .*"constructor"/);
});

it.each([null, [], 'text', 3])('refuses %j in place of an object', (json) => {
  expect(messageOf(() => parseSd3TransformerConfig(json))).toMatch(/^CONFIG: SD3.*a JSON object/);
});

it('says what it does not run', () => {
  expect(unet({ dual_cross_attention: true })).toMatchInlineSnapshot(
    `"MODEL_UNSUPPORTED: UNet2DConditionModel: expected dual_cross_attention false, got true. Maliang does not run models with this setting."`,
  );
  expect(unet({ down_block_types: ['DownBlock2D', 'AttnDownBlock2D'] })).toMatchInlineSnapshot(
    `"MODEL_UNSUPPORTED: UNet2DConditionModel: expected down_block_types[1] one of DownBlock2D, CrossAttnDownBlock2D, got "AttnDownBlock2D". Maliang does not run models with this setting."`,
  );
  expect(unet({ mid_block_type: 'UNetMidBlock2DSimpleCrossAttn' })).toMatchInlineSnapshot(
    `"MODEL_UNSUPPORTED: UNet2DConditionModel: expected mid_block_type one of UNetMidBlock2DCrossAttn, UNetMidBlock2D, got "UNetMidBlock2DSimpleCrossAttn". Maliang does not run models with this setting."`,
  );
  expect(messageOf(() => parseClipTextConfig({ hidden_act: 'swiglu' }))).toMatchInlineSnapshot(
    `"MODEL_UNSUPPORTED: CLIPTextModel: expected hidden_act one of quick_gelu, gelu, gelu_new, gelu_pytorch_tanh, relu, silu, swish, got "swiglu". Maliang does not run models with this setting."`,
  );
  expect(messageOf(() => componentClass('FluxTransformer2DModel'))).toMatchInlineSnapshot(
    `"MODEL_UNSUPPORTED: model: expected a class of UNet2DConditionModel, SD3Transformer2DModel, AutoencoderKL, AutoencoderTiny, CLIPTextModel, CLIPTextModelWithProjection, CLIPVisionModelWithProjection, CLIPModel, SiglipModel, BlipForImageTextRetrieval, BlipForConditionalGeneration, AestheticHead, T5EncoderModel, FidInceptionV3, LatentDraft, got "FluxTransformer2DModel". Maliang does not run this architecture."`,
  );
});

it('says which values a field takes', () => {
  expect(unet({ layers_per_block: 0 })).toMatchInlineSnapshot(
    `"CONFIG: UNet2DConditionModel: expected layers_per_block[0] a whole number from 1 to 1000000, got 0. Correct the field the message names."`,
  );
  expect(unet({ layers_per_block: [1] })).toMatchInlineSnapshot(
    `"CONFIG: UNet2DConditionModel: expected layers_per_block with 2 items, one per block, got [1]. Correct the field the message names."`,
  );
  expect(unet({ block_out_channels: [8, 18] })).toMatchInlineSnapshot(
    `"CONFIG: UNet2DConditionModel: expected block_out_channels divisible by norm_num_groups 4, got [8,18]. Correct the field the message names."`,
  );
  expect(unet({ attention_head_dim: [9, 2] })).toMatchInlineSnapshot(
    `"CONFIG: UNet2DConditionModel: expected at most one head per channel in attention_head_dim, got [9,2]. Correct the field the message names."`,
  );
  expect(unet({ norm_eps: 'small' })).toMatchInlineSnapshot(
    `"CONFIG: UNet2DConditionModel: expected norm_eps a number of at least 0, got "small". Correct the field the message names."`,
  );
  expect(unet({ flip_sin_to_cos: 1 })).toMatchInlineSnapshot(
    `"CONFIG: UNet2DConditionModel: expected flip_sin_to_cos true or false, got 1. Correct the field the message names."`,
  );
  expect(unet({ up_block_types: ['UpBlock2D'] })).toMatchInlineSnapshot(
    `"CONFIG: UNet2DConditionModel: expected as many up_block_types as down_block_types, 2, got 1. Correct the field the message names."`,
  );
  expect(unet({ conv_in_kernel: 4 })).toMatchInlineSnapshot(
    `"CONFIG: UNet2DConditionModel: expected conv_in_kernel one of 1, 3, 5, 7, got 4. Correct the field the message names."`,
  );
  expect(unet({ transformer_layers_per_block: [[1], [1]] })).toMatchInlineSnapshot(
    `"CONFIG: UNet2DConditionModel: expected reverse_transformer_layers_per_block beside nested lists, got nothing. Correct the field the message names."`,
  );
  expect(unet({ addition_embed_type: 'text_time' })).toMatchInlineSnapshot(
    `"CONFIG: UNet2DConditionModel: expected addition_time_embed_dim and projection_class_embeddings_input_dim beside text_time, got [null,null]. Correct the field the message names."`,
  );
  expect(unet({ class_embed_type: 'projection' })).toMatchInlineSnapshot(
    `"CONFIG: UNet2DConditionModel: expected projection_class_embeddings_input_dim beside class_embed_type projection, got null. Correct the field the message names."`,
  );
});

it('checks fields against each other', () => {
  const kl = { block_out_channels: [32, 64], down_block_types: ['DownEncoderBlock2D'] };
  expect(messageOf(() => parseAutoencoderKlConfig(kl))).toMatchInlineSnapshot(
    `"CONFIG: AutoencoderKL: expected equally many down_block_types, up_block_types, block_out_channels, got [1,1,2]. Correct the field the message names."`,
  );
  expect(messageOf(() => parseAutoencoderKlConfig({ latents_mean: [0] }))).toMatchInlineSnapshot(
    `"CONFIG: AutoencoderKL: expected latents_mean null or 4 numbers, one per latent channel, got [0]. Correct the field the message names."`,
  );
  const wide = { encoder_block_out_channels: [64, 64, 64, 128] };
  expect(messageOf(() => parseAutoencoderTinyConfig(wide))).toMatchInlineSnapshot(
    `"CONFIG: AutoencoderTiny: expected encoder_block_out_channels with equal widths, as the architecture requires, got [64,64,64,128]. Correct the field the message names."`,
  );
  const heads = { hidden_size: 30, num_attention_heads: 4 };
  expect(messageOf(() => parseClipTextConfig(heads))).toMatchInlineSnapshot(
    `"CONFIG: CLIPTextModel: expected hidden_size divisible by 4 heads, got 30. Correct the field the message names."`,
  );
  expect(messageOf(() => parseClipVisionConfig({ image_size: 16 }))).toMatchInlineSnapshot(
    `"CONFIG: CLIPVisionModelWithProjection: expected patch_size of at most image_size 16, got 32. Correct the field the message names."`,
  );
  const caption = { caption_projection_dim: 100 };
  expect(messageOf(() => parseSd3TransformerConfig(caption))).toMatchInlineSnapshot(
    `"CONFIG: SD3Transformer2DModel: expected caption_projection_dim equal to heads × head size, 1152, got 100. Correct the field the message names."`,
  );
});
