"""LoRAs in every naming, added by diffusers' own loaders.

test/fixtures/lora/<model>/            config.json of every component, weights by the weight function
test/fixtures/lora/<model>/<case>/     LoRA files, case.json (which, how much) and merged.safetensors:
                                       `<component>.<parameter>` of every parameter they change
Needs peft beside requirements' other packages.
"""

import json
import shutil

import torch
from diffusers import (
    AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, StableDiffusionXLPipeline, UNet2DConditionModel,
)
from peft import LoraConfig, PeftModel
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

import original_names
from cases import published_shapes
from make_clip import published_text_name
from packing import FIXTURES, versions
from tiny_tokenizer import tiny_tokenizer
from weights import fill, reference_weight

OUT = FIXTURES / "lora"
TOKENS = 12


def text(kind, width=8):
    tokenizer = tiny_tokenizer(TOKENS, merges=0)
    return kind(CLIPTextConfig(hidden_size=width, intermediate_size=2 * width, num_hidden_layers=2, num_attention_heads=2,
                               vocab_size=len(tokenizer), max_position_embeddings=TOKENS, projection_dim=6,
                               hidden_act="quick_gelu", eos_token_id=2, bos_token_id=0, pad_token_id=1)), tokenizer


def vae():
    return AutoencoderKL(block_out_channels=[4], down_block_types=["DownEncoderBlock2D"],
                         up_block_types=["UpDecoderBlock2D"], norm_num_groups=2)


def sd1():
    encoder, tokenizer = text(CLIPTextModel)
    unet = UNet2DConditionModel(sample_size=8, block_out_channels=[4, 8], cross_attention_dim=8, norm_num_groups=2,
                                layers_per_block=1, attention_head_dim=2,
                                down_block_types=["CrossAttnDownBlock2D", "DownBlock2D"],
                                up_block_types=["UpBlock2D", "CrossAttnUpBlock2D"])
    return StableDiffusionPipeline(vae=vae(), text_encoder=encoder, tokenizer=tokenizer, unet=unet,
                                   scheduler=DDIMScheduler(), safety_checker=None, feature_extractor=None,
                                   requires_safety_checker=False)


def sdxl():
    first, tokenizer = text(CLIPTextModel)
    second, tokenizer_2 = text(CLIPTextModelWithProjection)
    unet = UNet2DConditionModel(
        sample_size=8, block_out_channels=[4, 8], layers_per_block=1, cross_attention_dim=16, norm_num_groups=2,
        down_block_types=["DownBlock2D", "CrossAttnDownBlock2D"], up_block_types=["CrossAttnUpBlock2D", "UpBlock2D"],
        attention_head_dim=[1, 2], transformer_layers_per_block=[1, 2], use_linear_projection=True,
        addition_embed_type="text_time", addition_time_embed_dim=4, projection_class_embeddings_input_dim=6 * 4 + 6)
    return StableDiffusionXLPipeline(vae=vae(), text_encoder=first, tokenizer=tokenizer, text_encoder_2=second,
                                     tokenizer_2=tokenizer_2, unet=unet, scheduler=DDIMScheduler())


MODELS = {"sd1": sd1, "sdxl": sdxl}


def components(pipeline):
    parts = {name: getattr(pipeline, name, None) for name in ("unet", "text_encoder", "text_encoder_2")}
    return {name: part for name, part in parts.items() if part is not None}


def published(name, part):
    return published_text_name(name) if isinstance(part, CLIPTextModel) else name


def state(pipeline):
    return {f"{key}.{published(n, part)}": t.detach().clone() for key, part in components(pipeline).items()
            for n, t in part.state_dict().items()}


def modules(part, pattern):
    """Layers whose weight can take an addition."""
    return {n: m for n, m in part.named_modules() if isinstance(m, (torch.nn.Linear, torch.nn.Conv2d)) and pattern(n)}


def halves(module, rank):
    out, inner, *kernel = module.weight.shape
    ones = [1] * len(kernel)
    return [rank, inner, *kernel], [out, rank, *ones]


def value(key, shape, rank=None):
    return torch.from_numpy(reference_weight(key, tuple(shape), rank).copy())


def ranks(names):
    return {name: 2 + i % 3 for i, name in enumerate(sorted(names))}


