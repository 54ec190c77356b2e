"""The deterministic weights of the fixtures; twin of src/core/reference-weights.ts."""

import numpy as np
import torch


def fnv1a64(text):
    h = 0xCBF29CE484222325
    for byte in text.encode("utf-8"):
        h = ((h ^ byte) * 0x100000001B3) % 2**64
    return h


def reference_weight(name, shape, rank=None):
    count = int(np.prod(shape, dtype=np.int64))
    if name.endswith(".alpha"):
        return np.full(shape, rank / 2, dtype=np.float32)
    with np.errstate(over="ignore"):
        z = np.uint64(fnv1a64(name)) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    r = 2.0 * (z >> np.uint64(40)).astype(np.float64) / 2.0**24 - 1.0
    if len(shape) >= 2:
        values = r * np.sqrt(3.0 / np.prod(shape[1:], dtype=np.float64))
    elif len(shape) == 1 and name.endswith(("weight", "running_var")):
        values = 1.0 + 0.1 * r
    else:
        values = 0.02 * r
    return values.astype(np.float32).reshape(shape)


@torch.no_grad()
def fill(module, published_name=lambda name: name, keep=("logit_scale",)):
    """Fills the floating-point parameters and running statistics of `module` in place.

    `published_name` turns the name inside the pinned library into the name of published files.
    Returns the published names.
    """
    buffers = {n: b for n, b in module.named_buffers() if n.endswith(("running_mean", "running_var"))}
    names = []
    for name, tensor in {**dict(module.named_parameters()), **buffers}.items():
        published = published_name(name)
        names.append(published)
        if published.split(".")[-1] in keep or not tensor.is_floating_point():
            continue
        tensor.copy_(torch.from_numpy(reference_weight(published, tuple(tensor.shape))))
    return names
