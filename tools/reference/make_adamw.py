"""Fixture train/adamw.json: torch.optim.AdamW with clipping, and an average of the weights with warm-up."""

import torch

from packing import f32, write_json

STEPS = 12
SHAPES = {"matrix": (5, 3), "vector": (4,)}
SETTINGS = [
    {"betas": [0.9, 0.99], "eps": 1e-8, "weightDecay": 0.02, "clipNorm": 1.0, "averageDecay": 0.999},
    {"betas": [0.8, 0.95], "eps": 1e-3, "weightDecay": 0.5, "clipNorm": 1e9, "averageDecay": 0.7},
    {"betas": [0.0, 0.9], "eps": 1e-8, "weightDecay": 0.0, "clipNorm": 0.1, "averageDecay": 0.0},
]


def warmed(step, most):
    """k-diffusion's EMA warm-up with inv_gamma 1 and power 3/4."""
    return min(most, 1 - (1 + step) ** -0.75)


def case(index, settings):
    g = torch.Generator().manual_seed(index)
    params = {
        name: torch.randn(shape, generator=g).double().requires_grad_() for name, shape in SHAPES.items()
    }
    start = torch.cat([p.detach().flatten() for p in params.values()])
    groups = [
        {"params": [params["matrix"]], "weight_decay": settings["weightDecay"]},
        {"params": [params["vector"]], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=1.0, betas=settings["betas"], eps=settings["eps"])
    average = start.clone()
    gradients, rates, steps = [], [], []
    for step in range(1, STEPS + 1):
        rate = 0.01 * step
        flat = torch.randn(len(start), generator=g) * 10 ** (step % 3 - 1)
        offset = 0
        for p in params.values():
            p.grad = flat[offset : offset + p.numel()].reshape(p.shape).double()
            offset += p.numel()
        norm = torch.nn.utils.clip_grad_norm_(params.values(), settings["clipNorm"])
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
        flat_params = torch.cat([p.detach().flatten() for p in params.values()])
        average.lerp_(flat_params, 1 - warmed(step, settings["averageDecay"]))
        gradients.append(f32(flat))
        rates.append(rate)
        steps.append({"norm": float(norm), "parameters": f32(flat_params), "average": f32(average)})
    moments = [
        torch.cat([optimizer.state[p][key].flatten() for p in params.values()])
        for key in ("exp_avg", "exp_avg_sq")
    ]
    return {
        **settings,
        "decayedLength": params["matrix"].numel(),
        "start": f32(start),
        "gradients": gradients,
        "rates": rates,
        "steps": steps,
        "firstMoment": f32(moments[0]),
        "secondMoment": f32(moments[1]),
    }


def make():
    write_json("train/adamw.json", {"cases": [case(i, s) for i, s in enumerate(SETTINGS)]})


if __name__ == "__main__":
    make()
