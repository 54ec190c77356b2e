"""Fixture core/random.json: the CPU generator of torch."""

import hashlib

import torch

from packing import f32, write_json

SEEDS = [0, 1, 42, 2**32 - 1, 2**32 + 5, 2**53 + 1, 2**64 - 1]
LARGE = [1000, 65537]
# One generator, these calls in this order: odd sizes under 16 leave a spare normal behind.
MIXED = [
    ("randn", 3), ("rand", 5), ("randn", 16), ("randn", 1), ("randn", 1), ("randn", 15),
    ("rand", 624), ("randn", 17), ("randn", 4), ("randn", 1000), ("randn", 2), ("rand", 1),
]


def generator(seed):
    return torch.Generator().manual_seed(seed)


def digest(state):
    """Without the spare normal, whose last bit hangs on the platform's sine."""
    state = state.clone()
    state[5024:5032] = 0
    return hashlib.sha256(state.numpy().tobytes()).hexdigest()


def sampled(values):
    """Every 397th value and the last 32: blocks, lanes and the redrawn tail all occur."""
    return torch.cat([values[::397], values[-32:]])


def mixed(seed):
    g = generator(seed)
    calls = []
    for kind, count in MIXED:
        values = getattr(torch, kind)(count, generator=g)
        calls.append({"kind": kind, "count": count, "values": f32(values), "state": digest(g.get_state())})
    return calls


def case(seed):
    return {
        "seed": str(seed),
        "freshState": digest(generator(seed).get_state()),
        "rand": f32(torch.rand(650, generator=generator(seed))),
        "small": [f32(torch.randn(n, generator=generator(seed))) for n in range(1, 41)],
        "large": [{"count": n, "values": f32(sampled(torch.randn(n, generator=generator(seed))))} for n in LARGE],
        "mixed": mixed(seed) if seed in (0, 2**53 + 1) else [],
    }


def make():
    write_json("core/random.json", {"cases": [case(seed) for seed in SEEDS]})


if __name__ == "__main__":
    make()
