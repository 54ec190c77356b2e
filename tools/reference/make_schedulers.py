"""Fixtures schedulers/*.json: noise levels, timesteps and whole trajectories of diffusers.

The model is a formula of f32 additions, products and one quotient, so no network is needed; see
`toy_model`. Latents start from torch.randn(seed) and noise is drawn on from the same generator. Every
class runs with all pairs of the values in sampler_cases.py.
"""

import hashlib
import inspect
import logging
import math
import sys
import warnings

import diffusers
import numpy as np
import torch
from diffusers import DDIMScheduler, DDPMScheduler

from all_pairs import all_pairs
from packing import f32, write_json
from sampler_cases import FACTORS, differs

SHAPE = (2, 3, 1, 3)
SD1 = dict(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False,
           set_alpha_to_one=False, steps_offset=1)
BUILTIN = dict(prediction_type="v_prediction", beta_schedule="squaredcos_cap_v2",
               timestep_spacing="trailing", clip_sample=False)
ZERO = dict(SD1, prediction_type="v_prediction", rescale_betas_zero_snr=True, timestep_spacing="trailing")
class Unstable(Exception):
    """Nothing to compare with: the numbers hang on the last bits of the processor's square root."""


# What the pipelines of Stable Diffusion 3 take where a configuration says nothing.
ANCHORS = dict(base_shift=0.5, max_shift=1.16, base_image_seq_len=256, max_image_seq_len=4096)


def toy_model(x, timestep, width):
    """c1·x / (1 + x²) + c2·(x rolled by one) + ((i mod 7) − 3) / 8, all over the flat index i.

    With `width` 2 each picture is followed by as many variances: ½ + x / (1 + x²).
    """
    s = float(timestep) / 1000
    flat = x.reshape(-1)
    wave = flat / (1 + flat * flat)
    bias = (torch.arange(flat.numel()) % 7 - 3) / 8
    out = ((0.5 + s) * wave + (0.75 - 0.5 * s) * torch.roll(flat, 1) + bias).reshape(x.shape)
    return out if width == 1 else torch.cat([out, (0.5 + wave).reshape(x.shape)], dim=1)


def dynamic_shift(config, tokens):
    a = {key: config.get(key, value) for key, value in ANCHORS.items()}
    slope = (a["max_shift"] - a["base_shift"]) / (a["max_image_seq_len"] - a["base_image_seq_len"])
    return tokens * slope + (a["base_shift"] - slope * a["base_image_seq_len"])


def set_timesteps(scheduler, options):
    """As a pipeline does; options that the class does not take raise TypeError."""
    extra = {}
    if "imageTokens" in options:
        extra["mu"] = dynamic_shift(scheduler.config, options["imageTokens"])
    if "originalSteps" in options:
        extra["original_inference_steps"] = options["originalSteps"]
    given = [name for name in ("timesteps", "sigmas") if name in options]
    for name in given:
        extra[name] = np.array(options[name]) if name == "sigmas" else options[name]
    if given:
        scheduler.set_timesteps(**extra)
    else:
        scheduler.set_timesteps(options["steps"], **extra)


def step_options(scheduler, options, generator):
    known = inspect.signature(scheduler.step).parameters
    extra = {"generator": generator} if "generator" in known else {}
    for name, value in options.get("churn", {}).items():
        extra[{"amount": "s_churn", "least": "s_tmin", "largest": "s_tmax", "noiseScale": "s_noise"}[name]] = value
    if "eta" in known:
        extra["eta"] = options.get("eta", 0.0)
    if options.get("useClippedOutput"):
        extra["use_clipped_model_output"] = True
    return extra


def noised(scheduler, clean, noise, start):
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(start)
    t = scheduler.timesteps[start : start + 1]
    if isinstance(scheduler, diffusers.FlowMatchHeunDiscreteScheduler):
        return scheduler.scale_noise(clean, t[0], noise)
    if hasattr(scheduler, "scale_noise"):
        return scheduler.scale_noise(clean, t, noise)
    return scheduler.add_noise(clean, noise, t)


def nudged(values):
    """Every second value one unit in the last place away."""
    signs = (torch.arange(values.numel()) % 2).reshape(values.shape)
    return values * (1 + 1.2e-7 * signs)


def keeps_digits(scheduler):
    """Brownian noise hangs on times of 1e-6: none may depend on the last bit of this processor's exponential."""
    if not isinstance(scheduler, diffusers.DPMSolverSDEScheduler):
        return True
    t = scheduler.sigmas[scheduler.sigmas > 0].log()
    t = torch.cat([t, t[:-1] + (t[1:] - t[:-1]) * 0.5])
    exact = torch.from_numpy(np.exp(t.double().numpy())).float()
    return torch.equal(torch.stack([value.exp() for value in t]), exact)


