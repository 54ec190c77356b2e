"""Cases of T5EncoderModel."""

import torch
from transformers import T5Config, T5EncoderModel

from cases import generator, write_case

BASE = dict(vocab_size=48, d_model=24, d_kv=8, d_ff=40, num_layers=3, num_heads=3, feed_forward_proj="gated-gelu",
            relative_attention_num_buckets=32, relative_attention_max_distance=128, layer_norm_epsilon=1e-6,
            is_encoder_decoder=False, use_cache=False, tie_word_embeddings=False)

# name, changes, batch, tokens
CASES = [
    ("t5", {}, 2, 9),
    ("t5-long", dict(num_layers=2), 1, 300),
    ("t5-relu", dict(feed_forward_proj="relu", d_kv=5, layer_norm_epsilon=1e-5), 1, 12),
    ("t5-few-buckets", dict(relative_attention_num_buckets=6, relative_attention_max_distance=7, num_layers=2), 1, 40),
    ("t5-gated-silu", dict(feed_forward_proj="gated-silu", num_layers=1), 1, 1),
    ("t5-own-activation", dict(dense_act_fn="quick_gelu", is_gated_act=False, num_layers=1), 1, 20),
    ("t5-minimal", {}, 1, 20),
]
# Old files leave out keys that are younger than they.
MINIMAL = {"t5-minimal"}


def outputs(model, inputs):
    return {"last_hidden_state": model(input_ids=inputs["input_ids"]).last_hidden_state}


def published_name(name):
    """Published files hold the table once, as `shared.weight`."""
    return "shared.weight" if name.endswith("embed_tokens.weight") else name


def make():
    for name, changes, batch, tokens in CASES:
        settings = {**BASE, **changes}
        model = T5EncoderModel(T5Config(**settings))
        config = settings if name in MINIMAL else model.config.to_dict()
        config = {**config, "architectures": ["T5EncoderModel"], "model_type": "t5"}
        ids = torch.randint(0, settings["vocab_size"], (batch, tokens), generator=generator(name))
        write_case(name, model, config, {"input_ids": ids}, outputs, published_name)


if __name__ == "__main__":
    make()
