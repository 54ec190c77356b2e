"""Whole pictures: tiny pipelines of diffusers, from words to values in 0..1.

test/fixtures/pipelines/<name>/   the folder save_pretrained writes, without weights, and
    <component>/parameters.txt    as in the model cases; weights come from the weight function
    case.json                     the arguments of the call; "model" names the folder that holds the
                                  model when it is another case's, "image" and "mask_image" name PNG files here
    case.safetensors              what happened: ids, embeddings, latents of every step, picture
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import sentencepiece
import torch
from diffusers import (
    AutoencoderKL, AutoencoderTiny, DDIMScheduler, DiffusionPipeline, FlowMatchEulerDiscreteScheduler, SD3Transformer2DModel,
    StableDiffusion3Img2ImgPipeline, StableDiffusion3InpaintPipeline, StableDiffusion3Pipeline, StableDiffusionImg2ImgPipeline,
    StableDiffusionInpaintPipeline, StableDiffusionPipeline, StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLInpaintPipeline, StableDiffusionXLPipeline, UNet2DConditionModel,
)
from diffusers.image_processor import VaeImageProcessor
from PIL import Image
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, T5Config, T5EncoderModel, T5TokenizerFast

from cases import LIMIT, published_shapes
import make_t5
from make_clip import published_text_name
from make_t5_tokenizer import train
from packing import FIXTURES, versions
from tiny_tokenizer import tiny_tokenizer
from weights import fill

WORDS = 18  # length of a prompt in tokens, start and end included


def text_settings(tokenizer, **changes):
    return CLIPTextConfig(hidden_size=24, intermediate_size=48, num_hidden_layers=3, num_attention_heads=3,
                          vocab_size=len(tokenizer), max_position_embeddings=WORDS, projection_dim=20,
                          bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
                          pad_token_id=tokenizer.pad_token_id, **changes)


def single_encoder_xl(force_zeros, **changes):
    """The shape of the built-in model: SDXL conditioning from one text tower, a tiny autoencoder."""
    tokenizer = tiny_tokenizer(WORDS)
    unet = UNet2DConditionModel(
        sample_size=16, block_out_channels=[16, 24, 32], layers_per_block=1, cross_attention_dim=24, norm_num_groups=8,
        down_block_types=["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
        up_block_types=["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"], attention_head_dim=[2, 3, 4],
        transformer_layers_per_block=1, use_linear_projection=True, addition_embed_type="text_time",
        addition_time_embed_dim=8, projection_class_embeddings_input_dim=6 * 8 + 20, **changes)
    return StableDiffusionXLPipeline(
        vae=AutoencoderTiny(encoder_block_out_channels=[12] * 3, decoder_block_out_channels=[16] * 3,
                            num_encoder_blocks=[1, 2, 2], num_decoder_blocks=[2, 2, 1], scaling_factor=5.0),
        text_encoder=None, tokenizer=None,
        text_encoder_2=CLIPTextModelWithProjection(text_settings(tokenizer)), tokenizer_2=tokenizer, unet=unet,
        scheduler=DDIMScheduler(prediction_type="v_prediction", beta_schedule="squaredcos_cap_v2",
                                timestep_spacing="trailing", clip_sample=False),
        force_zeros_for_empty_prompt=force_zeros)


def small_vae(blocks=3, **changes):
    return AutoencoderKL(block_out_channels=[8, 12, 16, 16][:blocks], down_block_types=["DownEncoderBlock2D"] * blocks,
                         up_block_types=["UpDecoderBlock2D"] * blocks, norm_num_groups=4, **changes)


def small_unet(**changes):
    settings = dict(sample_size=16, block_out_channels=[8, 16], cross_attention_dim=24, norm_num_groups=4,
                    attention_head_dim=4, down_block_types=["CrossAttnDownBlock2D", "DownBlock2D"],
                    up_block_types=["UpBlock2D", "CrossAttnUpBlock2D"])
    return UNet2DConditionModel(**settings | changes)


def sd_scheduler(**changes):
    settings = dict(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False,
                    set_alpha_to_one=False, steps_offset=1)
    return DDIMScheduler(**settings | changes)


def stable_diffusion(kind=StableDiffusionPipeline, vae=None, tokenizer=None, text=None, scheduler=None, **unet):
    tokenizer = tokenizer or tiny_tokenizer(WORDS)
    return kind(vae=vae or small_vae(scaling_factor=0.18215), tokenizer=tokenizer,
                text_encoder=CLIPTextModel(text_settings(tokenizer, **text or {})), unet=small_unet(**unet),
                scheduler=scheduler or sd_scheduler(), safety_checker=None, feature_extractor=None,
                requires_safety_checker=False)


def stable_diffusion_2():
    """OpenCLIP's activation, `!` as padding, v-prediction, and a decoder of factor 8, so that latents may be odd."""
    tokenizer = tiny_tokenizer(WORDS)
    tokenizer.pad_token = "!"
    scheduler = sd_scheduler(prediction_type="v_prediction")
    return stable_diffusion(vae=small_vae(4, scaling_factor=0.18215), tokenizer=tokenizer, text=dict(hidden_act="gelu"),
                            scheduler=scheduler, use_linear_projection=True, attention_head_dim=[2, 4])


