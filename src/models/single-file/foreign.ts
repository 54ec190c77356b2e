/** @file Files Maliang does not run, by a tensor that only they have, so that the refusal can name them. */
import type { StoredShapes } from './origin.js';

/** Names of an architecture or kind of file, and a pattern one of its tensors matches. */
const signs: readonly (readonly [name: string, pattern: RegExp])[] = [
  [
    'a LoRA (give it as `loras` or --lora)',
    /^lora_(?:unet|te\d?)_|\.lora_[AB]\.|\.lora(?:_linear_layer)?\.(?:up|down)\./,
  ],
  [
    'a textual inversion (give it as `textualInversions` or --embedding)',
    /^(?:emb_params|clip_[lg])$/,
  ],
  ['FLUX.2', /^(?:model\.diffusion_model\.)?single_stream_modulation\.lin\.weight$/],
  ['FLUX.3', /^(?:model\.diffusion_model\.)?early_stream_modulations\.image\.lin\.weight$/],
  ['Chroma', /^(?:model\.diffusion_model\.)?distilled_guidance_layer\.in_proj\.bias$/],
  [
    'FLUX.1',
    /^(?:model\.diffusion_model\.)?double_blocks\.0\.img_attn\.norm\.key_norm\.(?:scale|weight)$/,
  ],
  [
    'HunyuanVideo',
    /^(?:model\.model\.|model\.diffusion_model\.)?txt_in\.individual_token_refiner\.blocks\.0\./,
  ],
  ['HunyuanDiT', /^(?:model\.diffusion_model\.)?(?:mlp_t5\.0\.weight|text_embedding_padding)$/],
  ['Stable Cascade (stage C)', /^(?:model\.diffusion_model\.)?clip_txt_mapper\.weight$/],
  [
    'Stable Cascade (stage B)',
    /^(?:model\.diffusion_model\.)?down_blocks\.1\.0\.channelwise\.0\.weight$/,
  ],
  ['AuraFlow', /^(?:model\.)?(?:diffusion_model\.)?double_layers\.0\.attn\.w1q\.weight$/],
  ['Lumina 2', /^(?:model\.diffusion_model\.)?cap_embedder\.0\.weight$/],
  ['Z-Image', /^(?:model\.diffusion_model\.)?layers\.0\.adaLN_modulation\.0\.weight$/],
  ['Sana', /^(?:model\.diffusion_model\.)?blocks\.0\.cross_attn\.kv_linear\.weight$/],
  ['Wan', /^(?:model\.diffusion_model\.)?head\.modulation$/],
  [
    'LTX-Video',
    /^(?:model\.diffusion_model\.)?(?:patchify_proj\.weight|transformer_blocks\.27\.scale_shift_table)$/,
  ],
  ['PixArt', /^(?:model\.diffusion_model\.)?(?:t_block\.1\.weight|adaln_single\.linear\.weight)$/],
  ['Mochi', /^(?:model\.diffusion_model\.)?blocks\.0\.attn\.qkv_x\.weight$/],
  ['Cosmos', /^net\.x_embedder\.proj\.1\.weight$/],
  ['HiDream', /^(?:model\.diffusion_model\.)?double_stream_blocks\.0\.block\./],
  ['Qwen-Image', /^(?:model\.diffusion_model\.)?(?:txt_in\.text_norm\.weight|txt_norm\.weight)$/],
  ['AnimateDiff motion modules', /motion_modules\.\d+\.temporal_transformer\./],
  [
    'a ControlNet alone',
    /^(?:control_model\.|controlnet_cond_embedding\.|input_hint_block\.|controlnet_down_blocks\.)/,
  ],
  ['a T2I adapter', /^(?:adapter\.)?body\.0\.(?:resnets|block1|in_conv)/],
  ['an IP-Adapter', /^(?:image_proj|ip_adapter)\./],
  ['an ESRGAN upscaler', /^(?:model\.0\.weight|conv_first\.weight)$/],
  [
    'a checkpoint with scaled float8 weights',
    /^(?:.*\.)?(?:scaled_fp8|scale_weight|weight_scale)$/,
  ],
  ['Playground 2.5', /^edm_mean$/],
];

/** Kinds of files that hold one component, tried when nothing else is recognised. */
const parts: readonly (readonly [name: string, pattern: RegExp])[] = [
  ['a UNet alone, in diffusers’ names', /^down_blocks\.0\.resnets\.0\.conv1\.weight$/],
  ['a UNet alone, in the original names', /^input_blocks\.0\.0\.weight$/],
  [
    'an SD 3 transformer alone',
    /^(?:joint_blocks\.0\.x_block|transformer_blocks\.0\.attn\.add_q_proj)\./,
  ],
  [
    'a VAE alone (give it as `vae` or --vae)',
    /^(?:encoder|decoder)\.(?:conv_in|layers\.0)\.|^(?:first_stage_model|vae)\./,
  ],
  [
    'a text encoder alone',
    /^(?:text_model\.|transformer\.resblocks\.|shared\.weight|encoder\.block\.0\.)/,
  ],
];

/** What the file is, when it is something Maliang knows but does not run as a model. */
export function foreignKind(stored: StoredShapes): string | undefined {
  return find(signs, stored);
}

/** Which component the file holds alone. */
export function loneComponent(stored: StoredShapes): string | undefined {
  return find(parts, stored);
}

function find(table: typeof signs, stored: StoredShapes): string | undefined {
  const keys = [...stored.keys()];
  return table.find(([, pattern]) => keys.some((key) => pattern.test(key)))?.[0];
}
