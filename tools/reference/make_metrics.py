"""Figures of torchmetrics, clean-fid, pytorch-fid and prdc on small feature matrices, and their resize rules.

test/fixtures/metrics/<case>.json      f32 features, and what the references make of them
test/fixtures/metrics/resize.json      small pictures through the resize rules of torch-fidelity and clean-fid
test/fixtures/metrics/permutation.json torch.randperm
"""

import base64
import contextlib
import io

import numpy as np
import scipy.linalg
import torch
from cleanfid.fid import kernel_distance
from cleanfid.resize import make_resizer
from prdc import compute_prdc
from torch import nn
from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.inception import InceptionScore
from torchmetrics.image.kid import KernelInceptionDistance

from packing import f32, write_json

SEED = 7


class Features(nn.Module):
    """Stands where torchmetrics has its network: the pictures are features already."""

    def __init__(self, size):
        super().__init__()
        self.num_features = size

    def forward(self, x):
        return x


def random_features(rng, count, size, kind):
    """Anisotropic and correlated, as features of networks are."""
    spectrum = 1.0 / (1.0 + np.arange(size)) ** 0.7
    mixed = rng.standard_normal((count, size)) * spectrum @ rng.standard_normal((size, size))
    if kind == "rectified":
        mixed = np.maximum(mixed + 0.3, 0)
    if kind == "far":
        mixed = mixed + 1000.0
    return mixed.astype(np.float32)


# name, real pictures, fake pictures, features, kind
CASES = [
    ("square", 50, 50, 8, "plain"),
    ("uneven", 40, 61, 16, "rectified"),
    ("few-pictures", 20, 26, 64, "rectified"),
    ("many-pictures", 200, 180, 24, "plain"),
    ("far-from-zero", 60, 60, 12, "far"),
    ("near-copies", 64, 64, 16, "rectified"),
    ("one-feature", 30, 33, 1, "plain"),
    ("constant-feature", 45, 45, 10, "rectified"),
]


def sets_of(name, n, m, size, kind):
    rng = np.random.default_rng(sum(name.encode()))
    real = random_features(rng, n, size, kind)
    if name == "near-copies":
        return real, (real + 1e-2 * rng.standard_normal(real.shape)).astype(np.float32)
    fake = random_features(rng, m, size, kind) * np.float32(1.1) + np.float32(0.2)
    if name == "constant-feature":
        real[:, 3] = fake[:, 3] = 2.5
    return real, fake


def torchmetrics_fid(real, fake):
    metric = FrechetInceptionDistance(feature=Features(real.shape[1])).set_dtype(torch.float64)
    metric.update(torch.from_numpy(real).double(), real=True)
    metric.update(torch.from_numpy(fake).double(), real=False)
    return metric.compute().item()


def matrix_root_fid(real, fake):
    """As clean-fid and pytorch-fid compute it, over scipy's square root of a matrix."""
    real, fake = real.astype(np.float64), fake.astype(np.float64)
    a, b = (np.atleast_2d(np.cov(x, rowvar=False)) for x in (real, fake))
    root = np.real(scipy.linalg.sqrtm(a @ b))
    gap = real.mean(0) - fake.mean(0)
    return float(gap @ gap + np.trace(a) + np.trace(b) - 2 * np.trace(root))


def torchmetrics_kid(real, fake, subsets, subset_size, **options):
    metric = KernelInceptionDistance(Features(real.shape[1]), subsets=subsets, subset_size=subset_size, **options)
    metric.update(torch.from_numpy(real).double(), real=True)
    metric.update(torch.from_numpy(fake).double(), real=False)
    torch.manual_seed(SEED)
    mean, deviation = metric.compute()
    return {"value": mean.item(), "deviation": deviation.item(), "subsets": subsets, "subsetSize": subset_size}