def stable_diffusion_xl(kind=StableDiffusionXLPipeline, towers=2, scores=False, **changes):
    first, second = tiny_tokenizer(WORDS), tiny_tokenizer(WORDS)
    second.pad_token = "!"
    ids = 5 if scores else 6
    unet = small_unet(cross_attention_dim=24 * towers, use_linear_projection=True, transformer_layers_per_block=[1, 2],
                      addition_embed_type="text_time", addition_time_embed_dim=8,
                      projection_class_embeddings_input_dim=ids * 8 + 20, **changes)
    vae = small_vae(scaling_factor=0.13025, latents_mean=[0.1, -0.2, 0.3, 0.0] if scores else None,
                    latents_std=[0.9, 1.1, 1.2, 0.8] if scores else None)
    more = dict(requires_aesthetics_score=True) if scores else {}
    return kind(vae=vae, text_encoder=CLIPTextModel(text_settings(first)) if towers == 2 else None,
                tokenizer=first if towers == 2 else None,
                text_encoder_2=CLIPTextModelWithProjection(text_settings(second, hidden_act="gelu")), tokenizer_2=second,
                unet=unet, scheduler=sd_scheduler(timestep_spacing="leading"), add_watermarker=False, **more)


def tiny_t5(width):
    tokenizer = T5TokenizerFast(vocab=t5_pieces(), extra_ids=0)
    config = T5Config(vocab_size=len(tokenizer), d_model=width, d_kv=6, d_ff=32, num_layers=2, num_heads=3,
                      feed_forward_proj="gated-gelu")
    return T5EncoderModel(config), tokenizer


def t5_pieces():
    model = sentencepiece.SentencePieceProcessor(model_proto=train(normalization_rule_name="identity", vocab_size=100))
    return [(model.id_to_piece(i), model.get_score(i)) for i in range(model.get_piece_size())]


