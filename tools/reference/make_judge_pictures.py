"""What the CLIP, SigLIP and BLIP image processors of transformers (Pillow backend) make of small pictures.

test/fixtures/judge-pictures.json  each row: preprocessor_config.json, a picture, its values
"""

import base64
import json

import numpy as np
from PIL import Image
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from packing import FIXTURES, f32

CLASSES = {"CLIP": CLIPImageProcessorPil, "Siglip": SiglipImageProcessorPil, "Blip": BlipImageProcessorPil}
OLD = {"crop_size": 12, "do_center_crop": True, "do_normalize": True, "do_resize": True, "feature_extractor_type": "CLIPFeatureExtractor",
       "image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711], "resample": 3, "size": 12}
CROP = {"crop_size": {"height": 9, "width": 9}}
# class, changes, width, height, mode
ROWS = [
    ("CLIP", OLD, 40, 27, "RGB"), ("CLIP", OLD, 9, 31, "RGB"), ("CLIP", {**OLD, "size": {"shortest_edge": 14}}, 13, 13, "RGBA"),
    *[("CLIP", {"size": {"shortest_edge": 10}, **CROP, "resample": kernel}, *size, "RGB") for kernel in range(6) for size in ((31, 17), (5, 7))],
    ("CLIP", {"size": {"shortest_edge": 9}, "crop_size": {"height": 14, "width": 13}}, 20, 33, "RGB"),
    ("CLIP", {"size": {"shortest_edge": 20, "longest_edge": 25}, **CROP}, 20, 33, "RGB"),
    ("CLIP", {"size": {"height": 10, "width": 15}, "do_center_crop": False, "image_mean": 0.4, "image_std": 0.3}, 15, 10, "RGB"),
    ("CLIP", {"do_resize": False, **CROP, "do_normalize": False}, 12, 20, "RGB"),
    ("CLIP", {"size": {"max_height": 16, "max_width": 9}, "crop_size": 11}, 20, 17, "RGB"),
    ("Siglip", {"size": {"height": 12, "width": 12}}, 33, 15, "RGB"), ("Siglip", {"size": {"height": 14, "width": 14}, "resample": 2}, 11, 30, "RGBA"),
    ("Siglip", {"size": [8, 13], "rescale_factor": 0.01}, 12, 12, "RGB"),
    ("Blip", {"size": {"height": 12, "width": 12}}, 21, 40, "RGB"), ("Blip", {"size": 13, "do_rescale": False}, 26, 9, "RGB"),
    ("Blip", {"size": 11, "do_normalize": False, "do_rescale": False}, 8, 40, "RGBA"),
]


def make():
    generator, rows = np.random.default_rng(3), []
    for name, changes, width, height, mode in ROWS:
        image = Image.fromarray(generator.integers(0, 256, (height, width, len(mode)), dtype=np.uint8), mode)
        config = {"image_processor_type": f"{name}ImageProcessor", **changes}
        if "feature_extractor_type" in changes:
            del config["image_processor_type"]
        settings = {k: v for k, v in changes.items() if k != "feature_extractor_type"}
        values = CLASSES[name](**settings)(image)["pixel_values"][0]
        rows.append({"config": config, "width": width, "height": height, "channels": len(mode),
                     "data": base64.b64encode(image.tobytes()).decode(), "shape": list(values.shape), "values": f32(values)})
    path = FIXTURES / "judge-pictures.json"
    path.write_text(json.dumps({"rows": rows}) + "\n")
    print("judge-pictures:", len(rows), "rows,", path.stat().st_size, "bytes")


if __name__ == "__main__":
    make()
