"""What bench/peers needs on disk: models, their diffusers folder, reference outputs and OpenVINO's form of the parts.

    python bench/peers/models.py FOLDER [--tiny] [--references CASE,…] [--openvino CASE,…]

FOLDER/{clip-l,sd-vae,sd1-unet,taesd}   as tools/reference/make_full_size.py writes them; kept where they are
FOLDER/sd15                              the same weights as a StableDiffusionPipeline, by links
FOLDER/references/CASE.safetensors       input.* and output.* of PyTorch, eager
FOLDER/openvino/CASE.xml                 f32, static shapes
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path

import torch
from diffusers import AutoencoderKL, AutoencoderTiny, StableDiffusionPipeline, UNet2DConditionModel
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools" / "reference"))

import make_full_size as full  # noqa: E402
from cases import randn  # noqa: E402
from make_clip import published_text_name  # noqa: E402
from names import OUTPUTS, PROMPT, parse_case  # noqa: E402

PICTURE_STEPS = 3
SEED = 1

TAESD = dict(latent_channels=4)
TINY = {
    "clip-l": {**full.CLIP_L, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "projection_dim": 32},
    "sd1-unet": dict(sample_size=8, cross_attention_dim=32, attention_head_dim=4, block_out_channels=[32, 64],
                     down_block_types=["CrossAttnDownBlock2D", "DownBlock2D"], up_block_types=["UpBlock2D", "CrossAttnUpBlock2D"]),
    "sd-vae": {**full.VAE, "block_out_channels": [32, 32, 32, 32], "layers_per_block": 1, "sample_size": 64},
    "taesd": dict(latent_channels=4, encoder_block_out_channels=[8] * 4, decoder_block_out_channels=[8] * 4,
                  num_encoder_blocks=[1] * 4, num_decoder_blocks=[1] * 4),
}
FULL = {"clip-l": full.CLIP_L, "sd1-unet": full.SD1_UNET, "sd-vae": full.VAE, "taesd": TAESD}
CLASSES = {"sd1-unet": UNet2DConditionModel, "sd-vae": AutoencoderKL, "taesd": AutoencoderTiny}
FOLDERS = {"unet": "sd1-unet", "vae": "sd-vae", "text_encoder": "clip-l"}
SCHEDULER = dict(_class_name="EulerDiscreteScheduler", _diffusers_version="0.42.1", beta_start=0.00085, beta_end=0.012,
                 beta_schedule="scaled_linear", num_train_timesteps=1000, prediction_type="epsilon",
                 timestep_spacing="linspace", steps_offset=0)
INDEX = dict(
    _class_name="StableDiffusionPipeline", _diffusers_version="0.42.1", feature_extractor=[None, None],
    safety_checker=[None, None], requires_safety_checker=False, scheduler=["diffusers", "EulerDiscreteScheduler"],
    text_encoder=["transformers", "CLIPTextModel"], tokenizer=["transformers", "CLIPTokenizer"],
    unet=["diffusers", "UNet2DConditionModel"], vae=["diffusers", "AutoencoderKL"])


def write_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2) + "\n")


def write_component(target, name, config):
    """One model with the weights of the weight function, unless it is there."""
    weights = target / "diffusion_pytorch_model.safetensors"
    if weights.exists() and (target / "config.json").exists():
        return
    target.mkdir(parents=True, exist_ok=True)
    if name == "clip-l":
        with torch.device("meta"):
            model = CLIPTextModel(CLIPTextConfig(**config))
        shapes = {published_text_name(key): tuple(value.shape) for key, value in model.named_parameters()}
        write_json(target / "config.json", {**config, "_class_name": "CLIPTextModel"})
    else:
        with torch.device("meta"):
            model = CLASSES[name](**config)
        shapes = {key: tuple(value.shape) for key, value in model.named_parameters()}
        write_json(target / "config.json", {**config, "_class_name": CLASSES[name].__name__})
    partial = weights.with_suffix(".part")
    full.write_weights(partial, shapes)
    partial.rename(weights)


def link(path, target):
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_symlink():
        path.symlink_to(os.path.relpath(target, path.parent))


def byte_symbols():
    """GPT-2's printable stand-ins of all bytes in the order of CLIP's vocabulary."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    return [chr(b) for b in printable] + [chr(256 + i) for i in range(256 - len(printable))]


def write_tokenizer(folder):
    lines = (ROOT / "assets" / "clip-tokenizer" / "merges.txt").read_text().split("\n")
    pairs = [line for line in lines if line and not line.startswith("#version")]
    symbols = byte_symbols()
    words = symbols + [s + "</w>" for s in symbols] + [pair.replace(" ", "") for pair in pairs]
    words += ["<|startoftext|>", "<|endoftext|>"]
    write_json(folder / "vocab.json", {word: i for i, word in enumerate(words)})
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(pairs) + "\n")
    write_json(folder / "tokenizer_config.json", dict(
        bos_token="<|startoftext|>", eos_token="<|endoftext|>", unk_token="<|endoftext|>", pad_token="<|endoftext|>",
        model_max_length=77, tokenizer_class="CLIPTokenizer"))


