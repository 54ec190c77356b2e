"""Fixture graph/operations.json: torch's values and gradients of operations, in f64.

Element i of input k is ((37 i + 11 k) mod 101)/25 - 2 plus a shift (`plain`), or
((37 i + 11 k) mod 5) - 2 (`ties`: whole numbers with many equals). Gradients are of sum(y * w), w
being input 9 of the plain formula. test/graph/reference.test.ts builds the same rows by name.
Run: python tools/reference/op_fixtures.py
"""

import base64

import numpy as np
import torch
import torch.nn.functional as F

from packing import write_json


def plain(shape, k, shift=0.0):
    i = torch.arange(int(np.prod(shape)), dtype=torch.float64)
    return ((37 * i + 11 * k) % 101 / 25 - 2 + shift).reshape(shape)


def ties(shape, k):
    i = torch.arange(int(np.prod(shape)), dtype=torch.float64)
    return ((37 * i + 11 * k) % 5 - 2).reshape(shape)


def f64(values):
    values = values.detach().contiguous().numpy()
    return base64.b64encode(np.ascontiguousarray(values, dtype="<f8").tobytes()).decode()


def heads(x, count):
    return x.unflatten(-1, (count, -1)).transpose(1, 2)


def sdpa(q, k, v, bias=None, causal=False, count=2):
    y = F.scaled_dot_product_attention(
        heads(q, count), heads(k, count), heads(v, count), attn_mask=bias, is_causal=causal
    )
    return y.transpose(1, 2).flatten(2)


def resize(mode, size, corners=None, antialias=False):
    return lambda x: F.interpolate(x, size=size, mode=mode, align_corners=corners, antialias=antialias)


INDEX = torch.tensor([2, 0, 2, 1, 3])
PLACES = torch.tensor([[2, 0, 2], [1, 1, 3]])

