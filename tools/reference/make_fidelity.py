"""Fixtures fidelity/*.safetensors: every sampler on every family of models, drawn by diffusers.

test/fixtures/fidelity/<family>.safetensors
    <row>.latents   f32 [steps, c, h, w], after every step, or the last one alone
    <row>.picture   u8 [h, w, 3]
    metadata        model: the pipeline case whose folder holds the model; scheduler: its scheduler_config.json where
                    it is another than in the folder; call; rows: name (null for the model's own sampler), className,
                    config, schedule, timesteps, unsteady: how far the latents move when the network's outputs move by
                    their last bits; refused: what diffusers fails at or answers with NaN; made_with
test/fixtures/fidelity/{picture,mask}.png   what the refiner and the inpainting model start from

A row switches the sampler as users of diffusers do: `Class.from_config(pipeline.scheduler.config)`, with the
keys of `config`, and with flow sigmas and the model's shift where a solver runs a flow.
"""

import json
import logging
import sys
import tempfile
import warnings
from pathlib import Path

import diffusers
import numpy as np
import torch
from safetensors.torch import save_file

from make_pipelines import CASES, built, drawing, fill_pipeline, mask_drawing, trace
from packing import FIXTURES, versions

UNSTEADY = 2e-5  # a fifth of what the tests allow; take another seed where a row is above
# A line of 0.1 % of the values needs thousands of them: 3 in 2,304 that round the other way are beyond it by chance.
SIDES = 64, 48
SIZE = dict(width=SIDES[0], height=SIDES[1])
STEPS = dict(num_inference_steps=4)
PART = dict(num_inference_steps=6)  # of which the strength leaves some

