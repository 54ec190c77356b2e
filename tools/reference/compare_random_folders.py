"""Folders of random small configurations, saved by diffusers and drawn by diffusers and by the command line.

    python tools/reference/compare_random_folders.py FOLDER FIRST LAST     # cases FIRST .. LAST-1, a second each

FOLDER/<case>/model   what save_pretrained wrote
FOLDER/<case>/{init,mask,diffusers,maliang}.png

Every case hangs on its number alone. A line a case; exit code 1 when one is beyond the line (a value off by more
than 1, or more than 0.1 % of them off). Where diffusers fails or draws NaN, the line says so.
"""

import json
import random
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import diffusers
import numpy as np
import torch
import transformers
from diffusers import (
    AutoencoderKL, AutoencoderTiny, SD3Transformer2DModel, StableDiffusion3Img2ImgPipeline, StableDiffusion3InpaintPipeline,
    StableDiffusion3Pipeline, StableDiffusionImg2ImgPipeline, StableDiffusionInpaintPipeline, StableDiffusionPipeline,
    StableDiffusionXLImg2ImgPipeline, StableDiffusionXLInpaintPipeline, StableDiffusionXLPipeline, UNet2DConditionModel,
)
from PIL import Image
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, T5Config, T5EncoderModel, T5TokenizerFast

from make_pipelines import drawing, mask_drawing, t5_pieces
from tiny_tokenizer import tiny_tokenizer

COMMAND = ["node", str(Path(__file__).resolve().parents[2] / "dist" / "cli.js"), "generate"]
PROMPTS = ["a red apple", "the house by the sea", "two large dogs, flat", "a cat and a bird's nest", "three small cats: rain"]
KINDS = {
    "sd": dict(text=StableDiffusionPipeline, image=StableDiffusionImg2ImgPipeline, mask=StableDiffusionInpaintPipeline),
    "xl": dict(text=StableDiffusionXLPipeline, image=StableDiffusionXLImg2ImgPipeline, mask=StableDiffusionXLInpaintPipeline),
    "sd3": dict(text=StableDiffusion3Pipeline, image=StableDiffusion3Img2ImgPipeline, mask=StableDiffusion3InpaintPipeline),
}
LEVELS = ["DDIM", "DDPM", "EulerDiscrete", "EulerAncestralDiscrete", "LMSDiscrete", "HeunDiscrete", "KDPM2Discrete",
          "KDPM2AncestralDiscrete", "DPMSolverMultistep", "DEISMultistep", "UniPCMultistep"]  # with timestep_spacing
RESPACED = LEVELS[2:3] + LEVELS[4:] + ["DPMSolverSinglestep"]


def tower(rng, kind, tokenizer, width, layers, projection):
    config = CLIPTextConfig(
        hidden_size=width, intermediate_size=rng.choice([width, 2 * width, 40]), num_hidden_layers=rng.choice(layers),
        num_attention_heads=rng.choice([1, 2, 4]), vocab_size=len(tokenizer) + rng.choice([0, 3]),
        max_position_embeddings=tokenizer.model_max_length, projection_dim=projection,
        hidden_act=rng.choice(["gelu", "quick_gelu"]), bos_token_id=tokenizer.bos_token_id,
        eos_token_id=rng.choice([2, tokenizer.eos_token_id]), pad_token_id=tokenizer.pad_token_id)
    return kind(config)


def unet(rng, cross, **given):
    n = rng.choice([2, 3])
    down = [rng.choice(["CrossAttnDownBlock2D", "DownBlock2D"]) for _ in range(n - 1)] + ["CrossAttnDownBlock2D"]
    settings = dict(
        sample_size=rng.choice([8, 12, 16]), block_out_channels=[rng.choice([8, 16, 24]) for _ in range(n)],
        layers_per_block=rng.choice([1, 2]), cross_attention_dim=cross, norm_num_groups=rng.choice([2, 4]),
        attention_head_dim=rng.choice([2, 4, 8, [rng.choice([1, 2, 4]) for _ in range(n)]]), down_block_types=down,
        up_block_types=[rng.choice(["CrossAttnUpBlock2D", "UpBlock2D"]) for _ in range(n)],
        use_linear_projection=rng.random() < 0.5, flip_sin_to_cos=rng.random() < 0.8, freq_shift=rng.choice([0, 0, 1]),
        resnet_time_scale_shift=rng.choice(["default", "default", "scale_shift"]), upcast_attention=rng.random() < 0.2,
        transformer_layers_per_block=rng.choice([1, [rng.choice([1, 2]) for _ in range(n)]]))
    return UNet2DConditionModel(**settings | given)