def stable_diffusion_3(kind=StableDiffusion3Pipeline, has_t5=True, scheduler=None, **changes):
    first, second = tiny_tokenizer(WORDS), tiny_tokenizer(WORDS)
    second.pad_token = "!"
    settings = dict(sample_size=12, patch_size=2, in_channels=16, out_channels=16, num_layers=2, attention_head_dim=8,
                    num_attention_heads=2, joint_attention_dim=56, caption_projection_dim=16, pooled_projection_dim=40,
                    pos_embed_max_size=14)
    text_encoder_3, tokenizer_3 = tiny_t5(56) if has_t5 else (None, None)
    return kind(transformer=SD3Transformer2DModel(**settings | changes),
                scheduler=FlowMatchEulerDiscreteScheduler(**scheduler or dict(shift=3.0)),
                vae=small_vae(latent_channels=16, scaling_factor=1.5305, shift_factor=0.0609, use_quant_conv=False,
                              use_post_quant_conv=False),
                text_encoder=CLIPTextModelWithProjection(text_settings(first)), tokenizer=first,
                text_encoder_2=CLIPTextModelWithProjection(text_settings(second, hidden_act="gelu")), tokenizer_2=second,
                text_encoder_3=text_encoder_3, tokenizer_3=tokenizer_3)


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
    ("sd1", stable_diffusion,
     dict(prompt=["the house by the sea at night"], guidance_scale=7.5, num_inference_steps=5, height=48, width=64, seeds=[3])),
    ("sd1-clip-skip", stable_diffusion,
     dict(prompt=["it's a bird's nest"], negative_prompt=["flat"], clip_skip=1, guidance_scale=5.0, guidance_rescale=0.3,
          num_inference_steps=4, height=32, width=48, seeds=[11])),
    ("sd1-no-guidance", "sd1",
     dict(prompt=["a café in the rain"], guidance_scale=0.0, num_inference_steps=2, height=32, width=32, seeds=[1])),
    ("sd1-image", ("sd1", StableDiffusionImg2ImgPipeline),
     dict(prompt=["a red apple, flat", "a big dog"], negative_prompt=["rain", "night"], image=(50, 39), strength=0.6, eta=0.5,
          guidance_scale=4.0, num_inference_steps=7, seeds=[5, 2**33 + 6])),
    ("sd1-image-whole", ("sd1", StableDiffusionImg2ImgPipeline),
     dict(prompt=["a simple star"], image=(32, 32), strength=1.0, guidance_scale=1.0, num_inference_steps=3, seeds=[8])),
    ("sd1-image-last-step", ("sd1", StableDiffusionImg2ImgPipeline),
     dict(prompt=["a simple star"], image=(36, 32), strength=0.3, num_inference_steps=5, seeds=[8])),
    ("sd1-mask", ("sd1", StableDiffusionInpaintPipeline),
     dict(prompt=["two green frogs"], image=(48, 40), mask_image=(48, 40), strength=1.0, eta=0.4, guidance_scale=6.0,
          num_inference_steps=4, height=40, width=48, seeds=[21])),
    ("sd1-mask-scaled", ("sd1", StableDiffusionInpaintPipeline),
     dict(prompt=["two green frogs"], image=(70, 33), mask_image=(140, 66), strength=0.7, eta=1.0, guidance_scale=1.0,
          num_inference_steps=5, height=36, width=52, seeds=[22])),
    ("sd1-mask-crop", ("sd1", StableDiffusionInpaintPipeline),
     dict(prompt=["one large cat"], image=(90, 60), mask_image=(90, 60), mask_blur=3, padding_mask_crop=4, strength=0.8,
          guidance_scale=5.0, num_inference_steps=5, height=48, width=40, seeds=[23])),
    ("sd1-inpainting", lambda: stable_diffusion(StableDiffusionInpaintPipeline, in_channels=9),
     dict(prompt=["one large cat"], image=(48, 40), mask_image=(48, 40), strength=1.0, eta=0.5, guidance_scale=5.0,
          num_inference_steps=4, height=40, width=48, seeds=[31])),
    ("sd1-inpainting-part", ("sd1-inpainting", StableDiffusionInpaintPipeline),
     dict(prompt=["one large cat"], image=(40, 40), mask_image=(40, 40), mask_blur=2, strength=0.55, eta=0.5,
          guidance_scale=1.0, num_inference_steps=6, height=40, width=40, seeds=[32])),
    ("sd2", stable_diffusion_2,
     dict(prompt=["the house by the sea"], negative_prompt=["flat"], guidance_scale=6.0, guidance_rescale=0.5,
          num_inference_steps=4, height=40, width=56, seeds=[41])),
    ("sd2-image", ("sd2", StableDiffusionImg2ImgPipeline),
     dict(prompt=["the house by the sea"], image=(59, 47), strength=0.75, guidance_scale=6.0, num_inference_steps=4, seeds=[42])),
    ("lcm", lambda: stable_diffusion(time_cond_proj_dim=12),
     dict(prompt=["a red apple"], guidance_scale=8.0, num_inference_steps=3, height=32, width=40, seeds=[51])),
    ("xl", stable_diffusion_xl,
     dict(prompt=["three small cats"], negative_prompt=["rain"], guidance_scale=5.0, num_inference_steps=4, height=40, width=48,
          negative_original_size=[32, 32], negative_target_size=[40, 40], negative_crops_coords_top_left=[4, 2], seeds=[61])),
    ("xl-image", ("xl", StableDiffusionXLImg2ImgPipeline),
     dict(prompt=["three small cats"], image=(44, 40), strength=0.5, eta=0.3, guidance_scale=5.0, num_inference_steps=6,
          negative_original_size=[32, 32], crops_coords_top_left=[4, 2], clip_skip=1, seeds=[62])),
    ("xl-mask", ("xl", StableDiffusionXLInpaintPipeline),
     dict(prompt=["one big dog"], image=(48, 40), mask_image=(48, 40), strength=0.9999, eta=0.3, guidance_scale=7.5,
          guidance_rescale=0.2, num_inference_steps=4, height=40, width=48, seeds=[63])),
    ("xl-mask-crop", ("xl", StableDiffusionXLInpaintPipeline),
     dict(prompt=["one big dog"], image=(64, 100), mask_image=(64, 100), padding_mask_crop=8, strength=0.7, guidance_scale=7.5,
          num_inference_steps=4, height=40, width=48, seeds=[64])),
    ("xl-inpainting", lambda: stable_diffusion_xl(StableDiffusionXLInpaintPipeline, in_channels=9),
     dict(prompt=["one big dog"], image=(40, 40), mask_image=(40, 40), strength=1.0, guidance_scale=4.0,
          num_inference_steps=3, height=40, width=40, seeds=[65])),
    ("xl-base-part", ("xl", StableDiffusionXLPipeline),
     dict(prompt=["a bird's nest"], denoising_end=0.6, guidance_scale=5.0, num_inference_steps=6, height=40, width=48, seeds=[66])),
    ("xl-refiner", lambda: stable_diffusion_xl(StableDiffusionXLImg2ImgPipeline, towers=1, scores=True),
     dict(prompt=["a bird's nest"], image="xl-base-part", denoising_start=0.6, guidance_scale=5.0, aesthetic_score=7.0,
          negative_aesthetic_score=2.0, num_inference_steps=6, seeds=[67])),
    ("xl-refiner-image", ("xl-refiner", StableDiffusionXLImg2ImgPipeline),
     dict(prompt=["a bird's nest"], image=(40, 40), strength=0.4, guidance_scale=5.0, num_inference_steps=5, seeds=[68])),
    ("sd3", stable_diffusion_3,
     dict(prompt=["the house by the sea at night"], negative_prompt=["rain"], guidance_scale=5.0, num_inference_steps=4,
          max_sequence_length=14, height=40, width=48, seeds=[71])),
    ("sd3-long-text", ("sd3", StableDiffusion3Pipeline),
     dict(prompt=["a glossy 3D rocket on a blue background with two small cats and one big dog by the sea"],
          guidance_scale=1.0, num_inference_steps=2, max_sequence_length=5, height=32, width=56, seeds=[72])),
    ("sd3-image", ("sd3", StableDiffusion3Img2ImgPipeline),
     dict(prompt=["a red apple, flat"], image=(48, 40), strength=0.6, guidance_scale=4.0, num_inference_steps=7,
          max_sequence_length=12, height=32, width=40, seeds=[2**33 + 73])),
    ("sd3-mask", ("sd3", StableDiffusion3InpaintPipeline),
     dict(prompt=["one big dog"], image=(48, 40), mask_image=(48, 40), strength=0.7, guidance_scale=4.0,
          num_inference_steps=5, max_sequence_length=12, height=40, width=48, seeds=[75])),
    ("sd3-mask-whole", ("sd3", StableDiffusion3InpaintPipeline),
     dict(prompt=["one big dog"], image=(40, 40), mask_image=(40, 40), strength=1.0, guidance_scale=1.0,
          num_inference_steps=3, max_sequence_length=12, height=40, width=40, seeds=[76])),
    ("sd3-without-t5", lambda: stable_diffusion_3(
        has_t5=False, qk_norm="rms_norm", dual_attention_layers=[0], num_layers=3,
        scheduler=dict(use_dynamic_shifting=True, base_shift=0.5, max_shift=1.15, base_image_seq_len=16, max_image_seq_len=200)),
     dict(prompt=["three small cats", "一个红苹果"], guidance_scale=6.0, clip_skip=1, num_inference_steps=3, max_sequence_length=9,
          height=40, width=24, seeds=[77, 2**40 + 78])),
    ("sd3-inpainting", lambda: stable_diffusion_3(StableDiffusion3InpaintPipeline, has_t5=False, in_channels=33),
     dict(prompt=["one large cat"], image=(40, 32), mask_image=(40, 32), strength=0.8, guidance_scale=5.0,
          num_inference_steps=4, max_sequence_length=6, height=32, width=40, seeds=[79])),
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
            rename = {CLIPTextModel: published_text_name, T5EncoderModel: make_t5.published_name}.get(type(module), lambda n: n)
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
    for key, value in arguments.items():
        if key.endswith(("_size", "_top_left")):
            arguments[key] = tuple(value)
    blur = arguments.pop("mask_blur", 0)
    if blur:
        arguments["mask_image"] = VaeImageProcessor.blur(arguments["mask_image"], blur)
    is_cropped = "padding_mask_crop" in arguments

    def before_unet(_, args, kwargs):
        if not latents and not embeddings:
            embeddings["prompt_embeds"] = kwargs["encoder_hidden_states"]
            added = kwargs.get("added_cond_kwargs") or {}
            embeddings.update({k: v for k, v in added.items() if torch.is_tensor(v)})
            rows = len(arguments["prompt"])
            if "pooled_projections" in kwargs:
                embeddings["pooled_projections"] = kwargs["pooled_projections"]
            seen["latents.start"] = (args[0] if args else kwargs["hidden_states"])[:rows]

    denoiser = pipeline.components.get("unet") or pipeline.transformer
    hook = denoiser.register_forward_pre_hook(before_unet, with_kwargs=True)
    outputs = []
    keep_output = denoiser.register_forward_hook(lambda _, args, out: outputs.append(out[0]))

    def after_step(_, index, timestep, values):
        latents.append(values["latents"])
        return values

    if "mask_image" in arguments:
        generators = generators[0]
    picture = pipeline(**arguments, generator=generators, output_type="pil" if is_cropped else "pt",
                       callback_on_step_end=after_step, callback_on_step_end_tensor_inputs=["latents"]).images
    if is_cropped:
        picture = torch.from_numpy(np.stack([np.asarray(one) for one in picture])).permute(0, 3, 1, 2) / 255
    hook.remove()
    keep_output.remove()
    tokenizer = pipeline.components.get("tokenizer_2") or pipeline.tokenizer
    ids = tokenizer(arguments["prompt"], padding="max_length", max_length=WORDS, truncation=True, return_tensors="pt").input_ids
    seen |= {"input_ids": ids, **embeddings, "timesteps": pipeline.scheduler.timesteps,
             "model_output.0": outputs[0]}
    seen |= {f"latents.{i}": value for i, value in enumerate(latents)}
    return seen | {"picture": picture}


