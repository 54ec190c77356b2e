"""Fixture schedulers/k-diffusion.json: samplers diffusers has no class for, and noise levels, from k-diffusion.

Only k_diffusion/sampling.py is read, so that the rest of the package and what it needs stay out: its helpers are
stood in for by the two functions it uses.
"""

import importlib.util
import sys
import types

import torch
from diffusers import EulerDiscreteScheduler

from make_schedulers import SHAPE, toy_model
from packing import f32, write_json

SD1 = dict(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")


def sampling():
    """The module, without importing the package around it."""
    package = types.ModuleType("k_diffusion")
    package.__path__ = list(importlib.util.find_spec("k_diffusion").submodule_search_locations)
    helpers = types.ModuleType("k_diffusion.utils")
    helpers.append_dims = lambda x, ndim: x[(...,) + (None,) * (ndim - x.ndim)]
    torchdiffeq = types.ModuleType("torchdiffeq")
    torchdiffeq.odeint = None
    sys.modules.update({"k_diffusion": package, "k_diffusion.utils": helpers, "torchdiffeq": torchdiffeq})
    return importlib.import_module("k_diffusion.sampling")


def denoiser(scheduler, prediction_type):
    """The picture for x at σ, with the timestep the σ has by log-linear interpolation."""
    import numpy as np

    alphas = scheduler.alphas_cumprod
    logs = np.log(np.array(((1 - alphas) / alphas) ** 0.5))

    def denoise(x, sigma):
        s = sigma.reshape(-1)[0]
        t = np.float32(scheduler._sigma_to_t(np.float64(s.item()), logs))
        scaled = x / (s**2 + 1) ** 0.5
        out = toy_model(scaled, t, 1)
        if prediction_type == "epsilon":
            return x - s * out
        return out * (-s / (s**2 + 1) ** 0.5) + x / (s**2 + 1)

    return denoise


def run(module, name, seed, config, steps, seeds, noise_scale):
    scheduler = EulerDiscreteScheduler.from_config({**SD1, **config})
    scheduler.set_timesteps(steps)
    sigmas = scheduler.sigmas
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(SHAPE, generator=generator) * scheduler.init_noise_sigma
    positive = sigmas[sigmas > 0]
    if name == "sample_dpmpp_3m_sde":
        noise = module.BrownianTreeNoiseSampler(x, positive.min(), positive.max(), seeds)
    else:
        noise = lambda sigma, sigma_next: torch.randn(SHAPE, generator=generator)
    xs = []
    denoise = denoiser(scheduler, config.get("prediction_type", "epsilon"))
    last = getattr(module, name)(
        denoise, x, sigmas, extra_args={}, noise_sampler=noise, s_noise=noise_scale, disable=True,
        callback=lambda info: xs.append(info["x"]))
    return {
        "config": {**SD1, **config}, "steps": steps, "seed": seed, "seeds": seeds, "noiseScale": noise_scale,
        "first": f32(x), "xs": f32(torch.stack([*xs[1:], last])),
    }


CONFIGS = [
    ({}, 6), ({"use_karras_sigmas": True}, 5), ({"use_exponential_sigmas": True, "prediction_type": "v_prediction"}, 9),
    ({"timestep_spacing": "trailing", "prediction_type": "v_prediction"}, 3), ({"timestep_spacing": "leading"}, 4),
    ({"use_beta_sigmas": True}, 12),
]


def make():
    torch.set_num_threads(1)
    module = sampling()
    write_json("schedulers/k-diffusion.json", {
        "dpmpp2sAncestral": [run(module, "sample_dpmpp_2s_ancestral", 3 + i, c, n, None, 1 - i / 20)
                             for i, (c, n) in enumerate(CONFIGS)],
        "dpmpp3mSde": [run(module, "sample_dpmpp_3m_sde", 30 + i, c, n, [5 + i, 2**35 + i], 1 - i / 20)
                       for i, (c, n) in enumerate(CONFIGS)],
        "polyexponential": [
            {"steps": n, "least": a, "largest": b, "sigmas": f32(module.get_sigmas_polyexponential(n, a, b, 1.0))}
            for n, a, b in ((1, 0.03, 14.6), (7, 0.0291675, 14.614647), (20, 0.1, 10.0))
        ],
    })


if __name__ == "__main__":
    make()