# Files that leave out what the pipelines correct, whose ends not every class declares, of a model trained as EDM.
SHORT_FILE = dict(_class_name="PNDMScheduler", beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
ENDS_FILE = dict(_class_name="EulerDiscreteScheduler", beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
                 sigma_min=0.1, sigma_max=9.0, use_karras_sigmas=True, steps_offset=1)
EDM_FILE = dict(_class_name="EDMEulerScheduler", sigma_max=80.0, sigma_data=0.5, prediction_type="epsilon")

# family: the pipeline case that has its model, the arguments of the call, another scheduler_config.json
FAMILIES = {
    "sd1": ("sd1", dict(prompt="the house by the sea at night", guidance_scale=7.5, seed=101, **SIZE, **STEPS)),
    "sd2-v-prediction": ("sd2", dict(prompt="the house by the sea", negative_prompt="flat", guidance_scale=3.0, seed=102,
                                     height=56, width=64, **STEPS)),
    "sd1-inpainting": ("sd1-inpainting", dict(prompt="one large cat", image="picture.png", mask_image="mask.png", strength=1.0,
                                              guidance_scale=5.0, seed=103, **SIZE, **STEPS)),
    "lcm": ("lcm", dict(prompt="a red apple", guidance_scale=8.0, seed=104, **SIZE, **STEPS)),
    "sdxl": ("xl", dict(prompt="three small cats", negative_prompt="rain", guidance_scale=5.0, seed=105, **SIZE, **STEPS)),
    "sdxl-refiner": ("xl-refiner", dict(prompt="a bird's nest", image="picture.png", strength=0.6, guidance_scale=5.0,
                                        num_inference_steps=7, seed=106)),
    "sd3": ("sd3", dict(prompt="the house by the sea at night", negative_prompt="rain", guidance_scale=5.0,
                        max_sequence_length=14, seed=107, **SIZE, **STEPS)),
    "sd3-dynamic-shift": ("sd3-without-t5", dict(prompt="three small cats", guidance_scale=6.0, max_sequence_length=9,
                                                 seed=108, **SIZE, **STEPS)),
    "sd1-short-file": ("sd1", dict(prompt="a simple star", guidance_scale=2.0, seed=109, **SIZE, **STEPS), SHORT_FILE),
    "sd1-sigma-ends": ("sd1", dict(prompt="a big dog", guidance_scale=5.0, seed=111, **SIZE, **STEPS), ENDS_FILE),
    "sdxl-edm": ("xl", dict(prompt="a red apple", guidance_scale=3.0, seed=110, **SIZE, **STEPS), EDM_FILE),
    "sd1-image": ("sd1-image", dict(prompt="a red house", image="picture.png", strength=0.7, guidance_scale=6.0, seed=112, **PART)),
    "sd1-mask": ("sd1-mask", dict(prompt="a red house", image="picture.png", mask_image="mask.png", strength=0.8,
                                  guidance_scale=6.0, seed=113, **SIZE, **PART)),
    "sd2-image": ("sd2-image", dict(prompt="the sea", image="picture.png", strength=0.7, guidance_scale=3.0, seed=114, **PART)),
    "sdxl-image": ("xl-image", dict(prompt="two large dogs", image="picture.png", strength=0.6, guidance_scale=5.0, seed=115, **PART)),
    "sdxl-mask": ("xl-mask", dict(prompt="two large dogs", negative_prompt="rain", image="picture.png", mask_image="mask.png",
                                  strength=0.9, guidance_scale=5.0, seed=116, **SIZE, **PART)),
    "sdxl-inpainting": ("xl-inpainting", dict(prompt="a star", image="picture.png", mask_image="mask.png", strength=0.99,
                                              guidance_scale=5.0, seed=117, **SIZE, **STEPS)),
    "sd3-image": ("sd3-image", dict(prompt="a red house", image="picture.png", strength=0.7, guidance_scale=4.0,
                                    max_sequence_length=14, seed=118, **SIZE, **PART)),
    "sd3-mask": ("sd3-mask", dict(prompt="a red house", image="picture.png", mask_image="mask.png", strength=0.8,
                                  guidance_scale=4.0, max_sequence_length=14, seed=119, **SIZE, **PART)),
}

FLOW_CLASSES = ["FlowMatchEulerDiscreteScheduler", "FlowMatchHeunDiscreteScheduler"]
FLOW_SOLVERS = ["DPMSolverMultistepScheduler", "DPMSolverSinglestepScheduler", "DEISMultistepScheduler",
                "UniPCMultistepScheduler"]
RESPACED = ["EulerDiscreteScheduler", "HeunDiscreteScheduler", "LMSDiscreteScheduler", "KDPM2DiscreteScheduler",
            "KDPM2AncestralDiscreteScheduler", "DPMSolverSDEScheduler", *FLOW_SOLVERS]
DIFFUSION_CLASSES = ["DDIMScheduler", "DDPMScheduler", "EulerAncestralDiscreteScheduler", "LCMScheduler", "PNDMScheduler",
                     "TCDScheduler", *RESPACED]


def multistep(algorithm_type, solver_order, solver_type="midpoint"):
    settings = dict(algorithm_type=algorithm_type, solver_order=solver_order, solver_type=solver_type)
    return "DPMSolverMultistepScheduler", settings


# Samplers that a class is only with keys of its own, by the names of stable-diffusion-webui and Maliang.
NAMED = {
    "DPM++ 3M": multistep("dpmsolver++", 3),
    "DPM++ 2M SDE": multistep("sde-dpmsolver++", 2),
    "DPM++ 2M SDE Heun": multistep("sde-dpmsolver++", 2, "heun"),
    "PLMS": ("PNDMScheduler", dict(skip_prk_steps=True)),
    "DDIM Trailing": ("DDIMScheduler", dict(timestep_spacing="trailing")),
}


def rows_of(family):
    """Name, class, keys and schedule of every row."""
    if family in ("sd3-image", "sd3-mask"):  # the solvers lack the scale_noise these pipelines of diffusers ask for
        return [(name, name, {}, None) for name in FLOW_CLASSES]
    if family.startswith("sd3"):
        named = [(name, *row, None) for name, row in NAMED.items() if row[0] in FLOW_SOLVERS]
        return [(name, name, {}, None) for name in FLOW_CLASSES + FLOW_SOLVERS] + named
    if family == "sdxl-edm":
        return [(None, "EDMEulerScheduler", dict(sigma_schedule=name), name) for name in ("karras", "exponential")]
    if family == "sd1-sigma-ends":
        return [(None, "EulerDiscreteScheduler", {}, None)] + [(name, name, {}, None) for name in RESPACED]
    plain = [(name, name, {}, None) for name in DIFFUSION_CLASSES]
    if family == "sd1-short-file":
        return [(None, "PNDMScheduler", {}, None), *plain]
    return plain + [(name, *row, None) for name, row in NAMED.items()]


def schedule_rows():
    return [(name, name, {}, schedule) for name in RESPACED for schedule in ("karras", "exponential", "beta")]


def with_scheduler(pipeline, model, file):
    """The pipeline as from_pretrained makes it: its scheduler from a file, corrected by the pipeline's class."""
    with tempfile.TemporaryDirectory() as folder:
        stored = FIXTURES / "pipelines" / model / "scheduler" / "scheduler_config.json"
        (Path(folder) / "scheduler_config.json").write_text(json.dumps(file) if file else stored.read_text())
        scheduler = (getattr(diffusers, file["_class_name"]) if file else type(pipeline.scheduler)).from_pretrained(folder)
    switches = {key: pipeline.config[key] for key in ("requires_safety_checker", "requires_aesthetics_score")
                if key in pipeline.config}
    if type(pipeline).__name__.startswith("StableDiffusionXL"):
        switches["add_watermarker"] = False
    return type(pipeline)(**{**pipeline.components, **switches, "scheduler": scheduler})


def switched(config, row, seed):
    """The scheduler of a row on the noise levels of the model."""
    _, class_name, settings, schedule = row
    settings = dict(settings)
    if schedule and class_name != "EDMEulerScheduler":
        settings[f"use_{schedule}_sigmas"] = True
    if class_name == "DPMSolverSDEScheduler":
        settings["noise_sampler_seed"] = seed
    if class_name in FLOW_SOLVERS and "shift" in config:
        settings |= dict(use_flow_sigmas=True, prediction_type="flow_prediction", flow_shift=config["shift"])
    scheduler = getattr(diffusers, class_name).from_config(config, **settings)
    if "shift" in config and settings.get("algorithm_type", "").startswith("sde"):
        scheduler.step = step_with_seed(scheduler.step, seed)
    return scheduler


def step_with_seed(step, seed):
    """The SD3 pipelines leave noise of steps to torch's global stream: here it goes on from the noise of the start."""
    generator = None

    def seeded(model_output, timestep, sample, **others):
        nonlocal generator
        if generator is None:
            generator = torch.Generator().manual_seed(seed)
            torch.randn(sample.shape, generator=generator)
        return step(model_output, timestep, sample, generator=generator, **others)

    return seeded


def given(call):
    """The arguments as the pipeline takes them."""
    arguments = {key: value for key, value in call.items() if key != "seed"}
    arguments["seeds"] = [call["seed"]]
    for key, draw in (("image", drawing), ("mask_image", mask_drawing)):
        if key in call:
            arguments[key] = draw(*SIDES)
    return arguments | {key: [call[key]] for key in ("prompt", "negative_prompt") if key in call}


def nudge(denoiser, _, outputs):
    """Every third value one unit in the last place away, up or down."""
    values = outputs[0]
    signs = (torch.arange(values.numel()) % 3 - 1).reshape(values.shape)
    return (values * (1 + 1.2e-7 * signs),)


def drawn(pipeline, own, row, call):
    """Timesteps, latents of every step and the picture."""
    is_own = row[0] is None and not row[2]
    pipeline.scheduler = own if is_own else switched(own.config, row, call["seed"])
    seen = trace(pipeline, given(call))
    count = len([key for key in seen if key.startswith("latents.") and key != "latents.start"])
    latents = torch.cat([seen[f"latents.{i}"] for i in range(count)])
    return [float(t) for t in seen["timesteps"]][-count:], latents, seen["picture"][0]


def unsteadiness(pipeline, own, row, call, latents):
    """Largest change over the steps after a nudge, over max(1, max |latents|) of the step."""
    hook = (pipeline.components.get("unet") or pipeline.transformer).register_forward_hook(nudge)
    _, others, _ = drawn(pipeline, own, row, call)
    hook.remove()
    return max(((x - y).abs().max() / x.abs().max().clamp(min=1)).item() for x, y in zip(latents, others))


def run(pipeline, own, row, call):
    timesteps, latents, picture = drawn(pipeline, own, row, call)
    if not (torch.isfinite(latents).all() and torch.isfinite(picture).all()):
        raise ValueError("not finite")
    unsteady = unsteadiness(pipeline, own, row, call, latents)
    pixels = (picture.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
    return dict(timesteps=timesteps, unsteady=float(f"{unsteady:.1e}")), latents, torch.from_numpy(pixels)


def write(file, described, pipeline, rows, is_whole=True):
    """One file; `is_whole` keeps the latents of every step."""
    own, call = pipeline.scheduler, described["call"]
    kept, refused, tensors = [], [], {}
    for row in rows:
        name, class_name, settings, schedule = row
        listed = dict(name=name, className=class_name, config=settings, schedule=schedule)
        try:
            told, latents, picture = run(pipeline, own, row, call)
        except Exception as error:  # whatever diffusers throws counts as refusing
            refused.append({**listed, "reason": f"{type(error).__name__}: {error}"[:160]})
            print(f"  {file}: {name} {schedule or ''}: {refused[-1]['reason']}")
            continue
        index = len(kept)
        tensors[f"{index}.latents"] = (latents if is_whole else latents[-1:]).contiguous()
        tensors[f"{index}.picture"] = picture.contiguous()
        assert told["unsteady"] < UNSTEADY, f"{file}: {name} {schedule}: {told['unsteady']}"
        kept.append({**listed, **told})
    described = described | dict(rows=kept, refused=refused, made_with=versions())
    path = FIXTURES / "fidelity" / f"{file}.safetensors"
    save_file(tensors, path, metadata={key: json.dumps(value, ensure_ascii=False) for key, value in described.items()})
    print(f"fidelity/{file}: {len(kept)} rows, {path.stat().st_size} bytes", flush=True)


def filled(sources, case):
    """The pipeline of a case with its weights, and the case whose folder holds the model."""
    source = sources[case]
    name, pipelines = (case if callable(source) else source[0]), {}
    pipelines[name] = sources[name]()
    fill_pipeline(pipelines[name])
    return (pipelines[name] if callable(source) else built(source, pipelines)[0]), name


def make(*families):
    """All families, or those named."""
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    diffusers.utils.logging.set_verbosity(logging.CRITICAL)
    folder = FIXTURES / "fidelity"
    folder.mkdir(parents=True, exist_ok=True)
    drawing(*SIDES).save(folder / "picture.png")
    mask_drawing(*SIDES).save(folder / "mask.png")
    sources = {name: source for name, source, _ in CASES}
    for family in families or FAMILIES:
        model, call, *file = FAMILIES[family]
        pipeline, model = filled(sources, model)
        pipeline = with_scheduler(pipeline, model, *(file or [None]))
        pipeline.set_progress_bar_config(disable=True)
        own = pipeline.scheduler
        described = dict(model=model, call=call, **({"scheduler": file[0]} if file else {}))
        write(family, described, pipeline, rows_of(family), is_whole=family != "sd1-sigma-ends")
        if family == "sd1":
            pipeline.scheduler = own
            write("sd1-schedules", described, pipeline, schedule_rows(), is_whole=False)


if __name__ == "__main__":
    make(*sys.argv[1:])