# name, shapes, function, optional formula
CASES = [
    ("abs", [[101]], torch.abs),
    ("relu", [[101]], torch.relu),
    ("leaky relu", [[20]], lambda x: F.leaky_relu(x, 0.2)),
    ("elu", [[20]], lambda x: F.elu(x, 0.5)),
    ("gelu", [[40]], F.gelu),
    ("gelu tanh", [[40]], lambda x: F.gelu(x, approximate="tanh")),
    ("silu", [[20]], F.silu),
    ("softplus", [[20]], F.softplus),
    ("erf", [[101]], torch.erf),
    ("erf of large values", [[101]], lambda x: torch.erf(x * 3)),
    ("round", [[101]], lambda x: torch.round(x * 12.5)),
    ("clamp", [[101]], lambda x: torch.clamp(x, -1, 1)),
    ("remainder", [[3, 5], [5]], lambda a, b: torch.remainder(a * 3, b + 2.5)),
    ("power", [[6], [6]], lambda a, b: (a + 3) ** b),
    ("maximum", [[25], [25]], torch.maximum, ties),
    ("minimum", [[25], [25]], torch.minimum, ties),
    ("amax", [[3, 7]], lambda x: x.amax(1), ties),
    ("amin of all", [[3, 7]], lambda x: x.amin(), ties),
    ("cumsum", [[2, 3, 2]], lambda x: x.cumsum(1)),
    ("softmax", [[2, 3, 2]], lambda x: x.softmax(1)),
    ("log softmax", [[2, 5]], lambda x: x.log_softmax(-1)),
    ("matmul", [[2, 1, 2, 3], [2, 3, 2]], torch.matmul),
    ("conv", [[2, 2, 4, 5], [3, 2, 3, 3], [3]], lambda x, w, b: F.conv2d(x, w, b, padding=1)),
    ("conv stride 2", [[1, 2, 6, 5], [2, 2, 3, 3]], lambda x, w: F.conv2d(x, w, stride=2)),
    ("conv dilation", [[1, 1, 6, 6], [2, 1, 3, 2]], lambda x, w: F.conv2d(x, w, dilation=2, padding=(2, 1))),
    ("conv groups", [[1, 4, 3, 3], [4, 2, 2, 2]], lambda x, w: F.conv2d(x, w, groups=2)),
    ("conv transpose", [[1, 2, 3, 3], [2, 3, 3, 3], [3]], lambda x, w, b: F.conv_transpose2d(x, w, b, padding=1)),
    (
        "conv transpose stride 2",
        [[1, 2, 2, 3], [2, 2, 3, 3]],
        lambda x, w: F.conv_transpose2d(x, w, stride=2, padding=1, output_padding=1),
    ),
    (
        "conv transpose groups",
        [[1, 4, 2, 2], [4, 2, 2, 2]],
        lambda x, w: F.conv_transpose2d(x, w, groups=2, dilation=2),
    ),
    ("attention", [[2, 3, 4], [2, 5, 4], [2, 5, 6]], sdpa),
    ("attention causal", [[1, 4, 4], [1, 4, 4], [1, 4, 4]], lambda q, k, v: sdpa(q, k, v, causal=True)),
    ("attention causal, more keys", [[1, 2, 4], [1, 4, 4], [1, 4, 4]], lambda q, k, v: sdpa(q, k, v, causal=True)),
    ("attention bias", [[1, 3, 4], [1, 3, 4], [1, 3, 4], [1, 2, 3, 3]], sdpa),
    ("layer norm", [[3, 5], [5], [5]], lambda x, w, b: F.layer_norm(x, [5], w, b, 1e-5)),
    ("rms norm", [[3, 5], [5]], lambda x, w: F.rms_norm(x, [5], w, 1e-6)),
    ("group norm", [[2, 4, 2, 2], [4], [4]], lambda x, w, b: F.group_norm(x, 2, w, b, 1e-5)),
    (
        "batch norm",
        [[2, 3, 2, 2], [3], [3], [3], [3]],
        lambda x, w, b, mean, var: F.batch_norm(x, mean.detach(), var.detach() + 3, w, b, False, 0.0, 1e-5),
    ),
    ("reflect pad", [[1, 2, 3, 4]], lambda x: F.pad(x, (2, 1, 1, 2), "reflect")),
    ("edge pad", [[1, 2, 3, 4]], lambda x: F.pad(x, (2, 1, 1, 2), "replicate")),
    ("constant pad", [[2, 3]], lambda x: F.pad(x, (1, 0, 0, 2), value=0.5)),
    ("gather rows", [[4, 3]], lambda x: x[INDEX]),
    ("scatter rows", [[5, 3]], lambda x: torch.zeros(4, 3, dtype=x.dtype).index_add(0, INDEX, x)),
    ("gather elements", [[2, 4]], lambda x: x.gather(1, PLACES)),
    ("scatter elements", [[2, 3]], lambda x: torch.zeros(2, 4, dtype=x.dtype).scatter_add(1, PLACES, x)),
    ("nearest up", [[1, 1, 2, 3]], resize("nearest", (5, 7))),
    ("nearest down", [[1, 1, 7, 5]], resize("nearest", (3, 2))),
    ("nearest 3 to 41", [[1, 1, 1, 3]], resize("nearest", (1, 41))),
    ("nearest 13 to 47", [[1, 1, 1, 13]], resize("nearest", (1, 47))),
    ("bilinear up", [[1, 2, 2, 3]], resize("bilinear", (5, 4), False)),
    ("bilinear down", [[1, 1, 7, 5]], resize("bilinear", (3, 2), False)),
    ("bilinear corners", [[1, 1, 3, 5]], resize("bilinear", (5, 3), True)),
    ("bilinear corners to one pixel", [[1, 1, 3, 5]], resize("bilinear", (1, 1), True)),
    ("bilinear antialias", [[1, 1, 7, 5]], resize("bilinear", (3, 2), False, True)),
    ("bilinear antialias up", [[1, 1, 2, 3]], resize("bilinear", (5, 4), False, True)),
    ("bicubic up", [[1, 2, 2, 3]], resize("bicubic", (5, 4), False)),
    ("bicubic down", [[1, 1, 7, 5]], resize("bicubic", (3, 2), False)),
    ("bicubic corners", [[1, 1, 3, 5]], resize("bicubic", (5, 3), True)),
    ("bicubic antialias", [[1, 1, 7, 9]], resize("bicubic", (3, 2), False, True)),
    ("bicubic antialias up", [[1, 1, 3, 4]], resize("bicubic", (5, 6), False, True)),
    ("average pool", [[1, 2, 5, 4]], lambda x: F.avg_pool2d(x, 3, 2, 1)),
    ("average pool, padding not counted", [[1, 2, 5, 4]], lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False)),
    ("max pool", [[1, 2, 5, 4]], lambda x: F.max_pool2d(x, 3, 2, 1)),
    ("max pool of equals", [[1, 1, 6, 6]], lambda x: F.max_pool2d(x, 3, 1), ties),
]


def case(name, shapes, function, formula=plain):
    inputs = [formula(shape, k).requires_grad_() for k, shape in enumerate(shapes)]
    y = function(*inputs)
    (y * plain(list(y.shape), 9)).sum().backward()
    gradients = [torch.zeros_like(x) if x.grad is None else x.grad for x in inputs]
    return {
        "name": name,
        "formula": formula.__name__,
        "shapes": shapes,
        "shape": list(y.shape),
        "output": f64(y),
        "gradients": [f64(g) for g in gradients],
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    write_json("graph/operations.json", {"cases": [case(*row) for row in CASES]})
