"""
Fixture train/muon.json: torch.optim.Muon beside torch.optim.AdamW, and matrices after Newton-Schulz.

torch iterates in bfloat16, which leaves two digits. Here its optimiser runs with the same iterations
in f64; the two are compared first.
"""

import torch
from torch.optim import _muon

from make_adamw import warmed
from packing import f32, write_json

STEPS = 4
MATRICES = {
    "conv.weight": (6, 4, 3, 3),
    "wide.weight": (10, 12),
    "tall.weight": (40, 8),
    "same.weight": (10, 12),
    "square.weight": (8, 8),
}
REST = {"token_embedding.weight": (5, 4), "norm.weight": (7,)}
# Adam's eps, momentum and the iterations' coefficients are torch's defaults.
SETTINGS = {"betas": [0.9, 0.99], "eps": 1e-8, "weightDecay": 0.05, "clipNorm": 1.5, "averageDecay": 0.8}


def newton_schulz(grad, coefficients, steps, eps):
    """torch.optim._muon._zeropower_via_newtonschulz without its bfloat16."""
    a, b, c = coefficients
    x = grad.double()
    if grad.size(0) > grad.size(1):
        x = x.T
    x = x / x.norm().clamp(min=eps)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if grad.size(0) > grad.size(1) else x


def compare_with_torch():
    g = torch.Generator().manual_seed(0)
    for shape in [(6, 36), (40, 8), (10, 12)]:
        x = torch.randn(shape, generator=g)
        options = ((3.4445, -4.7750, 2.0315), 5, 1e-7)
        gap = (newton_schulz(x, *options) - torch_newton_schulz(x, *options).double()).abs().max()
        assert gap < 0.05, gap


def run():
    g = torch.Generator().manual_seed(1)
    shapes = {**MATRICES, **REST}
    draw = lambda shape: torch.randn(shape, generator=g)
    params = {name: draw(shape).double().requires_grad_() for name, shape in shapes.items()}
    start = flat(params)
    # torch takes two dimensions only; the views share the memory of the parameters.
    views = [params[name].detach().flatten(1).requires_grad_() for name in MATRICES]
    decay = SETTINGS["weightDecay"]
    muon = torch.optim.Muon(views, lr=1.0, weight_decay=decay, adjust_lr_fn="match_rms_adamw")
    groups = [
        {"params": [params["token_embedding.weight"]], "weight_decay": decay},
        {"params": [params["norm.weight"]], "weight_decay": 0.0},
    ]
    adamw = torch.optim.AdamW(groups, lr=1.0, betas=SETTINGS["betas"], eps=SETTINGS["eps"])
    average, gradients, rates, steps = start.clone(), [], [], []
    for step in range(1, STEPS + 1):
        rate = [0.5, 1.0, 0.2, 0.7][step - 1]
        for p in params.values():
            p.grad = draw(p.shape).double()
        gradients.append(f32(torch.cat([p.grad.flatten() for p in params.values()])))
        torch.nn.utils.clip_grad_norm_(params.values(), SETTINGS["clipNorm"])
        for view, name in zip(views, MATRICES):
            view.grad = params[name].grad.flatten(1)
        for optimizer in (muon, adamw):
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.step()
        average.lerp_(flat(params), 1 - warmed(step, SETTINGS["averageDecay"]))
        rates.append(rate)
        steps.append({"parameters": f32(flat(params)), "average": f32(average)})
    first = [muon.state[v]["momentum_buffer"] for v in views] + [adamw.state[params[n]]["exp_avg"] for n in REST]
    return {
        **SETTINGS,
        "shapes": [{"name": name, "shape": shape} for name, shape in shapes.items()],
        "start": f32(start),
        "gradients": gradients,
        "rates": rates,
        "steps": steps,
        "firstMoment": f32(torch.cat([m.flatten() for m in first])),
    }


def flat(params):
    return torch.cat([p.detach().flatten() for p in params.values()])


def iterated():
    """Matrices that are hard: of few directions, very small, of zeros."""
    g = torch.Generator().manual_seed(2)
    draw = lambda *shape: torch.randn(shape, generator=g)
    matrices = [
        draw(12, 2) @ draw(2, 40),
        draw(30, 3) @ draw(3, 9),
        draw(16, 1) @ draw(1, 16),
        draw(8, 24) * 1e-6,
        torch.zeros(6, 20),
        draw(2, 9),
    ]
    options = ((3.4445, -4.7750, 2.0315), 5, 1e-7)
    return [
        {"shape": list(x.shape), "matrix": f32(x), "result": f32(newton_schulz(x, *options))}
        for x in matrices
    ]


torch_newton_schulz = _muon._zeropower_via_newtonschulz


def make():
    compare_with_torch()
    _muon._zeropower_via_newtonschulz = newton_schulz
    try:
        write_json("train/muon.json", {"run": run(), "iterated": iterated()})
    finally:
        _muon._zeropower_via_newtonschulz = torch_newton_schulz


if __name__ == "__main__":
    make()
