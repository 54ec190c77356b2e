"""Whole pictures: tiny pipelines of diffusers, from words to values in 0..1.

test/fixtures/pipelines/<name>/   the folder save_pretrained writes, without weights, and
    <component>/parameters.txt    as in the model cases; weights come from the weight function
    case.json                     the arguments of the call
    case.safetensors              what happened: ids, embeddings, latents of every step, picture
"""

import json
import shutil
import tempfile
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL, AutoencoderTiny, DDIMScheduler, DiffusionPipeline, StableDiffusionPipeline,
    StableDiffusionXLPipeline, UNet2DConditionModel,
)
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from cases import LIMIT, published_shapes
from make_clip import published_text_name
from packing import FIXTURES, versions
from tiny_tokenizer import tiny_tokenizer
from weights import fill

WORDS = 18  # length of a prompt in tokens, start and end included


def text_settings(tokenizer, **changes):
    return CLIPTextConfig(hidden_size=24, intermediate_size=48, num_hidden_layers=3, num_attention_heads=3,
                          vocab_size=len(tokenizer), max_position_embeddings=WORDS, projection_dim=20,
                          bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
                          pad_token_id=tokenizer.pad_token_id, **changes)


def single_encoder_xl(force_zeros):
    """The shape of the built-in model: SDXL conditioning from one text tower, a tiny autoencoder."""
    tokenizer = tiny_tokenizer(WORDS)
    unet = UNet2DConditionModel(
        sample_size=16, block_out_channels=[16, 24, 32], layers_per_block=1, cross_attention_dim=24, norm_num_groups=8,
        down_block_types=["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
        up_block_types=["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"], attention_head_dim=[2, 3, 4],
        transformer_layers_per_block=1, use_linear_projection=True, addition_embed_type="text_time",
        addition_time_embed_dim=8, projection_class_embeddings_input_dim=6 * 8 + 20)
    return StableDiffusionXLPipeline(
        vae=AutoencoderTiny(encoder_block_out_channels=[12] * 3, decoder_block_out_channels=[16] * 3,
                            num_encoder_blocks=[1, 2, 2], num_decoder_blocks=[2, 2, 1], scaling_factor=5.0),
        text_encoder=None, tokenizer=None,
        text_encoder_2=CLIPTextModelWithProjection(text_settings(tokenizer)), tokenizer_2=tokenizer, unet=unet,
        scheduler=DDIMScheduler(prediction_type="v_prediction", beta_schedule="squaredcos_cap_v2",
                                timestep_spacing="trailing", clip_sample=False),
        force_zeros_for_empty_prompt=force_zeros)


def stable_diffusion_1():
    tokenizer = tiny_tokenizer(WORDS)
    return StableDiffusionPipeline(
        vae=AutoencoderKL(block_out_channels=[8, 12, 16], down_block_types=["DownEncoderBlock2D"] * 3,
                          up_block_types=["UpDecoderBlock2D"] * 3, norm_num_groups=4, scaling_factor=0.18215),
        text_encoder=CLIPTextModel(text_settings(tokenizer)), tokenizer=tokenizer,
        unet=UNet2DConditionModel(sample_size=16, block_out_channels=[8, 16], cross_attention_dim=24, norm_num_groups=4,
                                  attention_head_dim=4, down_block_types=["CrossAttnDownBlock2D", "DownBlock2D"],
                                  up_block_types=["UpBlock2D", "CrossAttnUpBlock2D"]),
        scheduler=DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False,
                                set_alpha_to_one=False, steps_offset=1),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False)


# name, pipeline, arguments; "seeds" gives one generator per picture
CASES = [
    ("xl-single-encoder", lambda: single_encoder_xl(True),
     dict(prompt=["a red apple, flat"], guidance_scale=3.0, num_inference_steps=6, height=64, width=56, seeds=[42])),
    ("xl-single-encoder-batch", lambda: single_encoder_xl(False),
     dict(prompt=["two green frogs, cartoon", "一个红苹果"], guidance_scale=4.5, guidance_rescale=0.7, eta=0.5,
          num_inference_steps=5, height=32, width=40, seeds=[2**53 + 1, 2**53 + 2])),
    ("xl-single-encoder-negative", lambda: single_encoder_xl(True),
     dict(prompt=["a glossy 3D rocket on a blue background with two small cats and one big dog by the sea"],
          negative_prompt=["rain, night"], guidance_scale=3.0, num_inference_steps=3, height=48, width=48, seeds=[7],
          original_size=[64, 64], crops_coords_top_left=[8, 0], target_size=[48, 48])),
    ("xl-single-encoder-no-guidance", lambda: single_encoder_xl(True),
     dict(prompt=["a simple yellow star"], guidance_scale=1.0, num_inference_steps=2, height=32, width=32, seeds=[0])),
    ("sd1", stable_diffusion_1,
     dict(prompt=["the house by the sea at night"], guidance_scale=7.5, num_inference_steps=5, height=48, width=64, seeds=[3])),
    ("sd1-clip-skip", stable_diffusion_1,
     dict(prompt=["it's a bird's nest"], negative_prompt=["flat"], clip_skip=1, guidance_scale=5.0, guidance_rescale=0.3,
          num_inference_steps=4, height=32, width=48, seeds=[11])),
]


