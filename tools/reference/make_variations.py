"""Fixture variations.json: noises turned towards another seed's along the sphere, as stable-diffusion-webui does."""

import json

import torch

from packing import FIXTURES

SHAPE = (4, 5, 6)


def noise(seed):
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed))


def spherical(share, low, high):
    """Angles between columns: norms run over the height of [c, h, w]."""
    cosines = (low / low.norm(dim=1, keepdim=True) * high / high.norm(dim=1, keepdim=True)).sum(1)
    if cosines.mean() > 0.9995:
        return low * share + high * (1 - share)
    angles = torch.acos(cosines)
    parts = [torch.sin(part * angles) / torch.sin(angles) for part in (1 - share, share)]
    return parts[0].unsqueeze(1) * low + parts[1].unsqueeze(1) * high


def make():
    rows = []
    for seed, other, share in [(1, 2, 0.3), (1, 2, 0.0), (1, 2, 1.0), (7, 7, 0.25), (3, 2**33, 0.75)]:
        out = spherical(share, noise(seed), noise(other))
        rows.append({"seed": seed, "other": other, "share": share, "out": [round(v, 7) for v in out.flatten().tolist()]})
    near = noise(1) + 1e-3 * noise(2)
    rows.append({"seed": 1, "near": 2, "share": 0.25, "out": [round(v, 7) for v in spherical(0.25, noise(1), near).flatten().tolist()]})
    (FIXTURES / "variations.json").write_text(json.dumps({"shape": SHAPE, "rows": rows}) + "\n")
    print("variations:", len(rows))


if __name__ == "__main__":
    make()
