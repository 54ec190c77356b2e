"""Writes fixtures: JSON whose arrays are base64 little-endian, readable without any package."""

import base64
import json
import platform
from pathlib import Path

import diffusers
import numpy as np
import torch
import transformers

FIXTURES = Path(__file__).resolve().parents[2] / "test" / "fixtures"


def versions():
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "diffusers": diffusers.__version__,
        "transformers": transformers.__version__,
        "numpy": np.__version__,
    }


def f32(values):
    """Base64 of float32 values, row-major."""
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu().contiguous().numpy()
    return base64.b64encode(np.ascontiguousarray(values, dtype="<f4").tobytes()).decode()


def write_json(path, value):
    path = FIXTURES / path
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"made_with": versions(), **value}, indent=1, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")
    size = path.stat().st_size
    assert size < 100_000, f"{path} has {size} bytes"
    print(f"{path.relative_to(FIXTURES)}: {size} bytes")