def kids(real, fake):
    smaller = min(len(real), len(fake))
    rows = [
        torchmetrics_kid(real, fake, 3, smaller),
        torchmetrics_kid(real, fake, 20, smaller // 2),
        {**torchmetrics_kid(real, fake, 5, 10, degree=2, gamma=0.3, coef=0.5),
         "degree": 2, "gamma": 0.3, "coefficient": 0.5},
    ]
    if len(real) == len(fake):
        whole = kernel_distance(real.astype(np.float64), fake.astype(np.float64), num_subsets=1, max_subset_size=smaller)
        assert np.isclose(rows[0]["value"], whole, rtol=1e-9), "torchmetrics and clean-fid differ"
    return rows


def cmmd(real, fake):
    """The published formula: unit rows, Gaussian kernel of sigma 10, means with the diagonal, times 1000."""
    x, y = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (real.astype(np.float64), fake.astype(np.float64)))

    def mean_kernel(a, b):
        squares = ((a[:, None, :] - b[None, :, :]) ** 2).sum(-1)
        return np.exp(-squares / (2 * 10.0**2)).mean()

    return float(1000 * (mean_kernel(x, x) + mean_kernel(y, y) - 2 * mean_kernel(x, y)))


def inception_scores(real):
    rows = []
    for splits in (1, 7, 10):
        metric = InceptionScore(feature=Features(real.shape[1]), splits=splits)
        metric.update(torch.from_numpy(real).double())
        torch.manual_seed(SEED)
        mean, deviation = metric.compute()
        rows.append({"splits": splits, "value": mean.item(), "deviation": 0.0 if splits == 1 else deviation.item()})
    return rows


def prdc(real, fake, k):
    with contextlib.redirect_stdout(io.StringIO()):
        found = compute_prdc(real.astype(np.float64), fake.astype(np.float64), nearest_k=k)
    return {"k": k, **{key: float(value) for key, value in found.items()}}


def clip_scores(real, fake):
    """torchmetrics' CLIPScore.compute over given embeddings: 100 cos, averaged, not below 0."""
    count = min(len(real), len(fake))
    a, b = (torch.from_numpy(v[:count]).double() for v in (real, fake))
    score = 100 * (a / a.norm(dim=-1, keepdim=True) * (b / b.norm(dim=-1, keepdim=True))).sum(-1)
    return torch.max(score.mean(), torch.zeros(())).item(), torch.max(-score.mean(), torch.zeros(())).item()


def make_cases():
    for name, n, m, size, kind in CASES:
        real, fake = sets_of(name, n, m, size, kind)
        score, negated = clip_scores(real, fake)
        by_root = matrix_root_fid(real, fake)
        by_eigenvalues = torchmetrics_fid(real, fake)
        print(f"{name}: fid {by_eigenvalues}, by root {by_root}")
        write_json(f"metrics/{name}.json", {
            "seed": SEED, "size": size, "real": f32(real), "fake": f32(fake),
            "fid": by_eigenvalues, "fidByRoot": by_root, "kid": kids(real, fake), "cmmd": cmmd(real, fake),
            "prdc": [prdc(real, fake, k) for k in (1, 3, 5)], "inceptionScore": inception_scores(real),
            "clipScore": score, "clipScoreNegated": negated})


# height, width, side of the result
PICTURES = [(9, 13, 16), (31, 20, 12), (16, 16, 16), (40, 17, 21), (5, 5, 30), (37, 50, 10), (1, 3, 8)]


def make_resize():
    rng = np.random.default_rng(SEED)
    rows = []
    for height, width, side in PICTURES:
        picture = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        planes = torch.from_numpy(picture).permute(2, 0, 1)[None].float()
        legacy = interpolate_bilinear_2d_like_tensorflow1x(planes, size=(side, side), align_corners=False)[0]
        clean = make_resizer("PIL", False, "bicubic", (side, side))(picture).transpose(2, 0, 1)
        rows.append({"height": height, "width": width, "side": side, "picture": base64.b64encode(picture.tobytes()).decode(),
                     "legacy": f32(legacy), "clean": f32(clean)})
    write_json("metrics/resize.json", {"rows": rows})


def make_permutations():
    rows = []
    for seed, count in ((0, 1), (0, 2), (7, 5), (7, 57), (123, 1000)):
        torch.manual_seed(seed)
        rows.append({"seed": seed, "count": count, "first": torch.randperm(count).tolist(),
                     "second": torch.randperm(count)[:9].tolist()})
    write_json("metrics/permutation.json", {"rows": rows})


def make():
    make_cases()
    make_resize()
    make_permutations()


if __name__ == "__main__":
    make()
