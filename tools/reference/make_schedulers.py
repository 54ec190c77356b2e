"""Fixtures schedulers/*.json: noise levels, timesteps and whole trajectories of diffusers.

The model is a formula of f32 additions, products and one quotient, so no network is needed; see
`toy_model`. Latents start from torch.randn(seed) and noise is drawn on from the same generator.
"""

import hashlib

import numpy as np
import torch
from diffusers import DDIMScheduler, DDPMScheduler, FlowMatchEulerDiscreteScheduler

from packing import f32, write_json

SHAPE = (2, 3, 2, 3)
SD1 = dict(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False,
           set_alpha_to_one=False, steps_offset=1)
BUILTIN = dict(prediction_type="v_prediction", beta_schedule="squaredcos_cap_v2",
               timestep_spacing="trailing", clip_sample=False)
ZERO = dict(SD1, prediction_type="v_prediction", rescale_betas_zero_snr=True, timestep_spacing="trailing")

# name, class, config, steps, options of the run
RUNS = [
    ("class-defaults", DDIMScheduler, {}, 20, {}),
    ("class-defaults-eta", DDIMScheduler, {}, 10, {"eta": 1.0}),
    ("sd1-leading-5", DDIMScheduler, SD1, 5, {}),
    ("sd1-leading-20", DDIMScheduler, SD1, 20, {}),
    ("sd1-leading-50", DDIMScheduler, SD1, 50, {}),
    ("sd1-leading-7-eta", DDIMScheduler, SD1, 7, {"eta": 1.0}),
    ("sd1-linspace-eta-half", DDIMScheduler, dict(SD1, timestep_spacing="linspace"), 9, {"eta": 0.5}),
    ("sd1-trailing-13", DDIMScheduler, dict(SD1, timestep_spacing="trailing"), 13, {}),
    ("builtin-5", DDIMScheduler, BUILTIN, 5, {}),
    ("builtin-20", DDIMScheduler, BUILTIN, 20, {}),
    ("builtin-50", DDIMScheduler, BUILTIN, 50, {}),
    ("builtin-20-eta", DDIMScheduler, BUILTIN, 20, {"eta": 1.0}),
    ("builtin-start-6", DDIMScheduler, BUILTIN, 20, {"start": 6}),
    ("zero-snr-5", DDIMScheduler, ZERO, 5, {}),
    ("zero-snr-20", DDIMScheduler, ZERO, 20, {}),
    ("zero-snr-20-eta", DDIMScheduler, ZERO, 20, {"eta": 0.7}),
    ("sample-clip-2", DDIMScheduler, dict(prediction_type="sample", clip_sample_range=0.8), 8, {}),
    ("thresholding", DDIMScheduler, dict(thresholding=True, clip_sample=False, sample_max_value=1.5,
                                         dynamic_thresholding_ratio=0.9), 8, {}),
    ("trained-betas", DDIMScheduler, dict(num_train_timesteps=12, trained_betas=[0.02 * (i + 1) for i in range(12)]), 4, {}),
    ("one-step", DDIMScheduler, BUILTIN, 1, {}),
    ("short-training", DDIMScheduler, dict(SD1, num_train_timesteps=37), 11, {}),
    ("flow-plain", FlowMatchEulerDiscreteScheduler, {}, 5, {}),
    ("flow-sd3", FlowMatchEulerDiscreteScheduler, dict(shift=3.0), 28, {}),
    ("flow-sd3-start", FlowMatchEulerDiscreteScheduler, dict(shift=3.0), 10, {"start": 4}),
    ("flow-dynamic", FlowMatchEulerDiscreteScheduler, dict(use_dynamic_shifting=True), 8, {"imageTokens": 1024}),
    ("flow-dynamic-linear", FlowMatchEulerDiscreteScheduler,
     dict(use_dynamic_shifting=True, time_shift_type="linear", base_shift=0.6, max_shift=2.0,
          base_image_seq_len=64, max_image_seq_len=1000), 8, {"imageTokens": 100}),
    ("flow-terminal", FlowMatchEulerDiscreteScheduler, dict(shift=2.0, shift_terminal=0.1), 6, {}),
    ("flow-karras", FlowMatchEulerDiscreteScheduler, dict(shift=3.0, use_karras_sigmas=True), 6, {}),
    ("flow-exponential", FlowMatchEulerDiscreteScheduler, dict(use_exponential_sigmas=True), 6, {}),
    ("flow-beta", FlowMatchEulerDiscreteScheduler, dict(shift=3.0, use_beta_sigmas=True), 9, {}),
    ("flow-inverted", FlowMatchEulerDiscreteScheduler, dict(invert_sigmas=True), 6, {}),
    ("flow-stochastic", FlowMatchEulerDiscreteScheduler, dict(shift=1.5, stochastic_sampling=True), 6, {}),
    ("flow-one-step", FlowMatchEulerDiscreteScheduler, dict(shift=3.0), 1, {}),
]


