"""Cases of the classes that judge pictures: SigLIP, BLIP retrieval and captioning, LAION's aesthetic heads, CLIP by OpenCLIP."""

import torch
from transformers import (
    BlipConfig, BlipForConditionalGeneration, BlipForImageTextRetrieval, SiglipConfig, SiglipModel,
)

from cases import generator, randn, write_case

TOWER = dict(hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=3)
S_TEXT = dict(**TOWER, vocab_size=64, max_position_embeddings=12, layer_norm_eps=1e-6)
S_VISION = dict(**TOWER, image_size=32, patch_size=8, layer_norm_eps=1e-6)
# name, changes of text, changes of vision, tokens
SIGLIPS = [
    ("siglip", {}, {}, 12),
    ("siglip-odd-size", dict(hidden_act="gelu", layer_norm_eps=1e-5, num_attention_heads=4),
     dict(hidden_act="gelu", image_size=29, patch_size=7, num_attention_heads=2, num_hidden_layers=1), 12),
    ("siglip-projection", dict(hidden_size=32, num_attention_heads=2, projection_size=24, num_hidden_layers=3),
     dict(num_channels=1, intermediate_size=50), 5),
]
B_TEXT = dict(**TOWER, vocab_size=64, max_position_embeddings=32, bos_token_id=62, sep_token_id=3, pad_token_id=0, eos_token_id=2)
B_VISION = dict(**TOWER, image_size=32, patch_size=8)
# name, changes of text, of vision, of both
RETRIEVALS = [
    ("blip-retrieval", {}, {}, dict(image_text_hidden_size=16)),
    ("blip-retrieval-odd-size", dict(num_attention_heads=4, hidden_act="gelu_new", layer_norm_eps=1e-6, num_hidden_layers=1),
     dict(image_size=27, patch_size=6, hidden_size=32, num_attention_heads=2, hidden_act="quick_gelu"), dict(image_text_hidden_size=10)),
]
CAPTIONERS = [
    ("blip-captioning", {}, {}, {}),
    ("blip-captioning-odd-size", dict(num_attention_heads=2, hidden_act="relu", num_hidden_layers=3),
     dict(image_size=21, patch_size=5, hidden_size=16, num_attention_heads=4, num_hidden_layers=1), {}),
]
# name, sizes, places of the linear layers, ReLU between them
HEADS = [
    ("aesthetic-head", [20, 16, 12, 8, 4, 1], [0, 2, 4, 6, 7], False),
    ("aesthetic-head-relu", [20, 16, 12, 8, 4, 1], [0, 3, 6, 9, 11], True),
    ("aesthetic-head-linear", [20, 1], None, False),
]


def ids(name, count, tokens, vocab=62):
    return torch.randint(4, vocab, (count, tokens), generator=generator(name))


def padded(name, lengths, tokens):
    """Rows of words, then padding, with their mask."""
    words = ids(name, len(lengths), tokens)
    mask = torch.tensor([[1] * length + [0] * (tokens - length) for length in lengths])
    return words * mask, mask


def similarity(model, inputs):
    out = model(**inputs)
    return {"logits_per_image": out.logits_per_image, "text_embeds": out.text_embeds, "image_embeds": out.image_embeds}


def retrieval(model, inputs):
    match = model(**inputs)
    return {"itm": match.itm_score, "last_hidden_state": match.last_hidden_state,
            "itc": model(**inputs, use_itm_head=False).itm_score}


def caption_scores(model, inputs):
    return {"logits": model(**inputs).logits}


class Head(torch.nn.Module):
    """`MLP` of improved-aesthetic-predictor, or the lone layer of aesthetic-predictor; dropout does nothing here."""

    def __init__(self, sizes, places, has_relu):
        super().__init__()
        self.has_relu = has_relu
        layers = [torch.nn.Linear(*pair) for pair in zip(sizes, sizes[1:])]
        if places is None:
            self.weight, self.bias = layers[0].weight, layers[0].bias
        else:
            self.layers = torch.nn.ModuleDict({str(place): layer for place, layer in zip(places, layers)})

    def forward(self, x):
        if hasattr(self, "weight"):
            return torch.nn.functional.linear(x, self.weight, self.bias)
        layers = list(self.layers.values())
        for layer in layers[:-1]:
            x = torch.relu(layer(x)) if self.has_relu else layer(x)
        return layers[-1](x)


def whole(architecture, config):
    return {**config.to_dict(), "architectures": [architecture]}


def make():
    for name, text, vision, tokens in SIGLIPS:
        config = SiglipConfig(text_config={**S_TEXT, **text}, vision_config={**S_VISION, **vision})
        model = SiglipModel(config)
        model.logit_scale.data.zero_()
        seen = config.vision_config
        inputs = {"input_ids": ids(name, 3, tokens), "pixel_values": randn(name, 2, seen.num_channels, seen.image_size, seen.image_size)}
        write_case(name, model, whole("SiglipModel", config), inputs, similarity)
    for name, text, vision, both in RETRIEVALS:
        config = BlipConfig(text_config={**B_TEXT, **text}, vision_config={**B_VISION, **vision}, **both)
        words, mask = padded(name, [9, 4], 9)
        side = config.vision_config.image_size
        inputs = {"input_ids": words, "attention_mask": mask, "pixel_values": randn(name, 2, 3, side, side)}
        write_case(name, BlipForImageTextRetrieval(config), whole("BlipForImageTextRetrieval", config), inputs, retrieval)
    for name, text, vision, both in CAPTIONERS:
        config = BlipConfig(text_config={**B_TEXT, **text}, vision_config={**B_VISION, **vision}, **both)
        side = config.vision_config.image_size
        inputs = {"input_ids": ids(name, 2, 7), "pixel_values": randn(name, 2, 3, side, side)}
        write_case(name, BlipForConditionalGeneration(config), whole("BlipForConditionalGeneration", config), inputs, caption_scores)
    for name, sizes, places, has_relu in HEADS:
        hidden = sizes[1:-1]
        config = {"_class_name": "AestheticHead", "input_size": sizes[0], "hidden_sizes": hidden, "activation": "relu" if has_relu else "none"}
        embeds = torch.nn.functional.normalize(randn(name, 5, sizes[0]), dim=-1)
        write_case(name, Head(sizes, places, has_relu), config, {"embeds": embeds}, lambda m, i: {"scores": m(i["embeds"])})


if __name__ == "__main__":
    make()
