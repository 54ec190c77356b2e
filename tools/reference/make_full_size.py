"""Components of published sizes with the weights of the weight function, and what diffusers makes of them; `npm run parity:full-size` compares.

    python tools/reference/make_full_size.py FOLDER [component ...]

FOLDER/<component>/config.json                          with _class_name
FOLDER/<component>/diffusion_pytorch_model.safetensors  f32; 0.3 to 10 GB
FOLDER/<component>/case.safetensors                     input.* and output.*; metadata: made_with, seconds
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel

from cases import randn
from make_clip import published_text_name
from packing import versions
from weights import reference_weight

SD1_UNET = dict(sample_size=64, cross_attention_dim=768, attention_head_dim=8)
SDXL_UNET = dict(
    sample_size=128, block_out_channels=[320, 640, 1280], cross_attention_dim=2048, attention_head_dim=[5, 10, 20],
    down_block_types=["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    up_block_types=["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"], transformer_layers_per_block=[1, 2, 10],
    use_linear_projection=True, addition_embed_type="text_time", addition_time_embed_dim=256,
    projection_class_embeddings_input_dim=2816)
VAE = dict(
    block_out_channels=[128, 256, 512, 512], layers_per_block=2, latent_channels=4, sample_size=512,
    down_block_types=["DownEncoderBlock2D"] * 4, up_block_types=["UpDecoderBlock2D"] * 4)
CLIP_L = dict(
    hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12, max_position_embeddings=77,
    vocab_size=49408, hidden_act="quick_gelu", projection_dim=768, eos_token_id=49407, bos_token_id=49406)


def unet(name, settings, latents, states, added=None):
    inputs = dict(sample=randn(f"{name}/sample", 2, 4, latents, latents), timestep=torch.tensor([801.0, 41.0]),
                  encoder_hidden_states=randn(f"{name}/states", 2, 77, states), **(added or {}))

    def outputs(model):
        conditions = {key: inputs[key] for key in added} if added else None
        call = model(inputs["sample"], inputs["timestep"], inputs["encoder_hidden_states"], added_cond_kwargs=conditions)
        return {"sample": call.sample}

    return lambda: UNet2DConditionModel(**settings), {**settings, "_class_name": "UNet2DConditionModel"}, inputs, outputs


def vae():
    inputs = dict(picture=randn("vae/picture", 1, 3, 512, 512), latents=randn("vae/latents", 1, 4, 64, 64))

    def outputs(model):
        coded = model.encode(inputs["picture"]).latent_dist
        return {"mean": coded.mean, "logvar": coded.logvar, "picture": model.decode(inputs["latents"]).sample}

    return lambda: AutoencoderKL(**VAE), {**VAE, "_class_name": "AutoencoderKL"}, inputs, outputs


def clip_l():
    ids = torch.full((2, 77), 49407)
    ids[:, 0] = 49406
    ids[0, 1:9] = torch.tensor([320, 736, 3055, 267, 1140, 2368, 539, 1125])
    ids[1, 1:76] = torch.arange(75) * 601 % 49000

    def outputs(model):
        result = model(ids, output_hidden_states=True)
        return {"last_hidden_state": result.last_hidden_state, "penultimate_hidden_state": result.hidden_states[-2],
                "pooler_output": result.pooler_output}

    return lambda: CLIPTextModel(CLIPTextConfig(**CLIP_L)), {**CLIP_L, "_class_name": "CLIPTextModel"}, dict(input_ids=ids), outputs


COMPONENTS = {
    "clip-l": clip_l,
    "sd-vae": vae,
    "sd1-unet": lambda: unet("sd1-unet", SD1_UNET, 64, 768),
    "sdxl-unet": lambda: unet("sdxl-unet", SDXL_UNET, 128, 2048, dict(
        text_embeds=randn("sdxl-unet/text_embeds", 2, 1280),
        time_ids=torch.tensor([[1024.0, 1024, 0, 0, 1024, 1024], [768.0, 1280, 64, 32, 1024, 1024]]))),
}


def write_weights(path, shapes):
    """Tensor after tensor, so that no second copy of them is ever held."""
    header, offset = {}, 0
    for name, shape in shapes.items():
        end = offset + 4 * int(np.prod(shape, dtype=np.int64))
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name, shape in shapes.items():
            file.write(reference_weight(name, shape).tobytes())


@torch.no_grad()
def make(folder, names):
    for name in names or COMPONENTS:
        build, config, inputs, outputs = COMPONENTS[name]()
        target = Path(folder) / name
        target.mkdir(parents=True, exist_ok=True)
        model = build().eval() if name == "clip-l" else build_empty(build)
        published = {key: published_text_name(key) if name == "clip-l" else key for key, _ in model.named_parameters()}
        weights = target / "diffusion_pytorch_model.safetensors"
        write_weights(weights, {published[key]: tuple(value.shape) for key, value in model.named_parameters()})
        stored = load_file(weights)
        model.load_state_dict({key: stored[published[key]] for key in published}, assign=True, strict=False)
        started = time.perf_counter()
        results = outputs(model)
        seconds = time.perf_counter() - started
        (target / "config.json").write_text(json.dumps(config, indent=2) + "\n")
        tensors = {f"input.{key}": value for key, value in inputs.items()}
        tensors |= {f"output.{key}": value for key, value in results.items()}
        metadata = {"made_with": json.dumps(versions()), "seconds": f"{seconds:.1f}"}
        save_file({key: value.contiguous() for key, value in tensors.items()}, target / "case.safetensors", metadata=metadata)
        spread = {key: f"{value.std():.3f}" for key, value in results.items()}
        print(f"{name}: {seconds:.1f} s, std {spread}", flush=True)


def build_empty(build):
    """Without memory for weights that are to be replaced."""
    with torch.device("meta"):
        return build().eval()


if __name__ == "__main__":
    make(sys.argv[1], sys.argv[2:])
