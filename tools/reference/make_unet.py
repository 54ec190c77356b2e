"""Cases of UNet2DConditionModel: the published families at tiny sizes, then single settings."""

import torch
from diffusers import UNet2DConditionModel

from cases import diffusers_config, randn, write_case

SD1 = dict(block_out_channels=[8, 16], layers_per_block=2, cross_attention_dim=12, norm_num_groups=4,
           attention_head_dim=2, down_block_types=["CrossAttnDownBlock2D", "DownBlock2D"],
           up_block_types=["UpBlock2D", "CrossAttnUpBlock2D"])
THREE = dict(SD1, block_out_channels=[8, 8, 16], layers_per_block=1,
             down_block_types=["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
             up_block_types=["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"])
SDXL = dict(block_out_channels=[8, 16, 24], layers_per_block=1, cross_attention_dim=20, norm_num_groups=4,
            down_block_types=["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
            up_block_types=["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
            transformer_layers_per_block=[1, 1, 3], attention_head_dim=[2, 4, 3], use_linear_projection=True,
            addition_embed_type="text_time", addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=6 * 8 + 10)
ALL_CROSS = dict(down_block_types=["CrossAttnDownBlock2D"] * 2, up_block_types=["CrossAttnUpBlock2D"] * 2)

# name, config, sample (batch, height, width), tokens, inputs beside sample, timestep and text
CASES = [
    ("unet-sd1", dict(THREE, block_out_channels=[8, 16, 16]), (2, 12, 20), 7, {}),
    ("unet-sd1-odd-size", THREE, (1, 11, 13), 7, {}),
    ("unet-sd2", dict(SD1, use_linear_projection=True, attention_head_dim=[1, 4], cross_attention_dim=10), (2, 8, 8), 77, {}),
    ("unet-inpaint", dict(SD1, in_channels=9), (1, 12, 20), 9, {}),
    ("unet-sdxl", SDXL, (2, 8, 12), 7, {"text_embeds": (2, 10), "time_ids": [[64, 96, 0, 0, 64, 96], [512, 512, 8, 16, 1024, 1024]]}),
    ("unet-sdxl-odd-size", dict(SDXL, transformer_layers_per_block=[0, 2, 1], layers_per_block=2), (1, 10, 14), 5,
     {"text_embeds": (1, 10), "time_ids": [[80, 112, 0, 0, 80, 112]]}),
    ("unet-sdxl-refiner", dict(SDXL, block_out_channels=[8, 16, 16, 16], attention_head_dim=[2, 4, 4, 4],
                               down_block_types=["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
                               up_block_types=["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
                               transformer_layers_per_block=2, projection_class_embeddings_input_dim=5 * 8 + 10),
     (1, 8, 16), 6, {"text_embeds": (1, 10), "time_ids": [[64, 128, 0, 0, 6.0]]}),
    ("unet-lcm", dict(SD1, time_cond_proj_dim=14), (2, 8, 8), 7, {"timestep_cond": (2, 14)}),
    ("unet-unclip", dict(SD1, class_embed_type="projection", projection_class_embeddings_input_dim=9), (2, 8, 8), 4, {"class_labels": (2, 9)}),
    ("unet-class-simple-projection", dict(SD1, class_embed_type="simple_projection", projection_class_embeddings_input_dim=9),
     (2, 8, 8), 4, {"class_labels": (2, 9)}),
    ("unet-class-timestep", dict(SD1, class_embed_type="timestep"), (2, 8, 8), 4, {"class_labels": [3.0, 250.0]}),
    ("unet-class-identity", dict(SD1, class_embed_type="identity"), (2, 8, 8), 4, {"class_labels": (2, 32)}),
    ("unet-class-concat", dict(SD1, class_embed_type="projection", projection_class_embeddings_input_dim=9, class_embeddings_concat=True),
     (2, 8, 8), 4, {"class_labels": (2, 9)}),
    ("unet-num-classes", dict(SD1, num_class_embeds=11, only_cross_attention=[True, False]), (2, 8, 8), 4, {"class_labels": [0, 10]}),
    ("unet-upscaler", dict(SD1, in_channels=7, num_class_embeds=20, only_cross_attention=True, use_linear_projection=True),
     (1, 8, 12), 4, {"class_labels": [19]}),
    ("unet-scale-shift", dict(SD1, resnet_time_scale_shift="scale_shift"), (1, 12, 20), 7, {}),
    ("unet-builtin", dict(block_out_channels=[16, 24, 32], layers_per_block=[1, 1, 2], cross_attention_dim=20, norm_num_groups=8,
                          down_block_types=["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
                          up_block_types=["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
                          attention_head_dim=[2, 3, 4], transformer_layers_per_block=[1, 1, 2], use_linear_projection=True,
                          addition_embed_type="text_time", addition_time_embed_dim=8,
                          projection_class_embeddings_input_dim=6 * 8 + 10, resnet_time_scale_shift="scale_shift"),
     (2, 8, 8), 9, {"text_embeds": (2, 10), "time_ids": [[64, 64, 0, 0, 64, 64]] * 2}),
    ("unet-mid-plain", dict(SD1, mid_block_type="UNetMidBlock2D"), (1, 8, 8), 7, {}),
    ("unet-mid-none", dict(SD1, mid_block_type=None), (1, 8, 8), 7, {}),
    ("unet-time-settings", dict(SD1, flip_sin_to_cos=False, freq_shift=1, center_input_sample=True, time_embedding_dim=28,
                                timestep_post_act="silu", time_embedding_act_fn="gelu"), (2, 8, 8), 7, {}),
    ("unet-resnet-settings", dict(SD1, resnet_skip_time_act=True, resnet_out_scale_factor=1.4, act_fn="gelu", norm_eps=1e-4,
                                  mid_block_scale_factor=1.3, downsample_padding=0), (1, 8, 8), 7, {}),
    ("unet-kernels", dict(SD1, conv_in_kernel=1, conv_out_kernel=5, layers_per_block=[1, 3], **ALL_CROSS,
                          cross_attention_dim=[12, 12], norm_num_groups=2, out_channels=8), (1, 8, 8), 7, {}),
    ("unet-upcast-attention", dict(SD1, upcast_attention=True, dual_cross_attention=False, encoder_hid_dim=18,
                                   encoder_hid_dim_type="text_proj"), (1, 8, 8), 7, {}),
    ("unet-addition-text", dict(SD1, addition_embed_type="text", addition_embed_type_num_heads=2, encoder_hid_dim=12,
                                encoder_hid_dim_type="text_proj"), (2, 8, 8), 5, {}),
    ("unet-one-stage", dict(SD1, block_out_channels=[8], down_block_types=["CrossAttnDownBlock2D"],
                            up_block_types=["CrossAttnUpBlock2D"], layers_per_block=1), (3, 5, 7), 3, {}),
]


def tensor_of(name, key, spec):
    """A tuple is a shape of normals; a list is the values."""
    return randn(f"{name}/{key}", *spec) if isinstance(spec, tuple) else torch.tensor(spec)


def outputs(model, inputs):
    added = {key: inputs[key] for key in ("text_embeds", "time_ids") if key in inputs}
    rest = {key: inputs[key] for key in ("class_labels", "timestep_cond") if key in inputs}
    sample = model(inputs["sample"], inputs["timestep"], inputs["encoder_hidden_states"],
                   added_cond_kwargs=added or None, **rest).sample
    return {"sample": sample}


def make():
    for name, settings, (batch, height, width), tokens, extra in CASES:
        model = UNet2DConditionModel(**settings)
        config = model.config
        width_of_text = config.encoder_hid_dim or config.cross_attention_dim
        width_of_text = width_of_text[0] if isinstance(width_of_text, (list, tuple)) else width_of_text
        inputs = {
            "sample": randn(f"{name}/sample", batch, config.in_channels, height, width),
            "timestep": torch.tensor([981.0, 1.0, 333.5][:batch]),
            "encoder_hidden_states": randn(f"{name}/text", batch, tokens, width_of_text),
            **{key: tensor_of(name, key, spec) for key, spec in extra.items()},
        }
        write_case(name, model, diffusers_config(name, model, settings), inputs, outputs)


if __name__ == "__main__":
    make()
