"""Fixtures safetensors/*: files written by the reference library, with the bytes of every tensor.

Made with safetensors 0.8.0 (see requirements.txt); needs neither torch nor a network.
Run: python tools/reference/safetensors_fixtures.py
"""

import base64
import ctypes
import json
from pathlib import Path

import safetensors

OUT = Path(__file__).resolve().parents[2] / "test" / "fixtures" / "safetensors"
DTYPES = {
    "f64": ("float64", 8), "f32": ("float32", 4), "f16": ("float16", 2), "bf16": ("bfloat16", 2),
    "f8e4m3fn": ("float8_e4m3fn", 1), "f8e5m2": ("float8_e5m2", 1),
    "i64": ("int64", 8), "i32": ("int32", 4), "i16": ("int16", 2), "i8": ("int8", 1),
    "u64": ("uint64", 8), "u32": ("uint32", 4), "u16": ("uint16", 2), "u8": ("uint8", 1), "bool": ("bool", 1),
}
SHAPES = {"matrix": [3, 5], "scalar": [], "empty": [2, 0, 4]}


def values(count, size, dtype):
    if dtype == "bool":
        return bytes(i % 2 for i in range(count))
    return bytes((37 * i + 11) % 256 for i in range(count * size))


def every_dtype():
    tensors = {}
    for dtype, (name, size) in DTYPES.items():
        for kind, shape in SHAPES.items():
            count = 1
            for length in shape:
                count *= length
            tensors[f"{kind}.{dtype}"] = {"dtype": name, "shape": shape, "data": values(count, size, dtype)}
    return tensors


def write(name, tensors, metadata=None):
    buffers = {key: ctypes.create_string_buffer(t["data"], max(len(t["data"]), 1)) for key, t in tensors.items()}
    specs = {
        key: safetensors.TensorSpec(
            dtype=t["dtype"], shape=t["shape"], data_ptr=ctypes.addressof(buffers[key]), data_len=len(t["data"])
        )
        for key, t in tensors.items()
    }
    data = safetensors.serialize(specs, metadata=metadata)
    (OUT / f"{name}.safetensors").write_bytes(data)
    ours = {theirs: dtype for dtype, (theirs, _) in DTYPES.items()}
    return {
        "file": f"{name}.safetensors",
        "metadata": metadata or {},
        "tensors": {
            key: {"dtype": ours[t["dtype"]], "shape": t["shape"], "data": base64.b64encode(t["data"]).decode()}
            for key, t in tensors.items()
        },
    }


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    one = {"dtype": "float32", "shape": [2], "data": bytes(range(8))}
    files = [
        write("every-dtype", every_dtype()),
        write("no-tensors", {}),
        write("metadata", {"w": one}, {"format": "pt"}),
        write("names", {'quote " back \\ slash': one, "emoji 🐱 é \u0000\n": one, "__proto__": one, "constructor": one, "0": one, "10": one, "9": one}),
    ]
    expected = {"made_with": {"safetensors": safetensors.__version__}, "files": files}
    (OUT / "expected.json").write_text(json.dumps(expected, indent=1) + "\n", encoding="utf-8")


main()