def kohya(part, prefix, pattern, spell, with_alpha=lambda i: True):
    """kohya's names: underscores, and alpha as a tensor."""
    found = modules(part, pattern)
    tensors = {}
    for i, (name, rank) in enumerate(ranks(found).items()):
        layer = prefix + spell(name).replace(".", "_")
        down, up = halves(found[name], rank)
        tensors[f"{layer}.lora_down.weight"] = value(f"{layer}.lora_down.weight", down)
        tensors[f"{layer}.lora_up.weight"] = value(f"{layer}.lora_up.weight", up)
        if with_alpha(i):
            # diffusers loses alphas of attention layers that differ from the most frequent one.
            tensors[f"{layer}.alpha"] = torch.tensor(1.5 if isinstance(found[name], torch.nn.Conv2d) else 3.0)
    return tensors


def dotted(part, prefix, pattern, down_name, up_name, spell=lambda n: n, rank=None):
    found = modules(part, pattern)
    tensors = {}
    for name, r in ranks(found).items():
        down, up = halves(found[name], rank or r)
        layer = prefix + spell(name)
        tensors[f"{layer}{down_name}"] = value(f"{layer}{down_name}", down)
        tensors[f"{layer}{up_name}"] = value(f"{layer}{up_name}", up)
    return tensors


def attention(name):
    return any(name.endswith(end) for end in (".to_q", ".to_k", ".to_v", ".to_out.0"))


def clip_layers(name):
    return name.endswith(("_proj", "fc1", "fc2")) and "text_projection" not in name


def with_text_model(name):
    return name if name.startswith(("text_model.", "text_projection")) else f"text_model.{name}"


def old_attention(name):
    """Before layers had names of their own in diffusers' files."""
    path, layer = name.rsplit(".to_", 1) if ".to_out.0" not in name else (name[: -len(".to_out.0")], "out")
    return f"{path}.processor.to_{layer}_lora"


def old_clip(name):
    path, layer = with_text_model(name).rsplit(".", 1)
    return f"{path}.to_{layer.removesuffix('_proj')}_lora"


def sgm(unet):
    config = dict(unet.config)
    return lambda name: original_names.unet_key(f"{name}.weight", config).removesuffix(".weight")


def case_files(pipeline, case):
    """The files of a case: name -> (tensors, metadata)."""
    unet, te = pipeline.unet, pipeline.text_encoder
    te2 = getattr(pipeline, "text_encoder_2", None)
    everywhere = lambda n: "time_embedding" not in n
    if case in ("kohya", "kohya-half", "kohya-some-alphas"):
        partly = (lambda i: i % 3 > 0) if case == "kohya-some-alphas" else (lambda i: True)
        tensors = kohya(unet, "lora_unet_", everywhere if case == "kohya" else attention, lambda n: n, partly)
        tensors |= kohya(te, "lora_te_", clip_layers, with_text_model, lambda i: False)
        if case == "kohya-half":
            tensors = {k: t.half() for k, t in tensors.items()}
        return {"lora": (tensors, None)}
    if case == "kohya-sgm":
        tensors = kohya(unet, "lora_unet_", lambda n: True, sgm(unet))
        tensors |= kohya(te, "lora_te1_", clip_layers, with_text_model, lambda i: False)
        tensors |= kohya(te2, "lora_te2_", lambda n: clip_layers(n), with_text_model, lambda i: False)
        return {"lora": (tensors, None)}
    if case == "diffusers-processors":
        tensors = dotted(unet, "unet.", attention, ".down.weight", ".up.weight", old_attention)
        old = lambda n: n.endswith("_proj") and "self_attn" in n
        tensors |= dotted(te, "text_encoder.", old, ".down.weight", ".up.weight", old_clip)
        return {"lora": (tensors, None)}
    if case == "diffusers-layers":
        tensors = dotted(unet, "unet.", attention, ".lora.down.weight", ".lora.up.weight")
        tensors |= dotted(te, "text_encoder.", clip_layers, ".lora_linear_layer.down.weight",
                          ".lora_linear_layer.up.weight", with_text_model)
        return {"lora": (tensors, None)}
    if case == "peft-metadata":
        tensors = dotted(unet, "unet.", everywhere, ".lora_A.weight", ".lora_B.weight", rank=3)
        tensors |= dotted(te, "text_encoder.", clip_layers, ".lora_A.weight", ".lora_B.weight", with_text_model, rank=2)
        targets = lambda part, pattern: sorted(modules(part, pattern))
        settings = {"unet.r": 3, "unet.lora_alpha": 5, "unet.use_rslora": True,
                    "unet.alpha_pattern": {"conv_in": 2, "attn2.to_k": 7}, "unet.target_modules": targets(unet, everywhere),
                    "text_encoder.r": 2, "text_encoder.lora_alpha": 3,
                    "text_encoder.target_modules": targets(te, clip_layers)}
        return {"lora": (tensors, {"format": "pt", "lora_adapter_metadata": json.dumps(settings)})}
    if case == "several":
        first = kohya(unet, "lora_unet_", attention, lambda n: n) | kohya(te, "lora_te_", clip_layers, with_text_model, lambda i: False)
        second = dotted(unet, "unet.", lambda n: "ff" in n or n.endswith("to_q"), ".lora_A.weight", ".lora_B.weight")
        return {"first": (first, None), "second": (second, None)}
    raise ValueError(case)


