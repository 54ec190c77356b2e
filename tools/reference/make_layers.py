"""Values of single layers that no model case covers: batch norm in training, odd timestep embeddings, mish."""

import torch
from diffusers.models.embeddings import get_timestep_embedding

from packing import f32, write_json


def batch_norm(shape, momentum, eps):
    g = torch.Generator().manual_seed(len(shape))
    layer = torch.nn.BatchNorm2d(shape[1], momentum=momentum, eps=eps)
    with torch.no_grad():
        for tensor in (layer.weight, layer.bias, layer.running_mean):
            tensor.copy_(torch.randn(shape[1], generator=g))
        layer.running_var.copy_(torch.rand(shape[1], generator=g) + 0.5)
    before = {key: f32(value) for key, value in layer.state_dict().items() if value.ndim == 1}
    x = torch.randn(shape, generator=g)
    inference = layer.eval()(x)
    y = layer.train()(x)
    return {"shape": list(shape), "momentum": momentum, "eps": eps, "before": before, "x": f32(x),
            "inference": f32(inference), "training": f32(y),
            "running_mean": f32(layer.running_mean), "running_var": f32(layer.running_var)}


def sinusoids(size, flip, shift, max_period):
    timesteps = torch.tensor([0.0, 1.0, 17.25, 999.0])
    values = get_timestep_embedding(timesteps, size, flip_sin_to_cos=flip, downscale_freq_shift=shift,
                                    max_period=max_period)
    return {"size": size, "flip": flip, "shift": shift, "max_period": max_period,
            "timesteps": f32(timesteps), "values": f32(values)}


def make():
    x = torch.linspace(-8, 8, 65)
    write_json("nn/layers.json", {
        "batch_norm": [batch_norm((4, 3, 5, 2), 0.1, 1e-5), batch_norm((2, 2, 1, 1), 0.3, 1e-3)],
        "sinusoids": [sinusoids(9, True, 0, 10000), sinusoids(8, False, 1, 10000), sinusoids(12, True, 0.5, 100)],
        "mish": {"x": f32(x), "y": f32(torch.nn.functional.mish(x))},
    })


if __name__ == "__main__":
    make()
