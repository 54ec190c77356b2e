"""Single-file checkpoints: how the tensors of original files are made of diffusers' parameters.

test/fixtures/checkpoints/<case>.json.gz, small and full-size models:
    components   by folder: class, configuration, `name d0,d1,…` of every parameter
    keys         `key op component:parameter,…` of every tensor of the original file, see original_names.py

Small cases are filled with the weight function and run through diffusers' converters, which must give
every parameter back; full-size ones go through them on the meta device, names and shapes alone.
"""

import gzip
import json

import torch
from diffusers import AutoencoderKL, AutoencoderTiny, SD3Transformer2DModel, UNet2DConditionModel
from diffusers.loaders import single_file_utils as sf
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

import original_names as names
from packing import FIXTURES
from weights import reference_weight

OUT = FIXTURES / "checkpoints"


def text(width, layers, heads, act, projected=None, vocab=49408, positions=77, wide=None):
    config = CLIPTextConfig(hidden_size=width, intermediate_size=wide or 4 * width, num_hidden_layers=layers,
                            num_attention_heads=heads, projection_dim=projected or (width if act == "quick_gelu" else 512), hidden_act=act,
                            vocab_size=vocab, max_position_embeddings=positions, eos_token_id=2, bos_token_id=0,
                            pad_token_id=1)
    return (CLIPTextModelWithProjection if projected else CLIPTextModel), config


