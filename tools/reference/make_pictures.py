"""Resizing, blur, grey and overlay of Pillow, and the crop regions of diffusers' VaeImageProcessor, as bytes.

test/fixtures/pictures.json  each row: the operation, its arguments, the picture that goes in and the one that comes out
"""

import base64
import json

import numpy as np
from diffusers.image_processor import VaeImageProcessor
from PIL import Image, ImageFilter

from packing import FIXTURES

SIZES = [(17, 13, 20, 16, 3), (20, 16, 8, 6, 3), (1, 1, 9, 8, 3), (9, 30, 9, 8, 1), (24, 8, 16, 12, 3), (8, 26, 14, 6, 3),
         (7, 5, 20, 21, 1), (20, 16, 13, 3, 3)]
KERNELS = {"lanczos": Image.LANCZOS, "bicubic": Image.BICUBIC}


def packed(image):
    return {"width": image.width, "height": image.height, "channels": len(image.getbands()),
            "data": base64.b64encode(image.tobytes()).decode()}


def noise(generator, width, height, channels):
    values = generator.integers(0, 256, (height, width, channels), dtype=np.uint8)
    return Image.fromarray(values[..., 0] if channels == 1 else values)


def blob(width, height, box):
    mask = np.zeros((height, width), dtype=np.uint8)
    mask[box[1] : box[3], box[0] : box[2]] = 255
    return Image.fromarray(mask)


def make():
    generator, rows = np.random.default_rng(0), []
    processor = VaeImageProcessor(vae_scale_factor=1)

    def row(operation, image, out, **arguments):
        rows.append({"operation": operation, "in": packed(image), **arguments, "out": packed(out)})

    for width, height, wide, high, channels in SIZES:
        image = noise(generator, width, height, channels)
        for name, kernel in KERNELS.items():
            row("resample", image, image.resize((wide, high), kernel), kernel=name)
        for radius in (0.5, 1, 4) if channels == 3 else (1, 9):
            row("blur", image, image.filter(ImageFilter.GaussianBlur(radius)), radius=radius)
        edge = (0, height, width, height)
        row("resample", image, image.resize((width, 3), Image.BICUBIC, box=edge), kernel="bicubic", box=edge)
        if channels == 3:
            row("grey", image, image.convert("L"))
            for mode in ("fill", "crop"):
                row("fit", image, processor.resize(image, high, wide, mode), mode=mode)
    crops = []
    for width, height, box, size, pad in [
        (90, 60, (30, 15, 60, 45), (40, 48), 4), (64, 100, (0, 90, 10, 100), (48, 40), 8), (50, 50, (20, 1, 22, 49), (32, 64), 0),
        (50, 50, (1, 20, 49, 22), (32, 64), 3), (33, 70, (10, 10, 11, 11), (64, 8), 2), (33, 70, (0, 0, 33, 70), (8, 8), 9),
    ]:
        region = VaeImageProcessor.get_crop_region(blob(width, height, box), *size, pad)
        crops.append({"width": width, "height": height, "box": box, "size": size, "padding": pad, "region": region})
    original, drawn = noise(generator, 24, 20, 3), noise(generator, 16, 16, 3)
    mask = noise(generator, 24, 20, 1)
    region = (3, 2, 17, 18)
    row("overlay", original, processor.apply_overlay(mask, original, drawn, region), mask=packed(mask), drawn=packed(drawn), box=region)
    (FIXTURES / "pictures.json").write_text(json.dumps({"rows": rows, "crops": crops}) + "\n")
    print("pictures:", len(rows), "rows,", (FIXTURES / "pictures.json").stat().st_size, "bytes")


if __name__ == "__main__":
    make()
