"""Maliang's own LatentDraft: a case of the class, and a whole picture by diffusers' SDXL pipeline whose UNet sees the draft.

The class below and the concatenation are written from the description in docs/decisions/0004; everything else of the
picture is diffusers'.
"""

import json
import shutil

import torch
from safetensors.torch import save_file
from torch import nn

from cases import published_shapes, randn, write_case
from make_pipelines import fill_pipeline, single_encoder_xl, trace, write_layout
from packing import FIXTURES, versions
from weights import fill


class LatentDraft(nn.Module):
    def __init__(self, input_size, hidden_size, block_out_channels, out_channels, sample_size):
        super().__init__()
        first, *finer = block_out_channels
        self.side = sample_size // 2 ** len(finer)
        self.norm = nn.LayerNorm(input_size)
        self.linear_1 = nn.Linear(input_size, hidden_size)
        self.linear_2 = nn.Linear(hidden_size, first * self.side**2)
        widths = list(zip(block_out_channels, finer))
        self.up_blocks = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in widths)
        self.conv = nn.Conv2d(block_out_channels[-1], block_out_channels[-1], 3, padding=1)
        self.conv_out = nn.Conv2d(block_out_channels[-1], out_channels, 3, padding=1)

    def forward(self, embeds):
        gelu = nn.functional.gelu
        flat = self.linear_2(gelu(self.linear_1(self.norm(embeds))))
        x = gelu(flat.view(len(embeds), -1, self.side, self.side))
        for block in self.up_blocks:
            x = gelu(block(nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")))
        return self.conv_out(gelu(self.conv(x)))


CASES = [
    ("latent-draft", dict(input_size=20, hidden_size=12, block_out_channels=[10, 8, 6], out_channels=4, sample_size=16)),
    ("latent-draft-one-level", dict(input_size=6, hidden_size=5, block_out_channels=[7], out_channels=3, sample_size=3)),
]


def drafted(settings):
    """The pipeline of the built-in model's shape, its UNet called with latents and draft side by side."""
    pipeline = single_encoder_xl(False, in_channels=8)
    shapes = fill_pipeline(pipeline)
    draft = LatentDraft(**settings).eval().requires_grad_(False)
    shapes["draft"] = published_shapes(draft, fill(draft, lambda name: name))
    unet = pipeline.unet
    unet_forward = unet.forward

    def forward(sample, timestep, added_cond_kwargs, **more):
        drawn = draft(added_cond_kwargs["text_embeds"])
        drawn = nn.functional.interpolate(drawn, size=sample.shape[2:], mode="bilinear")
        return unet_forward(torch.cat([sample, drawn], 1), timestep, added_cond_kwargs=added_cond_kwargs, **more)

    return pipeline, shapes, forward


def make():
    for name, settings in CASES:
        config = {"_class_name": "LatentDraft", **settings}
        embeds = randn(name, 3, settings["input_size"])
        write_case(name, LatentDraft(**settings), config, {"embeds": embeds}, lambda m, i: {"draft": m(i["embeds"])})
    settings = CASES[0][1]
    pipeline, shapes, forward = drafted(settings)
    write_model("xl-draft", pipeline, shapes, settings)
    pipeline.unet.register_to_config(in_channels=4)
    pipeline.unet.forward = forward
    pipeline.set_progress_bar_config(disable=True)
    write_picture("xl-draft", pipeline, 64)
    write_picture("xl-draft-resized", pipeline, 56, model="xl-draft")


def write_model(name, pipeline, shapes, settings):
    folder = FIXTURES / "pipelines" / name
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "draft").mkdir(parents=True)
    write_layout(pipeline, shapes, folder)
    (folder / "draft" / "config.json").write_text(json.dumps({"_class_name": "LatentDraft", **settings}, indent=2) + "\n")
    index = json.loads((folder / "model_index.json").read_text())
    index |= {"_class_name": "StableDiffusionXLDraftPipeline", "draft": ["maliang", "LatentDraft"]}
    (folder / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")


def write_picture(name, pipeline, width, **model):
    """`width` other than the draft's makes it resized; `model` names the case whose folder has the model."""
    folder = FIXTURES / "pipelines" / name
    folder.mkdir(exist_ok=True)
    call = dict(prompt=["a red apple, flat"], negative_prompt=["rain"], guidance_scale=3.0, num_inference_steps=4,
                height=64, width=width, seeds=[17])
    seen = trace(pipeline, call)
    tensors = {key: value.detach().clone().contiguous() for key, value in seen.items()}
    save_file(tensors, folder / "case.safetensors", metadata={"made_with": json.dumps(versions())})
    seeds = [str(seed) for seed in call["seeds"]]
    written = {"class": "StableDiffusionXLDraftPipeline", **model, **call, "seeds": seeds}
    (folder / "case.json").write_text(json.dumps(written, indent=2, ensure_ascii=False) + "\n")
    print(f"pipelines/{name}: std {seen['picture'].std():.3f}")


if __name__ == "__main__":
    make()
