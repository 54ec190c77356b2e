"""Diffusers' parameter names to the key names of original checkpoints, each with how its tensor is made.

An entry is (key, op, sources): `copy` of one parameter, `join` of several along the first axis, `turn`
(transpose) of one, `swap` of the two halves of one, `conv` of a matrix to a 1×1 convolution. Every map is
checked by running diffusers' own converter on what it gives.
"""

import re

RESNET = {"norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1", "norm2": "out_layers.0",
          "conv2": "out_layers.3", "conv_shortcut": "skip_connection"}
EDGES = {"time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2",
         "time_embedding.cond_proj": "time_embedding.cond_proj", "add_embedding.linear_1": "label_emb.0.0",
         "add_embedding.linear_2": "label_emb.0.2", "conv_in": "input_blocks.0.0", "conv_norm_out": "out.0",
         "conv_out": "out.2"}


def inner(kind, rest):
    return [RESNET.get(r, r) if kind == "resnets" else r for r in rest]


def unet_key(name, config):
    layer, suffix = name.rsplit(".", 1)
    if layer in EDGES:
        return f"{EDGES[layer]}.{suffix}"
    per = config["layers_per_block"] + 1
    place, *path = layer.split(".")
    if place == "mid_block":
        kind, index, *rest = path
        number = 1 if kind == "attentions" else 2 * int(index)
        return ".".join([f"middle_block.{number}", *inner(kind, rest), suffix])
    block, kind, index, *rest = path
    if place == "down_blocks":
        if kind == "downsamplers":
            return f"input_blocks.{(int(block) + 1) * per}.0.op.{suffix}"
        at = 1 + int(block) * per + int(index)
        return ".".join([f"input_blocks.{at}.{int(kind == 'attentions')}", *inner(kind, rest), suffix])
    if kind == "upsamplers":
        slot = 2 if "CrossAttn" in config["up_block_types"][int(block)] else 1
        return f"output_blocks.{(int(block) + 1) * per - 1}.{slot}.conv.{suffix}"
    at = int(block) * per + int(index)
    return ".".join([f"output_blocks.{at}.{int(kind == 'attentions')}", *inner(kind, rest), suffix])


def unet(names, config, prefix="model.diffusion_model."):
    return [(prefix + unet_key(n, config), "copy", [n]) for n in names]


VAE_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}


def vae(names, config, prefix="first_stage_model.", as_conv=True):
    last, entries = len(config["block_out_channels"]) - 1, []
    for name in names:
        found = re.match(r"(.*)mid_block\.attentions\.0\.(.*)\.(weight|bias)$", name)
        if found:
            side, layer, suffix = found.groups()
            op = "conv" if as_conv and suffix == "weight" and layer != "group_norm" else "copy"
            entries.append((f"{prefix}{side}mid.attn_1.{VAE_ATTENTION[layer]}.{suffix}", op, [name]))
            continue
        key = name.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")
        key = re.sub(r"mid_block\.resnets\.(\d)", lambda m: f"mid.block_{int(m[1]) + 1}", key)
        key = re.sub(r"down_blocks\.(\d+)\.resnets", r"down.\1.block", key)
        key = re.sub(r"down_blocks\.(\d+)\.downsamplers\.0", r"down.\1.downsample", key)
        key = re.sub(r"up_blocks\.(\d+)\.resnets", lambda m: f"up.{last - int(m[1])}.block", key)
        key = re.sub(r"up_blocks\.(\d+)\.upsamplers\.0", lambda m: f"up.{last - int(m[1])}.upsample", key)
        entries.append((prefix + key, "copy", [name]))
    return entries


def clip(names, prefix):
    return [(prefix + name, "copy", [name]) for name in names]


OPEN_CLIP = [("text_model.embeddings.token_embedding.weight", "token_embedding.weight"),
             ("text_model.embeddings.position_embedding.weight", "positional_embedding"),
             ("text_model.final_layer_norm.", "ln_final."), ("text_model.encoder.layers.", "transformer.resblocks."),
             (".layer_norm1.", ".ln_1."), (".layer_norm2.", ".ln_2."), (".mlp.fc1.", ".mlp.c_fc."),
             (".mlp.fc2.", ".mlp.c_proj."), (".self_attn.out_proj.", ".attn.out_proj.")]