def allow_clip_skip(pipeline):
    """diffusers 0.42 looks for `text_encoder.text_model`, which transformers 5 no longer has."""
    encoder = pipeline.components.get("text_encoder")
    if encoder is not None and not hasattr(encoder, "text_model"):
        object.__setattr__(encoder, "text_model", encoder)


def fill_pipeline(pipeline):
    shapes = {}
    for key, module in pipeline.components.items():
        if isinstance(module, torch.nn.Module):
            rename = published_text_name if isinstance(module, CLIPTextModel) else lambda n: n
            module.eval().requires_grad_(False)
            shapes[key] = published_shapes(module, fill(module, rename))
    return shapes


@torch.no_grad()
def trace(pipeline, arguments):
    """Runs the call and keeps what passes by."""
    allow_clip_skip(pipeline)
    seen, latents, embeddings = {}, [], {}
    arguments = dict(arguments)
    generators = [torch.Generator().manual_seed(seed) for seed in arguments.pop("seeds")]
    for key in ("original_size", "crops_coords_top_left", "target_size"):
        if key in arguments:
            arguments[key] = tuple(arguments[key])

    def before_unet(_, args, kwargs):
        if not latents and not embeddings:
            embeddings["prompt_embeds"] = kwargs["encoder_hidden_states"]
            added = kwargs.get("added_cond_kwargs") or {}
            embeddings.update({k: v for k, v in added.items() if torch.is_tensor(v)})
            rows = len(arguments["prompt"])
            seen["latents.start"] = args[0][:rows]

    hook = pipeline.unet.register_forward_pre_hook(before_unet, with_kwargs=True)
    outputs = []
    keep_output = pipeline.unet.register_forward_hook(lambda _, args, out: outputs.append(out[0]))

    def after_step(_, index, timestep, values):
        latents.append(values["latents"])
        return values

    picture = pipeline(**arguments, generator=generators, output_type="pt", callback_on_step_end=after_step,
                       callback_on_step_end_tensor_inputs=["latents"]).images
    hook.remove()
    keep_output.remove()
    tokenizer = pipeline.components.get("tokenizer_2") or pipeline.tokenizer
    ids = tokenizer(arguments["prompt"], padding="max_length", max_length=WORDS, truncation=True, return_tensors="pt").input_ids
    seen |= {"input_ids": ids, **embeddings, "timesteps": pipeline.scheduler.timesteps, "model_output.0": outputs[0]}
    seen |= {f"latents.{i}": value for i, value in enumerate(latents)}
    return seen | {"picture": picture}


def same_after_loading(pipeline, arguments, picture):
    """diffusers itself must draw the same from the folder it saves, up to the alignment of its buffers."""
    with tempfile.TemporaryDirectory() as folder:
        pipeline.save_pretrained(folder)
        loaded = DiffusionPipeline.from_pretrained(folder)
        loaded.set_progress_bar_config(disable=True)
        torch.testing.assert_close(trace(loaded, arguments)["picture"], picture, rtol=0, atol=5e-5)


def write_layout(pipeline, shapes, folder):
    """The saved folder without its weights; vocab.json and merges.txt as published folders have them."""
    with tempfile.TemporaryDirectory() as saved:
        pipeline.save_pretrained(saved)
        for file in Path(saved).rglob("*.json"):
            target = folder / file.relative_to(saved)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)
    for key, named in shapes.items():
        lines = [f"{name} {','.join(map(str, shape))}" for name, shape in sorted(named.items())]
        (folder / key / "parameters.txt").write_text("\n".join(lines) + "\n")
    for file in folder.rglob("tokenizer.json"):
        model = json.loads(file.read_text())["model"]
        merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"]]
        (file.parent / "vocab.json").write_text(json.dumps(model["vocab"], ensure_ascii=False) + "\n")
        (file.parent / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n")


def make():
    for name, build, arguments in CASES:
        folder = FIXTURES / "pipelines" / name
        shutil.rmtree(folder, ignore_errors=True)
        pipeline = build()
        pipeline.set_progress_bar_config(disable=True)
        shapes = fill_pipeline(pipeline)
        seen = trace(pipeline, arguments)
        same_after_loading(pipeline, arguments, seen["picture"])
        write_layout(pipeline, shapes, folder)
        seeds = [str(seed) for seed in arguments["seeds"]]
        call = {"class": type(pipeline).__name__, **arguments, "seeds": seeds}
        (folder / "case.json").write_text(json.dumps(call, indent=2, ensure_ascii=False) + "\n")
        tensors = {key: value.detach().clone().contiguous() for key, value in seen.items()}
        save_file(tensors, folder / "case.safetensors", metadata={"made_with": json.dumps(versions())})
        picture = seen["picture"]
        saturated = ((picture == 0) | (picture == 1)).float().mean().item()
        size = (folder / "case.safetensors").stat().st_size
        assert size < LIMIT and torch.isfinite(picture).all() and picture.std() > 0.02, name
        last = seen[f"latents.{arguments['num_inference_steps'] - 1}"].std()
        print(f"pipelines/{name}: {size} bytes, std {picture.std():.3f}, saturated {saturated:.2f}, latents {last:.2f}")


if __name__ == "__main__":
    make()
