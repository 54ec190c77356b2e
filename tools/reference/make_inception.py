"""Cases of the Inception-v3 of FID: torch-fidelity's class, over deterministic weights."""

import base64

import numpy as np
import torch
from cleanfid.resize import build_resizer
from torch_fidelity import feature_extractor_inceptionv3 as inception

from cases import randn, write_case
from packing import f32, write_json

OUTPUTS = ["2048", "logits_unbiased", "logits"]


class Bare(inception.FeatureExtractorInceptionV3):
    """The class without the download of its weights."""

    def load_state_dict(self, *_, **__):
        pass


def network(side=299):
    inception.load_state_dict_from_url = lambda *_, **__: {}
    model = Bare("inception", OUTPUTS)
    model.INPUT_IMAGE_SIZE = side
    return model


def features(model, pixels):
    """The network behind its own resize: `pixels` are its pictures, (x - 128) / 128."""
    resize = inception.interpolate_bilinear_2d_like_tensorflow1x
    inception.interpolate_bilinear_2d_like_tensorflow1x = lambda *_, **__: pixels * 128 + 128
    try:
        pool, unbiased, logits = model(torch.zeros(pixels.shape, dtype=torch.uint8))
    finally:
        inception.interpolate_bilinear_2d_like_tensorflow1x = resize
    return {"pool": pool, "logits_unbiased": unbiased, "logits": logits}


def make_case():
    inputs = {"pixels": randn("inception-fid/pixels", 1, 3, 75, 75).clamp(-1, 1)}
    config = {"architectures": ["FidInceptionV3"]}
    write_case("inception-fid", network(), config, inputs, lambda model, given: features(model, given["pixels"]))


@torch.no_grad()
def make_pictures():
    """Whole pictures through both resize rules and the network at its size; needs the weights of make_case."""
    from weights import fill

    model = network().eval()
    fill(model)
    rng = np.random.default_rng(11)
    picture = rng.integers(0, 256, (20, 28, 3), dtype=np.uint8)
    own = model(torch.from_numpy(picture).permute(2, 0, 1)[None])
    clean = torch.from_numpy(build_resizer("clean")(picture)).permute(2, 0, 1)[None]
    ours = features(model, (clean - 128) / 128)
    write_json("metrics/inception.json", {
        "height": 20, "width": 28, "picture": base64.b64encode(picture.tobytes()).decode(),
        "legacy": {"pool": f32(own[0]), "logitsUnbiased": f32(own[1])},
        "clean": {"pool": f32(ours["pool"]), "logitsUnbiased": f32(ours["logits_unbiased"])}})


def make():
    make_case()
    make_pictures()


if __name__ == "__main__":
    make()