def same_after_loading(pipeline, arguments, picture):
    """diffusers itself must draw the same from the folder it saves, up to the alignment of its buffers."""
    with tempfile.TemporaryDirectory() as folder:
        pipeline.save_pretrained(folder)
        absent = {key: None for key, part in pipeline.components.items() if part is None}
        loaded = DiffusionPipeline.from_pretrained(folder, **absent)
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
        if "merges" not in model:
            continue
        merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"]]
        (file.parent / "vocab.json").write_text(json.dumps(model["vocab"], ensure_ascii=False) + "\n")
        (file.parent / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n")


def drawing(width, height, shift=0):
    """Smooth colours with a hard edge, so that every kernel shows."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    waves = [np.sin(x / (5 + c) + shift) * 90 + np.cos(y / (4 + c)) * 30 + 128 for c in range(3)]
    picture = np.stack(waves, axis=-1)
    picture[height // 3 : height // 2, width // 4 : width // 2] = (250, 20, 60)
    return Image.fromarray(picture.clip(0, 255).astype(np.uint8))


def mask_drawing(width, height):
    """Black, with a white and a grey patch."""
    mask = np.zeros((height, width), dtype=np.uint8)
    mask[height // 4 : height * 3 // 4, width // 3 : width * 2 // 3] = 255
    mask[height // 2 : height * 3 // 5, width // 5 : width // 3] = 140
    return Image.fromarray(mask)


def given_pictures(arguments, folder, latents):
    """Draws the pictures of a call and writes them; the call keeps their names."""
    call, given = dict(arguments), dict(arguments)
    for key, draw in (("image", drawing), ("mask_image", mask_drawing)):
        value = arguments.get(key)
        if isinstance(value, tuple):
            given[key] = draw(*value)
            call[key] = f"{key}.png"
            given[key].save(folder / call[key])
        elif isinstance(value, str):
            given[key] = latents[value]
    return call, given


def built(source, pipelines):
    """A pipeline of its own, or another class over the parts of an earlier one."""
    if callable(source):
        return source(), None
    name, kind = source if isinstance(source, tuple) else (source, type(pipelines[source]))
    parts = dict(pipelines[name].components)
    if kind.__name__.startswith("StableDiffusionXL"):
        parts["add_watermarker"] = False
        if pipelines[name].config.get("requires_aesthetics_score"):
            parts["requires_aesthetics_score"] = True
    elif not kind.__name__.startswith("StableDiffusion3"):
        parts["requires_safety_checker"] = False
    return kind(**parts), name


def needed(names):
    """The named cases and those whose models or latents they use; all when none are named."""
    wanted = set(names) or {name for name, _, _ in CASES}
    for name, source, arguments in reversed(CASES):
        if name in wanted:
            used = [source, *source] if isinstance(source, tuple) else [source]
            wanted |= {key for key in [*used, arguments.get("image")] if isinstance(key, str)}
    return [case for case in CASES if case[0] in wanted]


def make(*names):
    pipelines, latents = {}, {}
    for name, source, arguments in needed(names):
        folder = FIXTURES / "pipelines" / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        pipeline, model = built(source, pipelines)
        pipelines[name] = pipeline
        pipeline.set_progress_bar_config(disable=True)
        call, given = given_pictures(arguments, folder, latents)
        shapes = fill_pipeline(pipeline) if model is None else {}
        seen = trace(pipeline, given)
        if model is None:
            same_after_loading(pipeline, given, seen["picture"])
            write_layout(pipeline, shapes, folder)
        seeds = [str(seed) for seed in arguments["seeds"]]
        call = {"class": type(pipeline).__name__, **({"model": model} if model else {}), **call, "seeds": seeds}
        (folder / "case.json").write_text(json.dumps(call, indent=2, ensure_ascii=False) + "\n")
        tensors = {key: value.detach().clone().contiguous() for key, value in seen.items()}
        save_file(tensors, folder / "case.safetensors", metadata={"made_with": json.dumps(versions())})
        picture = seen["picture"]
        saturated = ((picture == 0) | (picture == 1)).float().mean().item()
        size = (folder / "case.safetensors").stat().st_size
        assert size < LIMIT and torch.isfinite(picture).all() and picture.std() > 0.02, name
        latents[name] = seen[max((k for k in seen if k.startswith("latents.") and k[8:].isdigit()), key=lambda k: int(k[8:]))]
        print(f"pipelines/{name}: {size} bytes, std {picture.std():.3f}, saturated {saturated:.2f}, latents {latents[name].std():.2f}")


if __name__ == "__main__":
    make(*sys.argv[1:])