def toy_model(x, timestep):
    """c1·x / (1 + x²) + c2·(x rolled by one) + ((i mod 7) − 3) / 8, all over the flat index i."""
    s = float(timestep) / 1000
    flat = x.reshape(-1)
    wave = flat / (1 + flat * flat)
    bias = (torch.arange(flat.numel()) % 7 - 3) / 8
    return ((0.5 + s) * wave + (0.75 - 0.5 * s) * torch.roll(flat, 1) + bias).reshape(x.shape)


def dynamic_shift(config, tokens):
    slope = (config.max_shift - config.base_shift) / (config.max_image_seq_len - config.base_image_seq_len)
    return tokens * slope + config.base_shift - slope * config.base_image_seq_len


def plan(scheduler, steps, options):
    extra = {}
    if "imageTokens" in options:
        extra["mu"] = dynamic_shift(scheduler.config, options["imageTokens"])
    scheduler.set_timesteps(steps, **extra)
    return scheduler.timesteps


def noised(scheduler, clean, noise, start):
    scheduler.set_begin_index(start) if hasattr(scheduler, "set_begin_index") else None
    t = scheduler.timesteps[start : start + 1]
    if hasattr(scheduler, "scale_noise"):
        return scheduler.scale_noise(clean, t, noise)
    return scheduler.add_noise(clean, noise, t)


def run(seed, name, scheduler_class, config, steps, options):
    scheduler = scheduler_class(**config)
    timesteps = plan(scheduler, steps, options)
    start = options.get("start", 0)
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(SHAPE, generator=generator)
    if start:
        clean = torch.linspace(-1, 1, x.numel()).reshape(SHAPE)
        x = noised(scheduler, clean, x, start)
    first, events = x, []
    for index in range(start, len(timesteps)):
        t = timesteps[index]
        output = toy_model(x, t)
        extra = {"eta": options.get("eta", 0.0)} if scheduler_class is DDIMScheduler else {}
        out = scheduler.step(output, t, x, generator=generator, **extra)
        x = out.prev_sample
        denoised = getattr(out, "pred_original_sample", None)
        if index % 5 == 0 or index >= len(timesteps) - 2 or steps < 15:
            event = {"step": index, "x": f32(x)}
            events.append(event if denoised is None else {**event, "denoised": f32(denoised)})
    assert torch.isfinite(x).all(), name
    return {
        "name": name, "className": scheduler_class.__name__, "config": dict(config), "steps": steps,
        "options": options, "seed": seed, "timesteps": [float(t) for t in timesteps],
        "first": f32(first), "events": events,
    }


SPACINGS = [
    (spacing, train, offset)
    for spacing in ("leading", "linspace", "trailing")
    for train, offset in ((1000, 0), (1000, 1), (999, 0), (50, 1))
]


def spacing_case(spacing, train, offset):
    """Only the first `steps` values: numpy.arange gives one too many for some trailing counts (61 of
    1000), which diffusers would run as timestep -1."""
    scheduler = DDIMScheduler(num_train_timesteps=train, timestep_spacing=spacing, steps_offset=offset)
    digest = hashlib.sha256()
    most = train if offset == 0 or spacing != "leading" else train // 2
    for steps in range(1, most + 1):
        scheduler.set_timesteps(steps)
        digest.update((" ".join(str(int(t)) for t in scheduler.timesteps[:steps]) + "\n").encode())
    return {"spacing": spacing, "train": train, "offset": offset, "most": most, "sha256": digest.hexdigest()}


ALPHAS = [
    (DDIMScheduler, {}),
    (DDIMScheduler, SD1),
    (DDIMScheduler, BUILTIN),
    (DDIMScheduler, ZERO),
    (DDIMScheduler, dict(BUILTIN, rescale_betas_zero_snr=True)),
    (DDIMScheduler, dict(SD1, num_train_timesteps=37)),
    (DDPMScheduler, dict(beta_schedule="sigmoid")),
    (DDPMScheduler, dict(beta_schedule="laplace")),
]


def alphas_case(scheduler_class, config):
    values = scheduler_class(**config).alphas_cumprod
    return {"config": config, "alphas": f32(torch.cat([values[::7], values[-7:]]))}


def make():
    write_json("schedulers/noise.json", {
        "alphas": [alphas_case(*row) for row in ALPHAS],
        "spacings": [spacing_case(*row) for row in SPACINGS],
    })
    runs = [run(11 + i, *row) for i, row in enumerate(RUNS)]
    for family, chosen in (("ddim", "DDIM"), ("flow-match-euler", "FlowMatchEuler")):
        own = [r for r in runs if r["className"].startswith(chosen)]
        write_json(f"schedulers/{family}.json", {"shape": SHAPE, "runs": own})


if __name__ == "__main__":
    make()
