"""CLIP models computed by OpenCLIP itself, under the names and settings of their Hugging Face conversions.

Install open_clip_torch, timm, torchvision, ftfy and wcwidth with --no-deps, into a folder of their own:
torchvision changes what transformers takes by default.
"""

import numpy as np
import open_clip
import torch
from transformers import CLIPConfig, CLIPModel

from cases import randn, write_case
from make_clip import token_ids

WIDTH, LAYERS, HEADS = 24, 2, 3
# name, quick GELU, image and patch size, width of the shared space
CASES = [("clip-open-clip", False, 32, 8, 16), ("clip-open-clip-quick-gelu", True, 30, 10, 20)]


def block(hf, prefix):
    """One layer of a tower; queries, keys and values lie in one matrix."""
    both = {}
    for kind in ("weight", "bias"):
        parts = [hf[f"{prefix}.self_attn.{p}_proj.{kind}"] for p in "qkv"]
        both[f"attn.in_proj_{kind}"] = torch.cat(parts)
        for ours, theirs in [("attn.out_proj", "self_attn.out_proj"), ("ln_1", "layer_norm1"), ("ln_2", "layer_norm2"),
                             ("mlp.c_fc", "mlp.fc1"), ("mlp.c_proj", "mlp.fc2")]:
            both[f"{ours}.{kind}"] = hf[f"{prefix}.{theirs}.{kind}"]
    return both


def converted(hf):
    """The weights of a CLIPModel as OpenCLIP stores them."""
    out = {"visual.conv1.weight": hf["vision_model.embeddings.patch_embedding.weight"],
           "visual.class_embedding": hf["vision_model.embeddings.class_embedding"],
           "visual.positional_embedding": hf["vision_model.embeddings.position_embedding.weight"],
           "visual.proj": hf["visual_projection.weight"].T, "text_projection": hf["text_projection.weight"].T,
           "token_embedding.weight": hf["text_model.embeddings.token_embedding.weight"],
           "positional_embedding": hf["text_model.embeddings.position_embedding.weight"], "logit_scale": hf["logit_scale"]}
    for ours, theirs in [("visual.ln_pre", "vision_model.pre_layrnorm"), ("visual.ln_post", "vision_model.post_layernorm"),
                         ("ln_final", "text_model.final_layer_norm")]:
        out |= {f"{ours}.{kind}": hf[f"{theirs}.{kind}"] for kind in ("weight", "bias")}
    for i in range(LAYERS):
        for ours, theirs in [("visual.transformer", "vision_model"), ("transformer", "text_model")]:
            layer = block(hf, f"{theirs}.encoder.layers.{i}")
            out |= {f"{ours}.resblocks.{i}.{key}": value for key, value in layer.items()}
    return {key: value.contiguous() for key, value in out.items()}


def outputs(settings):
    def run(model, inputs):
        clip = open_clip.CLIP(**settings).eval()
        clip.load_state_dict(converted(model.state_dict()), strict=True)
        images = clip.encode_image(inputs["pixel_values"], normalize=True)
        texts = clip.encode_text(inputs["input_ids"], normalize=True)
        return {"logits_per_image": clip.logit_scale.exp() * images @ texts.T, "text_embeds": texts, "image_embeds": images}
    return run


def make():
    for name, quick, image, patch, shared in CASES:
        act = "quick_gelu" if quick else "gelu"
        tower = dict(hidden_size=WIDTH, intermediate_size=4 * WIDTH, num_hidden_layers=LAYERS, num_attention_heads=HEADS, hidden_act=act)
        text = dict(**tower, vocab_size=64, max_position_embeddings=16, eos_token_id=2, bos_token_id=0, pad_token_id=1)
        common = dict(text_config=text, vision_config=dict(**tower, image_size=image, patch_size=patch), projection_dim=shared,
                      logit_scale_init_value=float(np.log(1 / 0.07)))
        config = {"architectures": ["CLIPModel"], "model_type": "clip", **common}
        settings = dict(embed_dim=shared, quick_gelu=quick,
                        vision_cfg=dict(image_size=image, patch_size=patch, width=WIDTH, layers=LAYERS, head_width=WIDTH // HEADS),
                        text_cfg=dict(context_length=16, vocab_size=64, width=WIDTH, heads=HEADS, layers=LAYERS))
        inputs = {"input_ids": token_ids(name, [4, 9, 13], 16), "pixel_values": randn(name, 2, 3, image, image)}
        write_case(name, CLIPModel(CLIPConfig(**common)), config, inputs, outputs(settings))


if __name__ == "__main__":
    make()
