"""Cases of the CLIP classes of transformers."""

import torch
from transformers import (
    CLIPConfig, CLIPModel, CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection,
    CLIPVisionConfig, CLIPVisionModelWithProjection,
)

from cases import generator, randn, write_case

TEXT = dict(hidden_size=24, intermediate_size=40, num_hidden_layers=3, num_attention_heads=3,
            vocab_size=64, max_position_embeddings=77, projection_dim=16, hidden_act="quick_gelu",
            layer_norm_eps=1e-5, bos_token_id=62, eos_token_id=63, pad_token_id=1)
VISION = dict(hidden_size=24, intermediate_size=40, num_hidden_layers=3, num_attention_heads=3,
              image_size=32, patch_size=8, num_channels=3, projection_dim=16,
              hidden_act="quick_gelu", layer_norm_eps=1e-5)

# name, class, changes, rows of text length, total length
TEXTS = [
    ("clip-text-projection", CLIPTextModelWithProjection, {}, [5, 30, 75], 77),
    ("clip-text-projection-gelu", CLIPTextModelWithProjection,
     dict(hidden_act="gelu", eos_token_id=2, projection_dim=40, layer_norm_eps=1e-6), [0, 4, 18], 20),
    ("clip-text-projection-short", CLIPTextModelWithProjection,
     dict(max_position_embeddings=24, num_hidden_layers=2, hidden_size=32, num_attention_heads=2), [3, 1], 7),
    ("clip-text", CLIPTextModel, dict(eos_token_id=2), [12, 40], 77),
    ("clip-text-one-layer", CLIPTextModel, dict(num_hidden_layers=1, hidden_act="gelu"), [6], 16),
]


def token_ids(name, lengths, total):
    """start, `length` words, end, and the end again as padding, as CLIP tokenizers give."""
    g = generator(name)
    rows = []
    for length in lengths:
        words = torch.randint(0, 62, (length,), generator=g).tolist()
        rows.append(([62, *words] + [63] * total)[:total])
    return torch.tensor(rows)


def published_text_name(name):
    """transformers 5 drops the prefix of CLIPTextModel that all published files have."""
    return name if name.startswith(("text_model.", "text_projection.")) else f"text_model.{name}"


def text_outputs(model, inputs):
    out = model(input_ids=inputs["input_ids"], output_hidden_states=True)
    results = {"last_hidden_state": out.last_hidden_state, "penultimate_hidden_state": out.hidden_states[-2]}
    if isinstance(model, CLIPTextModel):
        return {**results, "pooler_output": out.pooler_output}
    return {**results, "text_embeds": out.text_embeds}


def vision_outputs(model, inputs):
    out = model(pixel_values=inputs["pixel_values"], output_hidden_states=True)
    return {"image_embeds": out.image_embeds, "last_hidden_state": out.last_hidden_state,
            "penultimate_hidden_state": out.hidden_states[-2]}


def similarity_outputs(model, inputs):
    out = model(**inputs)
    return {"logits_per_image": out.logits_per_image, "text_embeds": out.text_embeds,
            "image_embeds": out.image_embeds}


def make():
    for name, cls, changes, lengths, total in TEXTS:
        settings = {**TEXT, **changes}
        config = {"architectures": [cls.__name__], "model_type": "clip_text_model", **settings}
        inputs = {"input_ids": token_ids(name, lengths, total)}
        write_case(name, cls(CLIPTextConfig(**settings)), config, inputs, text_outputs, published_text_name)
    for name, changes in [
        ("clip-vision-projection", {}),
        ("clip-vision-projection-gelu", dict(hidden_act="gelu", image_size=28, patch_size=7, projection_dim=20,
                                             hidden_size=32, num_attention_heads=4, num_hidden_layers=2)),
    ]:
        settings = {**VISION, **changes}
        config = {"architectures": ["CLIPVisionModelWithProjection"], "model_type": "clip_vision_model", **settings}
        inputs = {"pixel_values": randn(name, 2, 3, settings["image_size"], settings["image_size"])}
        write_case(name, CLIPVisionModelWithProjection(CLIPVisionConfig(**settings)), config, inputs, vision_outputs)
    for name, scale in [("clip-similarity", 2.6592), ("clip-similarity-scale", 4.6052)]:
        text, vision = {**TEXT, "num_hidden_layers": 1}, {**VISION, "num_hidden_layers": 1}
        common = dict(text_config=text, vision_config=vision, projection_dim=16, logit_scale_init_value=scale)
        config = {"architectures": ["CLIPModel"], "model_type": "clip", **common}
        inputs = {"input_ids": token_ids(name, [4, 9, 2], 16), "pixel_values": randn(name, 2, 3, 32, 32)}
        write_case(name, CLIPModel(CLIPConfig(**common)), config, inputs, similarity_outputs)


if __name__ == "__main__":
    make()