def open_clip(names, prefix):
    entries = []
    for name in names:
        found = re.match(r"text_model\.encoder\.layers\.(\d+)\.self_attn\.([qkv])_proj\.(weight|bias)$", name)
        if name == "text_projection.weight":
            entries.append((prefix + "text_projection", "turn", [name]))
        elif found and found[2] != "q":
            continue
        elif found:
            parts = [name.replace("q_proj", f"{p}_proj") for p in "qkv"]
            entries.append((f"{prefix}transformer.resblocks.{found[1]}.attn.in_proj_{found[3]}", "join", parts))
        else:
            for old, new in OPEN_CLIP:
                name_in_file = (name_in_file if old != OPEN_CLIP[0][0] else name).replace(old, new)
            entries.append((prefix + name_in_file, "copy", [name]))
    return entries


SD3_EDGES = {"pos_embed.pos_embed": "pos_embed", "pos_embed.proj": "x_embedder.proj",
             "time_text_embed.timestep_embedder.linear_1": "t_embedder.mlp.0",
             "time_text_embed.timestep_embedder.linear_2": "t_embedder.mlp.2",
             "time_text_embed.text_embedder.linear_1": "y_embedder.mlp.0",
             "time_text_embed.text_embedder.linear_2": "y_embedder.mlp.2", "context_embedder": "context_embedder",
             "proj_out": "final_layer.linear"}
SD3_BLOCK = {"attn.norm_q": "x_block.attn.ln_q", "attn.norm_k": "x_block.attn.ln_k",
             "attn.norm_added_q": "context_block.attn.ln_q", "attn.norm_added_k": "context_block.attn.ln_k",
             "attn.to_out.0": "x_block.attn.proj", "attn.to_add_out": "context_block.attn.proj",
             "attn2.norm_q": "x_block.attn2.ln_q", "attn2.norm_k": "x_block.attn2.ln_k",
             "attn2.to_out.0": "x_block.attn2.proj", "norm1.linear": "x_block.adaLN_modulation.1",
             "norm1_context.linear": "context_block.adaLN_modulation.1", "ff.net.0.proj": "x_block.mlp.fc1",
             "ff.net.2": "x_block.mlp.fc2", "ff_context.net.0.proj": "context_block.mlp.fc1",
             "ff_context.net.2": "context_block.mlp.fc2"}
SD3_FUSED = {"attn.to_q": ("x_block.attn.qkv", ["attn.to_q", "attn.to_k", "attn.to_v"]),
             "attn.add_q_proj": ("context_block.attn.qkv", ["attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"]),
             "attn2.to_q": ("x_block.attn2.qkv", ["attn2.to_q", "attn2.to_k", "attn2.to_v"])}


def sd3(names, config, prefix="model.diffusion_model."):
    entries, last = [], config["num_layers"] - 1
    for name in names:
        if name in SD3_EDGES:
            entries.append((prefix + SD3_EDGES[name], "copy", [name]))
            continue
        layer, suffix = name.rsplit(".", 1)
        if layer == "norm_out.linear":
            entries.append((f"{prefix}final_layer.adaLN_modulation.1.{suffix}", "swap", [name]))
        elif layer in SD3_EDGES:
            entries.append((f"{prefix}{SD3_EDGES[layer]}.{suffix}", "copy", [name]))
        else:
            _, index, place = layer.split(".", 2)
            block = f"{prefix}joint_blocks.{index}."
            if place in SD3_FUSED:
                key, parts = SD3_FUSED[place]
                sources = [f"transformer_blocks.{index}.{part}.{suffix}" for part in parts]
                entries.append((f"{block}{key}.{suffix}", "join", sources))
            elif place in SD3_BLOCK:
                op = "swap" if place == "norm1_context.linear" and int(index) == last else "copy"
                entries.append((f"{block}{SD3_BLOCK[place]}.{suffix}", op, [name]))
    return entries


def taesd(names, encoder="taesd_encoder.", decoder="taesd_decoder."):
    def key(name):
        side, _, index, rest = name.split(".", 3)
        return f"{encoder}{index}.{rest}" if side == "encoder" else f"{decoder}{int(index) + 1}.{rest}"

    return [(key(name), "copy", [name]) for name in names]