def autoencoder(rng, latent_channels=4, **given):
    """With the number of pixels to a latent's side."""
    n = rng.choice([1, 2, 3, 4])
    if latent_channels == 4 and rng.random() < 0.15:
        widths = dict(encoder_block_out_channels=[8] * (n + 1), decoder_block_out_channels=[8] * (n + 1),
                      num_encoder_blocks=[1] * (n + 1), num_decoder_blocks=[1] * (n + 1))
        return AutoencoderTiny(scaling_factor=rng.choice([1.0, 0.9]), **widths), 2**n
    blocks = dict(down_block_types=["DownEncoderBlock2D"] * n, up_block_types=["UpDecoderBlock2D"] * n)
    widths = [rng.choice([8, 12, 16]) for _ in range(n)]
    return AutoencoderKL(block_out_channels=widths, norm_num_groups=4, latent_channels=latent_channels, sample_size=64,
                         layers_per_block=rng.choice([1, 2]), **blocks, **given), 2 ** (n - 1)


def scheduler(rng):
    name = rng.choice(LEVELS + ["PNDM", "DPMSolverSinglestep", "LCM", "TCD"])
    keys = dict(beta_start=rng.choice([0.00085, 0.0001]), beta_end=rng.choice([0.012, 0.02]),
                beta_schedule=rng.choice(["scaled_linear", "linear"]), num_train_timesteps=rng.choice([1000, 1000, 500]),
                prediction_type=rng.choice(["epsilon", "epsilon", "v_prediction"]))
    if name in LEVELS:
        keys["timestep_spacing"] = rng.choice(["leading", "trailing", "linspace"])
    spaced = rng.choice([None, "karras", "exponential", "beta"]) if name in RESPACED else None
    if spaced:
        keys[f"use_{spaced}_sigmas"] = True
    if name in ("DDIM", "PNDM"):
        keys |= dict(set_alpha_to_one=rng.random() < 0.5, steps_offset=rng.choice([0, 1]))
    if name in ("DDIM", "DDPM"):
        keys["clip_sample"] = rng.random() < 0.3
    if name == "DDPM":
        keys["variance_type"] = rng.choice(["fixed_small", "fixed_large", "fixed_small_log"])
    if name == "PNDM":
        keys["skip_prk_steps"] = rng.random() < 0.6
    if name in ("DPMSolverMultistep", "DPMSolverSinglestep", "DEISMultistep", "UniPCMultistep"):
        keys["solver_order"] = rng.choice([1, 2, 3])
    if name in ("DPMSolverMultistep", "DPMSolverSinglestep"):
        keys |= dict(solver_type=rng.choice(["midpoint", "heun"]), final_sigmas_type=rng.choice(["zero", "sigma_min"]))
    if name == "DPMSolverMultistep":
        keys |= dict(algorithm_type=rng.choice(["dpmsolver++", "dpmsolver++", "sde-dpmsolver++"]),
                     lower_order_final=rng.random() < 0.7, euler_at_final=rng.random() < 0.2, thresholding=rng.random() < 0.15)
    if name == "UniPCMultistep":
        keys["solver_type"] = rng.choice(["bh1", "bh2"])
    if name == "EulerDiscrete":
        keys |= dict(final_sigmas_type=rng.choice(["zero", "zero", "sigma_min"]),
                     interpolation_type="linear" if spaced else rng.choice(["linear", "log_linear"]))
    return getattr(diffusers, f"{name}Scheduler")(**keys)


def tokenizers(rng):
    length = rng.choice([18, 24, 77])
    first, second = tiny_tokenizer(length), tiny_tokenizer(length)
    second.pad_token = "!"
    return first, second


