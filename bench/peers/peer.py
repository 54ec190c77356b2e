"""One visit of a peer: loads, runs, compares with the reference; the last line it prints is JSON.

    python peer.py part FOLDER CASE MODE WARMUPS REPEATS     MODE: eager | channels_last | compile | openvino
    python peer.py gemm SIDE REPEATS
    python peer.py versions
    python peer.py picture FOLDER SIDE MODE STEPS OUT.png

MALIANG_PEER_CACHE names the folder where a mode may keep compiled models.
"""

import json
import os
import sys
import time
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from names import INPUTS, OUTPUTS, PROMPT, parse_case

CACHE = os.environ.get("MALIANG_PEER_CACHE")
if CACHE:
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = CACHE
STARTED = float(os.environ["MALIANG_PEER_STARTED"]) / 1000  # s since 1970, when the bench started this process
THREADS = 2


def since_start():
    return 1000 * (time.time() - STARTED)


def told(**values):
    print(json.dumps(values), flush=True)


def distance(actual, expected):
    """Largest difference over max(1, max |reference|), over all outputs."""
    worst = 0.0
    for ours, reference in zip(actual, expected, strict=True):
        if ours.shape != reference.shape or not np.isfinite(ours).all():
            return float("inf")
        worst = max(worst, float(np.abs(ours - reference).max() / max(1, np.abs(reference).max())))
    return worst


def read_case(folder, case):
    from safetensors.numpy import load_file

    tensors = load_file(folder / "references" / f"{case}.safetensors")
    part, _, _ = parse_case(case)
    inputs = {name: tensors[f"input.{name}"] for name in INPUTS[part]}
    return inputs, [tensors[f"output.{name}"] for name in OUTPUTS[part]]


def openvino_settings():
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": THREADS, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY"}
    return {**settings, "CACHE_DIR": CACHE} if CACHE else settings


def openvino_call(core, path):
    request = core.compile_model(path, "CPU", openvino_settings()).create_infer_request()

    def call(*inputs):
        results = request.infer(list(inputs), share_inputs=True, share_outputs=True)
        return [results[i] for i in range(len(results))]

    return call


def openvino_part(folder, case, inputs):
    import openvino

    call = openvino_call(openvino.Core(), folder / "openvino" / f"{case}.xml")
    return lambda: call(*inputs.values())


def in_mode(module, mode):
    import torch

    if mode == "channels_last":
        return module.to(memory_format=torch.channels_last)
    return torch.compile(module) if mode == "compile" else module


def torch_part(folder, case, mode, inputs):
    import torch

    import models

    torch.set_num_threads(THREADS)
    torch.set_grad_enabled(False)
    part, _, _ = parse_case(case)
    module = in_mode(models.Whole(part, models.load(folder, part)), mode)
    given = [torch.from_numpy(value) for value in inputs.values()]
    if mode == "channels_last":
        given = [x.contiguous(memory_format=torch.channels_last) if x.dim() == 4 else x for x in given]
    return lambda: module(*given)


def run_part(folder, case, mode, warmups, repeats):
    inputs, expected = read_case(folder, case)
    call = openvino_part(folder, case, inputs) if mode == "openvino" else torch_part(folder, case, mode, inputs)
    results = call()
    first = since_start()
    off = distance([np.asarray(value) for value in results], expected)
    told(firstEndMs=first, distance=off, milliseconds=measured(call, warmups - 1, repeats))


def measured(call, warmups, repeats):
    times = []
    for run in range(max(0, warmups) + repeats):
        started = time.perf_counter()
        call()
        if run >= warmups:
            times.append(1000 * (time.perf_counter() - started))
    return times


def run_gemm(side, repeats):
    import torch

    torch.set_num_threads(THREADS)
    a, b = torch.randn(side, side), torch.randn(side, side)
    told(milliseconds=measured(lambda: a @ b, 3, repeats))


def torch_picture(folder, side, mode, steps, mark):
    import torch
    from diffusers import StableDiffusionPipeline
    from safetensors.torch import load_file

    torch.set_num_threads(THREADS)
    pipeline = StableDiffusionPipeline.from_pretrained(folder / "sd15")
    pipeline.set_progress_bar_config(disable=True)
    pipeline.unet, pipeline.vae = in_mode(pipeline.unet, mode), in_mode(pipeline.vae, mode)
    noise = load_file(folder / "references" / f"picture-{side}.safetensors")["latents"]

    def step_end(_pipeline, _step, _timestep, values):
        mark()
        return values

    return pipeline(PROMPT, height=side, width=side, num_inference_steps=steps, guidance_scale=7.5,
                    latents=noise, callback_on_step_end=step_end).images[0]


def openvino_picture(folder, side, steps, mark):
    """The pipeline by hand, so that neither PyTorch nor its copies of the weights are there."""
    import openvino
    from PIL import Image
    from safetensors.numpy import load_file
    from transformers import CLIPTokenizer

    core, place = openvino.Core(), folder / "openvino"
    tokenizer = CLIPTokenizer.from_pretrained(folder / "sd15" / "tokenizer")
    ids = tokenizer(["", PROMPT], padding="max_length", max_length=77, truncation=True)["input_ids"]
    text = openvino_call(core, place / f"text-{side}x2.xml")
    states = text(np.asarray(ids, dtype=np.int64))[0].copy()
    unet = openvino_call(core, place / f"unet-{side}x2.xml")
    decode = openvino_call(core, place / f"decode-{side}x1.xml")
    betas = np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    levels = ((1 - np.cumprod(1 - betas)) / np.cumprod(1 - betas)) ** 0.5
    timesteps = np.linspace(999, 0, steps)
    sigmas = np.append(np.interp(timesteps, np.arange(1000), levels), 0).astype(np.float32)
    x = load_file(folder / "references" / f"picture-{side}.safetensors")["latents"] * sigmas[0]
    for step, timestep in enumerate(timesteps.astype(np.float32)):
        scaled = np.repeat(x / (sigmas[step] ** 2 + 1) ** 0.5, 2, axis=0)
        without, guided = unet(scaled, np.full(2, timestep, dtype=np.float32), states)[0]
        x = x + (without + 7.5 * (guided - without)) * (sigmas[step + 1] - sigmas[step])
        mark()
    picture = decode((x / 0.18215).astype(np.float32))[0][0]
    levels = (np.clip(picture / 2 + 0.5, 0, 1) * 255).round().astype(np.uint8)
    return Image.fromarray(levels.transpose(1, 2, 0))


def run_picture(folder, side, mode, steps, out):
    ends = []
    mark = lambda: ends.append(since_start())  # noqa: E731
    draw = openvino_picture if mode == "openvino" else torch_picture
    picture = draw(folder, side, steps, mark) if mode == "openvino" else draw(folder, side, mode, steps, mark)
    picture.save(out)
    told(stepEndMs=ends, endMs=since_start())


if __name__ == "__main__":
    what, *rest = sys.argv[1:]
    if what == "part":
        run_part(Path(rest[0]), rest[1], rest[2], int(rest[3]), int(rest[4]))
    elif what == "gemm":
        run_gemm(int(rest[0]), int(rest[1]))
    elif what == "picture":
        run_picture(Path(rest[0]), int(rest[1]), rest[2], int(rest[3]), rest[4])
    elif what == "versions":
        told(**{name: version(name) for name in ("torch", "diffusers", "transformers", "openvino") if find_spec(name)})
    else:
        sys.exit(__doc__)
