"""Fixture core/reference-weights.json: names of every rule, short and long, ASCII and not."""

import hashlib

from packing import f32, write_json
from weights import fnv1a64, reference_weight

CASES = [
    ("conv_in.weight", [8, 4, 3, 3]),
    ("down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.weight", [16, 16]),
    ("text_model.embeddings.token_embedding.weight", [40, 12]),
    ("norm1.weight", [24]),
    ("norm1.bias", [24]),
    ("bn.running_var", [9]),
    ("bn.running_mean", [9]),
    ("text_model.embeddings.class_embedding", [16]),
    ("gain", []),
    ("权重.weight", [5, 3]),
    ("big.weight", [512, 777]),
    ("empty.weight", [0, 4]),
    ("", [3]),
]


def case(name, shape):
    values = reference_weight(name, shape)
    return {
        "name": name,
        "shape": shape,
        "hash": str(fnv1a64(name)),
        "head": f32(values.reshape(-1)[:48]),
        "sha256": hashlib.sha256(values.astype("<f4").tobytes()).hexdigest(),
    }


def make():
    write_json("core/reference-weights.json", {"cases": [case(*row) for row in CASES]})


if __name__ == "__main__":
    make()