def stable_run(scheduler_class, seed, config, options):
    """A run whose numbers do not hang on last bits: nudging latents and noise levels moves it by less than 2e-5."""
    case, xs = run(scheduler_class, seed, config, options)
    _, others = run(scheduler_class, seed, config, options, nudge=True)
    for x, other in zip(xs, others):
        if (x - other).abs().max() > 2e-5 * max(1, x.abs().max()):
            raise Unstable
    return case


def run(scheduler_class, seed, config, options, nudge=False):
    scheduler = scheduler_class.from_config(config)
    set_timesteps(scheduler, options)
    timesteps = scheduler.timesteps
    if not torch.isfinite(torch.as_tensor(timesteps, dtype=torch.float64)).all():
        raise ValueError("timesteps")
    order = scheduler.order
    start = int(options.get("start", 0) * math.ceil(len(timesteps) / order)) * order
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(SHAPE, generator=generator)
    if start:
        clean = torch.linspace(-1, 1, x.numel()).reshape(SHAPE)
        x = noised(scheduler, clean, x, start)
    else:
        x = x * getattr(scheduler, "init_noise_sigma", 1.0)
    if nudge:
        x = nudged(x)
        if hasattr(scheduler, "sigmas") and not isinstance(scheduler, diffusers.DPMSolverSDEScheduler):
            scheduler.sigmas = nudged(scheduler.sigmas)
    if not keeps_digits(scheduler):
        raise Unstable
    width = 2 if config.get("variance_type") in ("learned", "learned_range") else 1
    first, xs, denoised = x, [], None
    for t in timesteps[start:]:
        scaled = scheduler.scale_model_input(x, t) if hasattr(scheduler, "scale_model_input") else x
        out = scheduler.step(toy_model(scaled, t, width), t, x, **step_options(scheduler, options, generator))
        x = out.prev_sample
        denoised = getattr(out, "pred_original_sample", None)
        xs.append(x)
        if not torch.isfinite(x).all():
            raise ValueError("not finite")
    case = {
        "className": scheduler_class.__name__, "config": config, "options": {**options, "start": start}, "seed": seed,
        "timesteps": [float(t) for t in timesteps], "first": f32(first), "xs": f32(torch.stack(xs)),
        **({} if denoised is None else {"denoised": f32(denoised)}),
    }
    return case, xs


def merged(factors, choice):
    """Configuration and run options of one choice of value indices."""
    config, options = {}, {}
    for name, index in choice.items():
        for key, value in factors[name][index].items():
            if key.startswith("run."):
                if value is not None:
                    options[key[4:]] = value
            elif key == "imageTokens":
                options[key] = value
            else:
                config[key] = value
    for name in ("timesteps", "sigmas"):
        if name in options:
            options["steps"] = len(options[name]) - (name == "sigmas" and options[name][-1] == 0)
    options.setdefault("steps", 5)
    return config, options


def make_runs(scheduler_class, factors, seed=1):
    """Runs for all pairs, and what diffusers cannot do: pairs that fail alone on top of the defaults."""
    done = {}

    def attempt(config, options):
        text = repr((sorted(config.items()), sorted(options.items())))
        if text not in done:
            try:
                if differs(scheduler_class, config, options):
                    raise Unstable
                done[text] = stable_run(scheduler_class, 11 + len(done) % 1000, config, options)
            except Unstable:
                done[text] = None
            except Exception as error:  # whatever diffusers throws counts as refusing
                done[text] = f"{type(error).__name__}: {error}"[:120]
        return done[text]

    chosen, missed = all_pairs(factors, lambda c: isinstance(attempt(*merged(factors, c)), dict), seed)
    runs = [attempt(*merged(factors, choice)) for choice in chosen]
    refused = []
    for pair in missed:
        config, options = merged(factors, dict(pair))
        reason = attempt(config, options)
        if isinstance(reason, str) and not any(r["config"] == config and r["options"] == options for r in refused):
            refused.append({"config": config, "options": options, "reason": reason})
    return runs, refused


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
    (diffusers.HeunDiscreteScheduler, dict(beta_schedule="exp", beta_start=0.00085)),
]


def alphas_case(scheduler_class, config):
    values = scheduler_class(**config).alphas_cumprod
    return {"config": config, "alphas": f32(torch.cat([values[::7], values[-7:]]))}


def file_name(scheduler_class):
    return scheduler_class.__name__.removesuffix("Scheduler")


def make(seed=1, write=write_json, names=()):
    """All files, or those of the classes named without their suffix."""
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    diffusers.utils.logging.set_verbosity(logging.CRITICAL)
    if not names:
        write("schedulers/noise.json", {
            "alphas": [alphas_case(*row) for row in ALPHAS],
            "spacings": [spacing_case(*row) for row in SPACINGS],
        })
    for scheduler_class, factors in FACTORS.items():
        if names and file_name(scheduler_class) not in names:
            continue
        runs, refused = make_runs(scheduler_class, factors, seed)
        write(f"schedulers/{file_name(scheduler_class)}.json", {"shape": SHAPE, "runs": runs, "refused": refused})


if __name__ == "__main__":
    make(names=sys.argv[1:])