def write_pipeline(folder, configs):
    """The layout of diffusers over the components, without a second copy of a weight."""
    pipeline = folder / "sd15"
    for place, name in FOLDERS.items():
        config = dict(configs[name])
        if place == "text_encoder":
            config |= dict(architectures=["CLIPTextModel"], model_type="clip_text_model", pad_token_id=1)
            file = "model.safetensors"
        else:
            config |= dict(_class_name=CLASSES[name].__name__)
            file = "diffusion_pytorch_model.safetensors"
        write_json(pipeline / place / "config.json", config)
        link(pipeline / place / file, folder / name / "diffusion_pytorch_model.safetensors")
    write_json(pipeline / "scheduler" / "scheduler_config.json", SCHEDULER)
    write_json(pipeline / "model_index.json", INDEX)
    write_tokenizer(pipeline / "tokenizer")


def load(folder, part):
    """The module of a part, as a user of the library loads it."""
    pipeline = folder / "sd15"
    if part == "unet":
        return UNet2DConditionModel.from_pretrained(pipeline, subfolder="unet").eval()
    if part == "text":
        return CLIPTextModel.from_pretrained(pipeline / "text_encoder", dtype=torch.float32).eval()
    if part == "taesd":
        return AutoencoderTiny.from_pretrained(folder / "taesd").eval()
    return AutoencoderKL.from_pretrained(pipeline, subfolder="vae").eval()


def inputs_of(folder, part, side, batch):
    name = f"peers/{part}"
    if part == "text":
        ids = torch.full((batch, 77), 49407)
        ids[:, 0] = 49406
        for row in range(batch):
            length = 8 + 67 * (row % 2)
            ids[row, 1 : 1 + length] = (torch.arange(length) * 601 + 97 * row) % 49000
        return {"input_ids": ids}
    if part == "encode":
        return {"picture": randn(name, batch, 3, side, side).clamp(-1, 1)}
    latents = randn(name, batch, 4, side // 8, side // 8)
    if part in ("decode", "taesd"):
        return {"latents": latents}
    width = json.loads((folder / "sd15/unet/config.json").read_text())["cross_attention_dim"]
    timesteps = torch.full((batch,), 801.0)
    return {"sample": latents, "timestep": timesteps, "encoder_hidden_states": randn(f"{name}/states", batch, 77, width)}


class Whole(torch.nn.Module):
    """One part as a function from its inputs to a tuple, the form tracers take."""

    def __init__(self, part, model):
        super().__init__()
        self.part, self.model = part, model

    def forward(self, *inputs):
        if self.part == "unet":
            return (self.model(*inputs, return_dict=False)[0],)
        if self.part == "text":
            return (self.model(inputs[0]).last_hidden_state,)
        if self.part == "encode":
            coded = self.model.encode(inputs[0]).latent_dist
            return (coded.mean, coded.logvar)
        return (self.model.decode(inputs[0], return_dict=False)[0],)


def write_reference(folder, case):
    path = folder / "references" / f"{case}.safetensors"
    if path.exists():
        return
    part, side, batch = parse_case(case)
    inputs = inputs_of(folder, part, side, batch)
    started = time.perf_counter()
    results = Whole(part, load(folder, part))(*inputs.values())
    tensors = {f"input.{key}": value for key, value in inputs.items()}
    tensors |= {f"output.{key}": value for key, value in zip(OUTPUTS[part], results)}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({key: value.contiguous() for key, value in tensors.items()}, f"{path}.part")
    os.replace(f"{path}.part", path)
    print(f"{case}: reference, {time.perf_counter() - started:.0f} s", flush=True)


def write_openvino(folder, case):
    path = folder / "openvino" / f"{case}.xml"
    if path.exists():
        return
    import openvino

    part, side, batch = parse_case(case)
    inputs = inputs_of(folder, part, side, batch)
    started = time.perf_counter()
    module = Whole(part, load(folder, part)).eval()
    shapes = [list(value.shape) for value in inputs.values()]
    model = openvino.convert_model(module, example_input=tuple(inputs.values()), input=shapes)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"part-{path.name}")
    openvino.save_model(model, partial, compress_to_fp16=False)
    os.replace(partial.with_suffix(".bin"), path.with_suffix(".bin"))
    os.replace(partial, path)
    print(f"{case}: OpenVINO, {time.perf_counter() - started:.0f} s", flush=True)


def write_picture(folder, side):
    """The first noise and the picture PyTorch makes of it."""
    path = folder / "references" / f"picture-{side}.png"
    if path.exists():
        return
    pipeline = StableDiffusionPipeline.from_pretrained(folder / "sd15")
    noise = torch.randn((1, 4, side // 8, side // 8), generator=torch.Generator().manual_seed(SEED))
    picture = pipeline(PROMPT, height=side, width=side, num_inference_steps=PICTURE_STEPS, guidance_scale=7.5, latents=noise).images[0]
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({"latents": noise}, path.with_suffix(".safetensors"))
    picture.save(path)
    print(f"picture-{side}: reference", flush=True)


def make(folder, configs):
    folder.mkdir(parents=True, exist_ok=True)
    for name, config in configs.items():
        write_component(folder / name, name, config)
    write_pipeline(folder, configs)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--references", default="")
    parser.add_argument("--openvino", default="")
    options = parser.parse_args()
    torch.set_num_threads(2)
    with torch.no_grad():
        make(options.folder, TINY if options.tiny else FULL)
        for case in filter(None, options.references.split(",")):
            if case.startswith("picture-"):
                write_picture(options.folder, int(case.removeprefix("picture-")))
            else:
                write_reference(options.folder, case)
        for case in filter(None, options.openvino.split(",")):
            write_openvino(options.folder, case)
