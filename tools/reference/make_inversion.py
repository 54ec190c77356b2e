"""Textual inversions: the ids and states of prompts with learned words, by diffusers' loader.

test/fixtures/inversion/<case>/   embedding files; case.json: pipeline case, files, words, prompts and ids;
                                  case.safetensors: `states.<i>` and `pooled.<i>` of prompt i
"""

import json
import shutil

import torch
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline
from safetensors.torch import save_file

from make_pipelines import CASES, allow_clip_skip, fill_pipeline
from packing import FIXTURES, versions
from weights import reference_weight

OUT = FIXTURES / "inversion"
PROMPTS = ["a <cat> by the sea", "<cat>, <CAT>house and toy", "toy toy <cat>_1 bird's", "a red apple"]


def vectors(name, count, width):
    shape = (width,) if count == 1 else (count, width)
    return torch.from_numpy(reference_weight(name, shape).copy()) * 20


@torch.no_grad()
def make_case(name, pipeline, files):
    """`files`: name -> (word, tensors by key, tower of each key)."""
    fill_pipeline(pipeline)
    folder = OUT / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    towers = [(pipeline.tokenizer, pipeline.text_encoder)]
    if hasattr(pipeline, "tokenizer_2"):
        towers.append((pipeline.tokenizer_2, pipeline.text_encoder_2))
    listed = []
    for file, (word, tensors, where) in files.items():
        save_file(tensors, folder / f"{file}.safetensors")
        listed.append({"file": f"{file}.safetensors", "token": word})
        for key, tensor in tensors.items():
            tokenizer, encoder = towers[where[key]]
            pipeline.load_textual_inversion({word: tensor}, token=word, tokenizer=tokenizer, text_encoder=encoder)
    allow_clip_skip(pipeline)
    ids, states = [], {}
    for i, prompt in enumerate(PROMPTS):
        ids.append([])
        for tokenizer, _ in towers:
            text = pipeline.maybe_convert_prompt(prompt, tokenizer)
            found = tokenizer(text, padding="max_length", max_length=tokenizer.model_max_length, truncation=True)
            ids[-1].append(found.input_ids)
        if isinstance(pipeline, StableDiffusionXLPipeline):
            encoded = pipeline.encode_prompt(prompt, device="cpu", do_classifier_free_guidance=False)
            states[f"states.{i}"], states[f"pooled.{i}"] = encoded[0], encoded[2]
        else:
            states[f"states.{i}"] = pipeline.encode_prompt(prompt, "cpu", 1, False)[0]
    call = {"pipeline": name, "embeddings": listed, "prompts": PROMPTS, "ids": ids}
    (folder / "case.json").write_text(json.dumps(call, indent=1) + "\n")
    save_file({k: t.contiguous() for k, t in states.items()}, folder / "case.safetensors",
              metadata={"made_with": json.dumps(versions())})
    print(f"inversion/{name}: {(folder / 'case.safetensors').stat().st_size} bytes")


def make():
    builders = {name: build for name, build, *_ in CASES}
    one = lambda key: {key: 0}
    make_case("sd1", builders["sd1"](), {
        "diffusers": ("<cat>", {"<cat>": vectors("cat", 3, 24)}, one("<cat>")),
        "toy": ("toy", {"emb_params": vectors("toy", 1, 24)[None]}, one("emb_params")),
    })
    xl = builders["xl"]()
    widths = [xl.text_encoder.config.hidden_size, xl.text_encoder_2.config.hidden_size]
    pair = {"clip_l": vectors("l", 2, widths[0]), "clip_g": vectors("g", 2, widths[1])}
    make_case("xl", xl, {"cat": ("<cat>", pair, {"clip_l": 0, "clip_g": 1})})


if __name__ == "__main__":
    make()