def stable_diffusion(rng, mode):
    tokenizer = rng.choice(tokenizers(rng))
    width = rng.choice([16, 24, 32])
    special = rng.choice([{}, {}, dict(time_cond_proj_dim=12), dict(in_channels=9) if mode == "mask" else {}])
    vae, unit = autoencoder(rng, scaling_factor=0.18215)
    text = tower(rng, CLIPTextModel, tokenizer, width, [1, 2, 3], 20)
    return dict(vae=vae, tokenizer=tokenizer, text_encoder=text, unet=unet(rng, width, **special), scheduler=scheduler(rng),
                safety_checker=None, feature_extractor=None, requires_safety_checker=False), max(8, unit)


def stable_diffusion_xl(rng, mode):
    first, second = tokenizers(rng)
    is_refiner = mode == "image" and rng.random() < 0.4
    widths, projection, time_size = (rng.choice([16, 24]), rng.choice([16, 32])), rng.choice([12, 20]), rng.choice([4, 8])
    vae, unit = autoencoder(rng, scaling_factor=0.13025)
    added = dict(addition_embed_type="text_time", addition_time_embed_dim=time_size,
                 projection_class_embeddings_input_dim=(5 if is_refiner else 6) * time_size + projection)
    parts = dict(
        vae=vae, scheduler=scheduler(rng), tokenizer=None if is_refiner else first, tokenizer_2=second,
        text_encoder=None if is_refiner else tower(rng, CLIPTextModel, first, widths[0], [2, 3], projection),
        text_encoder_2=tower(rng, CLIPTextModelWithProjection, second, widths[1], [2, 3], projection),
        unet=unet(rng, widths[1] if is_refiner else sum(widths), **added),
        force_zeros_for_empty_prompt=rng.random() < 0.5, add_watermarker=False)
    return parts | (dict(requires_aesthetics_score=True) if is_refiner else {}), max(8, unit)


def stable_diffusion_3(rng, mode):
    first, second = tokenizers(rng)
    joint, pooled = rng.choice([48, 56]), (rng.choice([8, 20]), rng.choice([12, 20]))
    size, heads = rng.choice([(8, 2), (8, 3), (16, 1)])
    patch = rng.choice([1, 2])
    vae, unit = autoencoder(rng, 16, scaling_factor=1.5305, shift_factor=0.0609, use_quant_conv=False, use_post_quant_conv=False)
    t5, pieces = None, None
    if rng.random() < 0.5:
        pieces = T5TokenizerFast(vocab=t5_pieces(), extra_ids=0)
        t5 = T5EncoderModel(T5Config(vocab_size=len(pieces), d_model=joint, d_kv=6, d_ff=24, num_layers=2, num_heads=2,
                                     feed_forward_proj=rng.choice(["gated-gelu", "relu"])))
    transformer = SD3Transformer2DModel(
        sample_size=rng.choice([8, 12]), patch_size=patch, in_channels=16, out_channels=16, num_layers=rng.choice([1, 2, 3]),
        attention_head_dim=size, num_attention_heads=heads, joint_attention_dim=joint, caption_projection_dim=size * heads,
        pooled_projection_dim=sum(pooled), pos_embed_max_size=64, qk_norm=rng.choice([None, "rms_norm"]),
        dual_attention_layers=rng.choice([[], [], [0]]))
    steps = rng.choice([diffusers.FlowMatchEulerDiscreteScheduler, diffusers.FlowMatchHeunDiscreteScheduler])
    return dict(transformer=transformer, vae=vae, scheduler=steps(shift=rng.choice([1.0, 3.0, 2.5])),
                text_encoder=tower(rng, CLIPTextModelWithProjection, first, 24, [2, 3], pooled[0]), tokenizer=first,
                text_encoder_2=tower(rng, CLIPTextModelWithProjection, second, 16, [2, 3], pooled[1]), tokenizer_2=second,
                text_encoder_3=t5, tokenizer_3=pieces), unit * patch


FAMILIES = {"sd": stable_diffusion, "xl": stable_diffusion_xl, "sd3": stable_diffusion_3}


