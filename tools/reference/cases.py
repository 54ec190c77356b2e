"""Model cases: a filled tiny model, its inputs and its outputs, written as one folder each.

test/fixtures/models/<name>/config.json     the configuration, as published beside weights
test/fixtures/models/<name>/case.safetensors  tensors input.* and output.*; metadata: made_with
test/fixtures/models/<name>/parameters.txt  "name d0,d1,…" of every tensor the model reads, as published
"""

import json

import torch
from safetensors.torch import save_file

from packing import FIXTURES, versions
from weights import fill, fnv1a64

LIMIT = 100_000


def generator(name):
    """Inputs of a case hang on its name alone."""
    return torch.Generator().manual_seed(fnv1a64(name) % 2**32)


def randn(name, *shape):
    return torch.randn(shape, generator=generator(f"{name}/{shape}"))


def published_shapes(module, names):
    tensors = [t for _, t in module.named_parameters()]
    tensors += [b for n, b in module.named_buffers() if n.endswith(("running_mean", "running_var"))]
    return {name: tuple(t.shape) for name, t in zip(names, tensors)}


@torch.no_grad()
def write_case(name, module, config, inputs, outputs, published_name=lambda n: n):
    """Fills `module`, runs `outputs(module, inputs)` and writes the folder of the case."""
    module = module.eval().requires_grad_(False)
    shapes = published_shapes(module, fill(module, published_name))
    results = outputs(module, inputs)
    for key, value in results.items():
        assert torch.isfinite(value).all() and value.std() > 1e-4, f"{name}: {key} says nothing"
    folder = FIXTURES / "models" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    lines = [f"{key} {','.join(map(str, shape))}" for key, shape in sorted(shapes.items())]
    (folder / "parameters.txt").write_text("\n".join(lines) + "\n")
    tensors = {f"input.{k}": v for k, v in inputs.items()}
    tensors |= {f"output.{k}": v for k, v in results.items()}
    tensors = {k: v.detach().clone().contiguous() for k, v in tensors.items()}
    class_name = config.get("_class_name") or config["architectures"][0]
    metadata = {"made_with": json.dumps({"class": class_name, **versions()})}
    save_file(tensors, folder / "case.safetensors", metadata=metadata)
    for file in folder.iterdir():
        assert file.stat().st_size < LIMIT, f"{name}/{file.name} has {file.stat().st_size} bytes"
    size = (folder / "case.safetensors").stat().st_size
    print(f"models/{name}: {len(shapes)} parameters, case {size} bytes")


# Old files leave out keys that are younger than they; so do these cases.
MINIMAL = {"unet-sd1-odd-size", "sd3-patch-1", "autoencoder-tiny-lengths", "autoencoder-kl-one-stage"}


def diffusers_config(name, module, settings):
    """What save_pretrained writes, or for some cases only what differs from the defaults."""
    if name in MINIMAL:
        return {"_class_name": type(module).__name__, **settings}
    return json.loads(module.to_json_string())