CASES = {"sd1": ["kohya", "kohya-half", "kohya-some-alphas", "diffusers-processors", "diffusers-layers", "peft-metadata",
                 "several", "peft-folder"],
         "sdxl": ["kohya-sgm"]}
WEIGHTS = {"several": [0.7, -0.4], "kohya-half": [0.8], "kohya-sgm": [1.2]}


def merge(pipeline, folder, files, weights):
    """What diffusers makes of the files, fused into the weights."""
    with_config = {"unet_config": pipeline.unet.config} if isinstance(pipeline, StableDiffusionXLPipeline) else {}
    adapters = []
    for name in files:
        pipeline.load_lora_weights(str(folder), weight_name=f"{name}.safetensors", adapter_name=name)
        adapters.append(name)
    pipeline.set_adapters(adapters, adapter_weights=weights)
    pipeline.fuse_lora(components=list(components(pipeline)), adapter_names=adapters)
    pipeline.unload_lora_weights()


def peft_folder(pipeline, folder):
    """An adapter as PEFT itself saves it."""
    config = LoraConfig(r=3, lora_alpha=4, target_modules=["to_q", "to_v", "conv1"], rank_pattern={"conv1": 2},
                        alpha_pattern={"conv1": 5})
    model = PeftModel(pipeline.unet, config)
    for name, tensor in model.named_parameters():
        if "lora_" in name:
            tensor.data.copy_(value(name, tensor.shape))
    model.save_pretrained(folder)
    for name in ("README.md",):
        (folder / name).unlink(missing_ok=True)
    pipeline.unet = model.merge_and_unload()


def make_case(model, case):
    pipeline = MODELS[model]()
    pipeline.set_progress_bar_config(disable=True)
    for key, part in components(pipeline).items():
        part.eval().requires_grad_(False)
        fill(part, lambda n, part=part: published(n, part))
    before = state(pipeline)
    folder = OUT / model / case
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if case == "peft-folder":
        with torch.no_grad():
            peft_folder(pipeline, folder)
        files, weights = ["."], [1]
    else:
        found = case_files(pipeline, case)
        for name, (tensors, metadata) in found.items():
            save_file(tensors, folder / f"{name}.safetensors", metadata=metadata)
        files, weights = list(found), WEIGHTS.get(case, [1.0] * len(found))
        merge(pipeline, folder, files, weights)
    after = state(pipeline)
    changed = {k: t.contiguous() for k, t in after.items() if not torch.equal(t, before[k])}
    assert set(after) == set(before) and changed, case
    save_file(changed, folder / "merged.safetensors", metadata={"made_with": json.dumps(versions())})
    loras = [{"file": f if f == "." else f"{f}.safetensors", "weight": w} for f, w in zip(files, weights)]
    (folder / "case.json").write_text(json.dumps({"loras": loras}, indent=1) + "\n")
    biggest = max(p.stat().st_size for p in folder.iterdir())
    assert biggest < 400_000, biggest
    print(f"lora/{model}/{case}: {len(changed)} of {len(before)} changed, largest file {biggest} bytes")


def make_model(model):
    pipeline = MODELS[model]()
    for key, part in components(pipeline).items():
        folder = OUT / model / key
        folder.mkdir(parents=True, exist_ok=True)
        part.save_config(folder) if hasattr(part, "save_config") else part.config.save_pretrained(folder)
        shapes = published_shapes(part, fill(part, lambda n, part=part: published(n, part)))
        if not hasattr(part, "save_config"):
            config = json.loads((folder / "config.json").read_text())
            config["architectures"] = [type(part).__name__]
            (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
        (folder / "parameters.txt").write_text("".join(f"{n} {','.join(map(str, s))}\n" for n, s in shapes.items()))


def make():
    for model, cases in CASES.items():
        shutil.rmtree(OUT / model, ignore_errors=True)
        for case in cases:
            make_case(model, case)
        make_model(model)


if __name__ == "__main__":
    make()