def request(rng, family, mode, unit, folder):
    """The same call for diffusers and for the command line."""
    width, height = (unit * rng.randint(max(1, 24 // unit), max(2, 64 // unit)) for _ in range(2))
    call = dict(prompt=rng.choice(PROMPTS), num_inference_steps=rng.choice([1, 2, 3, 5, 8, 11]),
                guidance_scale=rng.choice([0.0, 1.0, 3.0, 5.5, 7.5]))
    seed = rng.choice([0, 7, 123456, 2**32 + 5])
    words = [call["prompt"], "--steps", call["num_inference_steps"], "--guidance", call["guidance_scale"], "--seed", seed]
    if rng.random() < 0.6:
        call["negative_prompt"] = rng.choice(["rain", "blue, flat"])
        words += ["--negative", call["negative_prompt"]]
    if mode != "image" or family == "sd3":
        call |= dict(width=width, height=height)
        words += ["--size", f"{width}x{height}"]
    for key, draw, option in (("image", drawing, "--init"), ("mask_image", mask_drawing, "--mask")):
        if mode == "text" or (mode == "image" and key == "mask_image"):
            continue
        call[key] = draw(width, height)
        call[key].save(folder / f"{option[2:]}.png")
        words += [option, folder / f"{option[2:]}.png"]
    if mode != "text":
        call["strength"] = rng.choice([0.5, 0.75, 1.0])
        words += ["--strength", call["strength"]]
    if family == "sd3":
        call["max_sequence_length"] = 256
    return call, seed, [str(word) for word in words]


def compare(ours, reference):
    if ours.shape != reference.shape:
        return True, f"{ours.shape} instead of {reference.shape}"
    difference = np.abs(ours.astype(int) - reference.astype(int))
    share = (difference > 0).mean()
    return difference.max() > 1 or share > 0.001, f"at most {difference.max()}, {share:.2%} of the values"


@torch.no_grad()
def drawn(pipeline, call, seed):
    """What diffusers draws, or why it draws nothing."""
    try:
        picture = np.asarray(pipeline(**call, generator=torch.Generator().manual_seed(seed)).images[0])
    except Exception as error:  # whatever diffusers throws
        return None, f"{type(error).__name__}: {str(error)[:90]}"
    return (picture, "") if picture.std() > 0 else (None, "NaN")


def case(root, number):
    rng = random.Random(number)
    torch.manual_seed(number)
    family, mode = rng.choice(list(FAMILIES)), rng.choice(["text", "text", "image", "mask"])
    folder = root / str(number)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    parts, unit = FAMILIES[family](rng, mode)
    pipeline = KINDS[family][mode](**parts)
    for part in parts.values():
        if isinstance(part, torch.nn.Module):
            part.eval()
    pipeline.set_progress_bar_config(disable=True)
    pipeline.save_pretrained(folder / "model", max_shard_size=rng.choice(["5GB", "40KB"]))
    call, seed, words = request(rng, family, mode, unit, folder)
    reference, reason = drawn(pipeline, call, seed)
    output = ["--syntax", "plain", "--threads", "1", "--json", "--model", str(folder / "model"), "--out", str(folder / "maliang.png")]
    run = subprocess.run([*COMMAND, *words, *output], capture_output=True, text=True)
    label = f"{number} {family} {mode} {type(parts['scheduler']).__name__} {call['num_inference_steps']} steps"
    if reference is None:
        return False, f"{label}: diffusers {reason}; maliang {'draws' if run.returncode == 0 else run.stderr.strip()[:90]}"
    Image.fromarray(reference).save(folder / "diffusers.png")
    if run.returncode != 0:
        return True, f"{label}: {run.stderr.strip()[:200]}"
    is_off, said = compare(np.asarray(Image.open(folder / "maliang.png")), reference)
    return is_off, f"{label}: {'OFF ' if is_off else ''}{said}"


def main(root, first, last):
    warnings.filterwarnings("ignore")
    diffusers.utils.logging.set_verbosity_error()
    diffusers.utils.logging.disable_progress_bar()
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)
    off = 0
    for number in range(int(first), int(last)):
        is_off, line = case(Path(root), number)
        off += is_off
        print(line, flush=True)
    print(f"{int(last) - int(first)} cases, {off} beyond the line")
    sys.exit(1 if off else 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
