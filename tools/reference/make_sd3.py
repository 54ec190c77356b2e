"""Cases of SD3Transformer2DModel."""

import torch
from diffusers import SD3Transformer2DModel

from cases import diffusers_config, randn, write_case

BASE = dict(sample_size=16, patch_size=2, in_channels=4, out_channels=4, num_layers=2, attention_head_dim=8,
            num_attention_heads=2, joint_attention_dim=12, caption_projection_dim=16, pooled_projection_dim=10,
            pos_embed_max_size=12)

# name, config, sample (batch, height, width), tokens
CASES = [
    ("sd3", BASE, (2, 16, 16), 7),
    ("sd3-rms-norm", dict(BASE, qk_norm="rms_norm", in_channels=6, out_channels=6, num_layers=3), (1, 8, 12), 9),
    ("sd3-dual-attention", dict(BASE, qk_norm="rms_norm", num_layers=3, dual_attention_layers=[0, 1]), (1, 6, 20), 5),
    ("sd3-dual-last", dict(BASE, qk_norm="rms_norm", num_layers=2, dual_attention_layers=[1, 5], attention_head_dim=12,
                           caption_projection_dim=36, num_attention_heads=3, pos_embed_max_size=7), (1, 14, 2), 3),
    ("sd3-one-layer", dict(BASE, num_layers=1, in_channels=3, out_channels=None, pos_embed_max_size=11), (2, 22, 6), 1),
    ("sd3-patch-1", dict(BASE, patch_size=1, sample_size=6, pos_embed_max_size=9, out_channels=8), (1, 6, 7), 4),
]


def outputs(model, inputs):
    out = model(hidden_states=inputs["sample"], encoder_hidden_states=inputs["encoder_hidden_states"],
                pooled_projections=inputs["pooled_projections"], timestep=inputs["timestep"])
    return {"sample": out.sample}


def make():
    for name, settings, (batch, height, width), tokens in CASES:
        model = SD3Transformer2DModel(**settings)
        inputs = {
            "sample": randn(f"{name}/sample", batch, settings["in_channels"], height, width),
            "timestep": torch.tensor([912.25, 3.0][:batch]),
            "encoder_hidden_states": randn(f"{name}/text", batch, tokens, settings["joint_attention_dim"]),
            "pooled_projections": randn(f"{name}/pooled", batch, settings["pooled_projection_dim"]),
        }
        write_case(name, model, diffusers_config(name, model, settings), inputs, outputs)


if __name__ == "__main__":
    make()
