"""CLIP B/32 of full size with the weights of the weight function, and transformers' time to rank pictures with it.

python peer.py make FOLDER COUNT             writes FOLDER/model and FOLDER/pictures
python peer.py rank FOLDER BATCH MODE        MODE: eager | compile; prints one JSON line
"""
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from transformers import AutoProcessor, CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor, CLIPTokenizer

root = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(root / "tools" / "reference"))
PROMPT = "a red apple on a wooden table, photograph"


def make(folder, count):
    from make_pipelines import drawing
    from weights import fill

    model = CLIPModel(CLIPConfig(projection_dim=512)).eval()  # the class's own sizes are those of B/32
    fill(model)
    write_tokenizer(folder / "model")
    tokenizer = CLIPTokenizer.from_pretrained(folder / "model")
    model.save_pretrained(folder / "model")
    CLIPProcessor(image_processor=CLIPImageProcessor(), tokenizer=tokenizer).save_pretrained(folder / "model")
    (folder / "pictures").mkdir(exist_ok=True)
    for index in range(count):
        drawing(512, 512, shift=index * 0.37).save(folder / "pictures" / f"{index:03}.png")


def write_tokenizer(folder):
    """vocab.json follows from the merges: bytes, bytes that end a word, merges, the two marks."""
    folder.mkdir(parents=True, exist_ok=True)
    merges = (root / "assets" / "clip-tokenizer" / "merges.txt").read_text().splitlines()
    pairs = [line for line in merges if line and not line.startswith("#version")]
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    letters = [chr(byte) for byte in plain] + [chr(256 + i) for i in range(len(others))]
    words = letters + [f"{letter}</w>" for letter in letters] + ["".join(pair.split()) for pair in pairs]
    words += ["<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(words)}))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *pairs]) + "\n")


@torch.no_grad()
def rank(folder, batch, mode):
    started = time.perf_counter()
    torch.set_num_threads(2)
    model = CLIPModel.from_pretrained(folder / "model").eval()
    processor = AutoProcessor.from_pretrained(folder / "model", use_fast=False)
    text = processor(text=[PROMPT], return_tensors="pt", padding=True, truncation=True)
    embeds = model.get_text_features(**text)
    embeds = getattr(embeds, "pooler_output", embeds)
    embeds = embeds / embeds.norm(dim=-1, keepdim=True)
    features = torch.compile(model.get_image_features) if mode == "compile" else model.get_image_features
    paths = sorted((folder / "pictures").iterdir())

    def score(some):
        pixels = processor(images=[Image.open(path).convert("RGB") for path in some], return_tensors="pt").pixel_values
        seen = features(pixel_values=pixels)
        seen = getattr(seen, "pooler_output", seen)
        return (seen / seen.norm(dim=-1, keepdim=True)) @ embeds.T

    score(paths[:batch])  # what comes once
    ready = time.perf_counter()
    values = np.concatenate([score(paths[at : at + batch]).numpy() for at in range(0, len(paths), batch)])
    done = time.perf_counter()
    print(json.dumps(dict(seconds=done - ready, load=ready - started, values=values[:, 0].tolist())))


if __name__ == "__main__":
    command, folder, *rest = sys.argv[1:]
    if command == "make":
        make(Path(folder), int(rest[0]))
    else:
        rank(Path(folder), int(rest[0]), rest[1])