def small_text(width, layers, act, projected=None):
    return text(width, layers, width // 64, act, projected, vocab=100, positions=20, wide=96)


def unet(**config):
    return UNet2DConditionModel, config


DOWN = ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"]
UP = ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3
XL = dict(down_block_types=["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
          up_block_types=["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"], use_linear_projection=True,
          addition_embed_type="text_time", sample_size=128)
TWO = dict(down_block_types=["CrossAttnDownBlock2D", "DownBlock2D"], up_block_types=["UpBlock2D", "CrossAttnUpBlock2D"])
FULL_VAE = dict(block_out_channels=[128, 256, 512, 512], layers_per_block=2)
SMALL_VAE = dict(block_out_channels=[32, 64], layers_per_block=1)
NO_QUANT = dict(latent_channels=16, scaling_factor=1.5305, shift_factor=0.0609, use_quant_conv=False,
                use_post_quant_conv=False)


def vae(shape, **more):
    n = len(shape["block_out_channels"])
    return AutoencoderKL, dict(shape, down_block_types=["DownEncoderBlock2D"] * n,
                               up_block_types=["UpDecoderBlock2D"] * n, **{"scaling_factor": 0.18215, **more})


HF, SGM_HF = "cond_stage_model.transformer.", "conditioner.embedders.0.transformer."
OPEN, SGM_0, SGM_1 = "cond_stage_model.model.", "conditioner.embedders.0.model.", "conditioner.embedders.1.model."
SD3_L, SD3_G = "text_encoders.clip_l.transformer.", "text_encoders.clip_g.transformer."


def sd1_unet(**more):
    return unet(**{**dict(sample_size=64, cross_attention_dim=768, attention_head_dim=8), **more})


def small_sd1(**more):
    return sd1_unet(**{**TWO, **dict(block_out_channels=[32, 64], cross_attention_dim=64, layers_per_block=1), **more})


def refiner(**more):
    down = ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"]
    up = ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"]
    return unet(**{**XL, **dict(down_block_types=down, up_block_types=up, transformer_layers_per_block=4,
                                block_out_channels=[384, 768, 1536, 1536], attention_head_dim=[6, 12, 24, 24],
                                cross_attention_dim=1280, addition_time_embed_dim=256,
                                projection_class_embeddings_input_dim=2560), **more})


def sd3(**config):
    return SD3Transformer2DModel, {"sample_size": 128, **config}


SMALL_SD3 = dict(num_layers=3, num_attention_heads=2, attention_head_dim=64, joint_attention_dim=96,
                 caption_projection_dim=128, pooled_projection_dim=128, pos_embed_max_size=6)

# case: component -> (class, configuration, names of its tensors in the file)
FULL = {
    "sd15": {"text_encoder": (*text(768, 12, 12, "quick_gelu"), HF), "unet": sd1_unet(), "vae": vae(FULL_VAE)},
    "sd15-inpainting": {"text_encoder": (*text(768, 12, 12, "quick_gelu"), HF), "unet": sd1_unet(in_channels=9),
                        "vae": vae(FULL_VAE)},
    "lcm-dreamshaper": {"text_encoder": (*text(768, 12, 12, "quick_gelu"), HF),
                        "unet": sd1_unet(time_cond_proj_dim=256), "vae": vae(FULL_VAE)},
    "sd21": {"text_encoder": (*text(1024, 23, 16, "gelu"), OPEN),
             "unet": unet(sample_size=96, cross_attention_dim=1024, attention_head_dim=[5, 10, 20, 20],
                          use_linear_projection=True), "vae": vae(FULL_VAE)},
    "sdxl": {"text_encoder": (*text(768, 12, 12, "quick_gelu"), SGM_HF),
             "text_encoder_2": (*text(1280, 32, 20, "gelu", 1280), SGM_1),
             "unet": unet(**XL, block_out_channels=[320, 640, 1280], transformer_layers_per_block=[1, 2, 10],
                          attention_head_dim=[5, 10, 20], cross_attention_dim=2048, addition_time_embed_dim=256,
                          projection_class_embeddings_input_dim=2816), "vae": vae(FULL_VAE, scaling_factor=0.13025)},
    "sdxl-refiner": {"text_encoder_2": (*text(1280, 32, 20, "gelu", 1280), SGM_0), "unet": refiner(),
                     "vae": vae(FULL_VAE, scaling_factor=0.13025)},
    "sd3-medium": {"text_encoder": (*text(768, 12, 12, "quick_gelu", 768), SD3_L),
                   "text_encoder_2": (*text(1280, 32, 20, "gelu", 1280), SD3_G),
                   "transformer": sd3(num_layers=24, num_attention_heads=24, caption_projection_dim=1536,
                                      pos_embed_max_size=192), "vae": vae(FULL_VAE, **NO_QUANT)},
    "sd35-medium": {"text_encoder": (*text(768, 12, 12, "quick_gelu", 768), SD3_L),
                    "text_encoder_2": (*text(1280, 32, 20, "gelu", 1280), SD3_G),
                    "transformer": sd3(num_layers=24, num_attention_heads=24, caption_projection_dim=1536,
                                       pos_embed_max_size=384, dual_attention_layers=list(range(13)),
                                       qk_norm="rms_norm"), "vae": vae(FULL_VAE, **NO_QUANT)},
}
SMALL = {
    "small-sd1": {"text_encoder": (*small_text(64, 2, "quick_gelu"), HF), "unet": small_sd1(), "vae": vae(SMALL_VAE)},
    "small-sd1-sgm": {"text_encoder": (*small_text(64, 1, "quick_gelu"), SGM_HF),
                      "unet": small_sd1(layers_per_block=2, down_block_types=["DownBlock2D", "CrossAttnDownBlock2D"],
                                        up_block_types=["CrossAttnUpBlock2D", "UpBlock2D"]), "vae": vae(SMALL_VAE)},
    "small-inpainting": {"text_encoder": (*small_text(64, 1, "quick_gelu"), HF), "unet": small_sd1(in_channels=9),
                         "vae": vae(SMALL_VAE)},
    "small-lcm": {"text_encoder": (*small_text(64, 1, "quick_gelu"), HF), "unet": small_sd1(time_cond_proj_dim=16),
                  "vae": vae(SMALL_VAE)},
    "small-sd2": {"text_encoder": (*small_text(64, 2, "gelu"), OPEN),
                  "unet": unet(**TWO, sample_size=96, block_out_channels=[64, 128], cross_attention_dim=64,
                               layers_per_block=1, attention_head_dim=[1, 2], use_linear_projection=True),
                  "vae": vae(SMALL_VAE)},
    "small-sd2-sgm": {"text_encoder": (*small_text(64, 2, "gelu"), SGM_0),
                      "unet": unet(**TWO, sample_size=96, block_out_channels=[64, 64], cross_attention_dim=64,
                                   layers_per_block=1, attention_head_dim=[1, 1], use_linear_projection=True),
                      "vae": vae(SMALL_VAE)},
    "small-sdxl": {"text_encoder": (*small_text(64, 1, "quick_gelu"), SGM_HF),
                   "text_encoder_2": (*small_text(64, 2, "gelu", 48), SGM_1),
                   "unet": unet(**XL, block_out_channels=[64, 64, 128], layers_per_block=1,
                                transformer_layers_per_block=[1, 1, 2], attention_head_dim=[1, 1, 2],
                                cross_attention_dim=128, addition_time_embed_dim=8,
                                projection_class_embeddings_input_dim=96), "vae": vae(SMALL_VAE, scaling_factor=0.13025)},
    "small-sdxl-refiner": {"text_encoder_2": (*small_text(64, 2, "gelu", 64), SGM_0),
                           "unet": refiner(block_out_channels=[64, 64, 64, 64], layers_per_block=1,
                                           transformer_layers_per_block=2, attention_head_dim=[1, 1, 1, 1],
                                           cross_attention_dim=64, addition_time_embed_dim=8,
                                           projection_class_embeddings_input_dim=104),
                           "vae": vae(SMALL_VAE, scaling_factor=0.13025)},
    "small-sd3": {"text_encoder": (*small_text(64, 1, "quick_gelu", 64), SD3_L),
                  "text_encoder_2": (*small_text(64, 1, "gelu", 64), SD3_G), "transformer": sd3(**SMALL_SD3),
                  "vae": vae(SMALL_VAE, **NO_QUANT)},
    "small-sd35": {"text_encoder": (*small_text(64, 1, "quick_gelu", 64), SD3_L),
                   "text_encoder_2": (*small_text(64, 1, "gelu", 64), SD3_G),
                   "transformer": sd3(**SMALL_SD3, dual_attention_layers=[0, 1], qk_norm="rms_norm"),
                   "vae": vae(SMALL_VAE, **NO_QUANT)},
}


def build(kind, config):
    with torch.device("meta"):
        return kind(config) if isinstance(config, CLIPTextConfig) else kind(**config)


def shapes_of(model):
    """Names as published files have them."""
    bare = not hasattr(model, "text_model") and isinstance(model, CLIPTextModel)
    return {f"text_model.{n}" if bare else n: list(t.shape) for n, t in model.state_dict().items()
            if not n.endswith("position_ids")}


def entries_of(component, model, shapes, prefix):
    config = dict(model.config) if not isinstance(model, (CLIPTextModel, CLIPTextModelWithProjection)) else None
    if isinstance(model, UNet2DConditionModel):
        return names.unet(shapes, config)
    if isinstance(model, AutoencoderKL):
        return names.vae(shapes, config)
    if isinstance(model, SD3Transformer2DModel):
        return names.sd3(shapes, config)
    if prefix.endswith(".model."):
        return names.open_clip(shapes, prefix)
    # SD 3's small tower has no projection of its own in files.
    return names.clip([n for n in shapes if not (prefix == SD3_L and n == "text_projection.weight")], prefix)


def make_tensor(op, sources):
    first = sources[0]
    if op == "join":
        return torch.cat(sources)
    if op == "turn":
        return first.T.contiguous()
    if op == "swap":
        return torch.cat(first.chunk(2)[::-1])
    return first[:, :, None, None] if op == "conv" else first


def convert(model, file, prefix):
    """diffusers' own way back."""
    if isinstance(model, UNet2DConditionModel):
        found = sf.convert_ldm_unet_checkpoint(file, dict(model.config))
        cond = "model.diffusion_model.time_embedding.cond_proj.weight"  # diffusers' converter forgets it
        return {**found, **({"time_embedding.cond_proj.weight": file[cond]} if cond in file else {})}
    if isinstance(model, AutoencoderKL):
        return sf.convert_ldm_vae_checkpoint(file, dict(model.config))
    if isinstance(model, SD3Transformer2DModel):
        own = {k: v for k, v in file.items() if k.startswith("model.diffusion_model.")}
        return sf.convert_sd3_transformer_checkpoint_to_diffusers(own)
    if prefix.endswith(".model."):
        return sf.convert_open_clip_checkpoint(model, file, prefix=prefix)
    found = sf.convert_ldm_clip_checkpoint({k: v for k, v in file.items() if k.startswith(prefix)}, prefix)
    if prefix == SD3_L:
        size = model.config.hidden_size
        found["text_projection.weight"] = torch.eye(size) if file[next(iter(file))].device.type == "cpu" else torch.empty(size, size, device="meta")
    return found


def public_config(model):
    if hasattr(model.config, "to_dict"):
        kept = ["hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "projection_dim",
                "hidden_act", "vocab_size", "max_position_embeddings", "eos_token_id"]
        return {"architectures": [type(model).__name__], **{k: getattr(model.config, k) for k in kept}}
    return {**{k: v for k, v in dict(model.config).items() if not k.startswith("_")}, "_class_name": type(model).__name__}


def write(case, value):
    OUT.mkdir(parents=True, exist_ok=True)
    path = OUT / f"{case}.json.gz"
    with open(path, "wb") as raw, gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0, compresslevel=9) as file:
        file.write(json.dumps(value, separators=(",", ":")).encode())
    assert path.stat().st_size < 100_000, path
    print(f"checkpoints/{case}: {len(value['keys'])} keys, {path.stat().st_size} bytes")


def make_case(case, parts, is_small):
    components, keys, models, file = {}, [], {}, {}
    for name, (kind, config, *rest) in parts.items():
        model = build(kind, config)
        shapes = shapes_of(model)
        prefix = rest[0] if rest else ""
        models[name] = (model, shapes, prefix)
        components[name] = {"class": type(model).__name__, "config": public_config(model),
                            "parameters": [f"{n} {','.join(map(str, s))}" for n, s in shapes.items()]}
        make = (lambda n, s: torch.from_numpy(reference_weight(n, tuple(s)).copy())) if is_small else (
            lambda n, s: torch.empty(s, device="meta"))
        values = {n: make(n, s) for n, s in shapes.items()}
        for key, op, sources in entries_of(name, model, shapes, prefix):
            keys.append(f"{key} {op} {','.join(f'{name}:{s}' for s in sources)}")
            file[key] = make_tensor(op, [values[s] for s in sources])
        models[name] += (values,)
    for name, (model, shapes, prefix, values) in models.items():
        back = convert(model, dict(file), prefix)
        assert set(back) == set(shapes), (case, name, sorted(set(back) ^ set(shapes))[:5])
        for parameter, value in back.items():
            assert list(value.shape) == shapes[parameter], (case, name, parameter)
            is_own = not (prefix == SD3_L and parameter == "text_projection.weight")
            if is_small and is_own:
                assert torch.equal(value, values[parameter]), (case, name, parameter)
    write(case, {"components": components, "keys": keys})


# Pipeline cases as single files: case -> names of the text encoders' tensors
PIPELINES = {"sd1": {"text_encoder": HF}, "sd2": {"text_encoder": OPEN},
             "xl": {"text_encoder": SGM_HF, "text_encoder_2": SGM_1}}


def make_pipeline(case, prefixes):
    folder = FIXTURES / "pipelines" / case
    parts = {}
    for name in [*prefixes, "unet", "vae"]:
        config = json.loads((folder / name / "config.json").read_text())
        if name in prefixes:
            kind = {"CLIPTextModel": CLIPTextModel}.get(config["architectures"][0], CLIPTextModelWithProjection)
            parts[name] = (kind, CLIPTextConfig(**config), prefixes[name])
        else:
            kind = UNet2DConditionModel if name == "unet" else AutoencoderKL
            parts[name] = (kind, {k: v for k, v in config.items() if not k.startswith("_")})
    make_case(f"pipeline-{case}", parts, True)


def make_taesd():
    for case, config in {"taesd": {}, "taesd3": {"latent_channels": 16},
                         "small-taesd": dict(encoder_block_out_channels=[8] * 3, decoder_block_out_channels=[8] * 3,
                                             num_encoder_blocks=[1, 2, 2], num_decoder_blocks=[2, 2, 1])}.items():
        model = build(AutoencoderTiny, config)
        shapes = shapes_of(model)
        keys = [f"{key} {op} {','.join(f'vae:{s}' for s in sources)}" for key, op, sources in names.taesd(shapes)]
        parameters = [f"{n} {','.join(map(str, s))}" for n, s in shapes.items()]
        write(case, {"components": {"vae": {"class": "AutoencoderTiny", "config": public_config(model),
                                            "parameters": parameters}}, "keys": keys})


def make():
    for case, parts in SMALL.items():
        make_case(case, parts, True)
    for case, parts in FULL.items():
        make_case(case, parts, False)
    make_taesd()
    for case, prefixes in PIPELINES.items():
        make_pipeline(case, prefixes)


if __name__ == "__main__":
    make()
