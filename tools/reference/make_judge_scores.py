"""Whole judges and captions by transformers: model folders without weights, pictures, prompts, and what comes out.

test/fixtures/judges/<name>/
    config.json, preprocessor_config.json, tokenizer files   the folder, weights left out
    parameters.txt   "name d0,d1,…" of every stored tensor
    case.json        pictures (RGB or RGBA bytes), prompts and values; or captions, each with its settings
"""

import base64
import json
import shutil

import numpy as np
import torch
import transformers.generation.utils as generation
from PIL import Image
from transformers import (
    BertTokenizerFast, BlipConfig, BlipForConditionalGeneration, BlipForImageTextRetrieval, CLIPConfig, CLIPModel,
    CLIPVisionConfig, CLIPVisionModelWithProjection, SiglipConfig, SiglipModel, SiglipTokenizer,
)
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from cases import published_shapes
from make_judges import B_TEXT, B_VISION, S_TEXT, S_VISION, Head
from make_t5_tokenizer import train
from packing import FIXTURES, versions
from tiny_tokenizer import tiny_tokenizer
from weights import fill

FOLDER = FIXTURES / "judges"
PROMPTS = ["a red apple, flat", "Two green FROGS — cartoon!", "一个红苹果，扁平", "the house by the sea at night " * 12]
# The smallest difference that may decide which token comes next.
MARGIN = 1e-3


def pictures(seed, *sizes):
    """Soft coloured shapes with a little noise."""
    generator, out = np.random.default_rng(seed), []
    for width, height, mode in sizes:
        y, x = np.mgrid[0:height, 0:width]
        waves = [np.sin(x * generator.uniform(0.05, 0.4) + y * generator.uniform(0.05, 0.4) + generator.uniform(0, 6)) for _ in mode]
        values = np.stack(waves, -1) * 100 + 128 + generator.normal(0, 12, (height, width, len(mode)))
        out.append(Image.fromarray(values.clip(0, 255).astype(np.uint8), mode))
    return out


def packed(image):
    return {"width": image.width, "height": image.height, "channels": len(image.getbands()),
            "data": base64.b64encode(image.tobytes()).decode()}


def write_folder(name, model, config, processor, tokenizer_files, case):
    folder = FOLDER / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shapes = published_shapes(model, [n for n, _ in model.named_parameters()])
    (folder / "parameters.txt").write_text("".join(f"{k} {','.join(map(str, v))}\n" for k, v in sorted(shapes.items())))
    (folder / "config.json").write_text(json.dumps({**config.to_dict(), "architectures": [type(model).__name__]}, indent=1) + "\n")
    settings = {k: v for k, v in processor.to_dict().items() if v is not None}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings, indent=1) + "\n")
    for file, content in tokenizer_files.items():
        path = folder / file
        path.write_bytes(content) if isinstance(content, bytes) else path.write_text(content)
    (folder / "case.json").write_text(json.dumps({"made_with": versions(), **case}) + "\n")
    size = sum(f.stat().st_size for f in folder.iterdir())
    print(f"judges/{name}: {size} bytes")
    assert size < 100_000


def ready(model):
    model = model.eval().requires_grad_(False)
    fill(model)
    return model


def saved(tokenizer, *names):
    tokenizer.save_pretrained(FOLDER / "saved")
    files = {name: (FOLDER / "saved" / name).read_bytes() for name in names}
    shutil.rmtree(FOLDER / "saved")
    return files


def pixels(processor, images):
    return torch.from_numpy(np.stack(processor(images)["pixel_values"]))


def unit(x):
    return x / x.norm(dim=-1, keepdim=True)


def clip():
    FOLDER.mkdir(parents=True, exist_ok=True)
    tokenizer = tiny_tokenizer(24)
    tower = dict(hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=3)
    text = dict(**tower, vocab_size=len(tokenizer), max_position_embeddings=24, bos_token_id=tokenizer.bos_token_id,
                eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id)
    config = CLIPConfig(text_config=text, vision_config=dict(**tower, image_size=27, patch_size=6), projection_dim=20)
    model = ready(CLIPModel(config))
    processor = CLIPImageProcessorPil(size={"shortest_edge": 27}, crop_size=27)
    images = pictures(1, (40, 30, "RGB"), (27, 27, "RGB"), (20, 33, "RGBA"))
    tokens = tokenizer(PROMPTS, padding="max_length", truncation=True, return_tensors="pt")
    out = model(input_ids=tokens.input_ids, attention_mask=tokens.attention_mask, pixel_values=pixels(processor, images))
    cosines = (out.image_embeds @ out.text_embeds.T).tolist()
    write_folder("clip", model, config, processor, saved(tokenizer, "tokenizer.json", "tokenizer_config.json"),
                 {"pictures": [packed(i) for i in images], "prompts": PROMPTS, "values": {"clip": cosines}})


def siglip():
    spiece = train(pad_id=-1, eos_id=1, unk_id=2, bos_id=0, bos_piece="<pad>", normalization_rule_name="identity", vocab_size=120)
    (FOLDER / "saved").mkdir(parents=True)
    (FOLDER / "saved" / "spiece.model").write_bytes(spiece)
    tokenizer = SiglipTokenizer.from_pretrained(FOLDER / "saved", model_max_length=12)
    files = {"spiece.model": spiece, "tokenizer_config.json": json.dumps({"model_max_length": 12, "do_lower_case": True})}
    shutil.rmtree(FOLDER / "saved")
    config = SiglipConfig(text_config={**S_TEXT, "vocab_size": len(tokenizer)}, vision_config={**S_VISION, "image_size": 20, "patch_size": 5})
    model = SiglipModel(config)
    model.logit_scale.data.zero_()
    ready(model)
    processor = SiglipImageProcessorPil(size={"height": 20, "width": 20}, resample=2)
    images = pictures(2, (31, 44, "RGB"), (20, 20, "RGB"), (64, 21, "RGB"))
    tokens = tokenizer(PROMPTS, padding="max_length", truncation=True, max_length=12, return_tensors="pt")
    out = model(input_ids=tokens.input_ids, pixel_values=pixels(processor, images))
    cosines = (out.image_embeds @ out.text_embeds.T).tolist()
    write_folder("siglip", model, config, processor, files,
                 {"pictures": [packed(i) for i in images], "prompts": PROMPTS, "values": {"siglip": cosines}})


WORDS = """a red apple flat two green frog ##s cartoon ! , the house by sea at night 一 个 红 苹 果 ， on blue cat dog big small star with and
one of an in is yellow it rain bird nest ##ing sit ##ting ##y sun ##ny day . photo picture""".split()
VOCAB = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
assert len(VOCAB) < 62


def bert():
    lines = [*VOCAB, *[f"[unused{i}]" for i in range(62 - len(VOCAB))]]
    config = {"do_lower_case": True, "model_max_length": 30, "tokenizer_class": "BertTokenizer", "bos_token": "[DEC]",
              "additional_special_tokens": ["[ENC]"]}
    (FOLDER / "saved").mkdir(parents=True)
    (FOLDER / "saved" / "vocab.txt").write_text("\n".join(lines) + "\n")
    (FOLDER / "saved" / "tokenizer_config.json").write_text(json.dumps(config))
    tokenizer = BertTokenizerFast.from_pretrained(FOLDER / "saved")
    files = {name: (FOLDER / "saved" / name).read_bytes() for name in ("vocab.txt", "tokenizer_config.json")}
    shutil.rmtree(FOLDER / "saved")
    assert tokenizer.bos_token_id == 62 and len(tokenizer) == 64
    return tokenizer, files


def retrieval():
    tokenizer, files = bert()
    config = BlipConfig(text_config=B_TEXT, vision_config={**B_VISION, "image_size": 22, "patch_size": 7}, image_text_hidden_size=12)
    model = ready(BlipForImageTextRetrieval(config))
    processor = BlipImageProcessorPil(size={"height": 22, "width": 22})
    images = pictures(3, (30, 25, "RGB"), (18, 40, "RGBA"), (22, 22, "RGB"))
    values, itm, itc = pixels(processor, images), [], []
    for prompt in PROMPTS:
        tokens = tokenizer([prompt] * len(images), truncation=True, return_tensors="pt")
        inputs = dict(input_ids=tokens.input_ids, attention_mask=tokens.attention_mask, pixel_values=values)
        itm.append(torch.softmax(model(**inputs).itm_score, dim=1)[:, 1].tolist())
        itc.append(model(**inputs, use_itm_head=False).itm_score[:, 0].tolist())
    write_folder("blip", model, config, processor, files, {"pictures": [packed(i) for i in images], "prompts": PROMPTS,
                 "values": {"blip-itc": np.array(itc).T.tolist(), "blip-itm": np.array(itm).T.tolist()}})


def aesthetic():
    config = CLIPVisionConfig(hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=3, image_size=24, patch_size=8,
                              projection_dim=20)
    model = ready(CLIPVisionModelWithProjection(config))
    head = ready(Head([20, 16, 12, 8, 4, 1], [0, 2, 4, 6, 7], False))
    processor = CLIPImageProcessorPil(size={"shortest_edge": 24}, crop_size=24)
    images = pictures(4, (30, 25, "RGB"), (24, 40, "RGB"))
    marks = head(unit(model(pixel_values=pixels(processor, images)).image_embeds)).tolist()
    shapes = {n: list(p.shape) for n, p in head.named_parameters()}
    write_folder("aesthetic", model, config, processor, {}, {"pictures": [packed(i) for i in images], "prompts": [],
                 "head": shapes, "values": {"aesthetic": marks}})


class Margins:
    """The smallest difference that decided anything while captions were written.

    Every step of a beam search asks for the best candidates, those that go on, and those that are done: what
    matters is who is among the first `beams` each time, and which caption is the best in the end.
    """

    def __init__(self, beams):
        self.least, self.beams, self.first = float("inf"), beams, float("inf")

    def __enter__(self):
        self.topk, self.check = torch.topk, generation.GenerationMixin._check_early_stop_heuristic

        def topk(values, k, *args, **kwargs):
            ordered = self.topk(values, min(values.shape[-1], k + 1))[0].flatten().tolist()
            if ordered[self.beams] > -1e8:
                self.see(ordered[self.beams - 1] - ordered[self.beams])
            elif len(ordered) > 2 * self.beams:
                self.see(ordered[2 * self.beams - 1] - ordered[2 * self.beams])
            self.first = ordered[0] - ordered[1]  # the last call is that of captions that are done
            return self.topk(values, k, *args, **kwargs)

        def check(**kwargs):
            length = kwargs["cur_len"] - kwargs["decoder_prompt_len"]
            if kwargs["early_stopping"] == "never" and kwargs["length_penalty"] > 0:
                length = kwargs["max_length"] - kwargs["decoder_prompt_len"]
            possible = kwargs["running_beam_scores"][:, 0] / length ** kwargs["length_penalty"]
            self.see((possible - kwargs["beam_scores"].min()).abs().item())
            return self.check(**kwargs)

        torch.topk = topk
        generation.GenerationMixin._check_early_stop_heuristic = staticmethod(check)
        return self

    def see(self, value):
        self.least = min(self.least, value)

    def __exit__(self, *_):
        self.see(self.first)
        torch.topk = self.topk
        generation.GenerationMixin._check_early_stop_heuristic = staticmethod(self.check)


SETTINGS = [
    {}, {"prompt": "a photo of"}, {"max_length": 6}, {"min_length": 9}, {"prompt": "the red", "min_length": 8, "max_length": 12},
    {"num_beams": 3}, {"num_beams": 3, "prompt": "a picture of"}, {"num_beams": 4, "length_penalty": 2.0}, {"num_beams": 4, "length_penalty": -1.0},
    {"num_beams": 4, "length_penalty": 0.0, "early_stopping": "never"}, {"num_beams": 2, "early_stopping": True, "max_length": 10},
    {"num_beams": 5, "early_stopping": "never", "max_length": 14}, {"num_beams": 3, "early_stopping": True, "length_penalty": 3.0, "min_length": 6},
    {"num_beams": 2, "min_length": 12, "max_length": 16}, {"num_beams": 8, "max_length": 9},
]


def write_caption(model, tokenizer, values, settings):
    """Token ids, and the smallest margin on the way."""
    settings = dict(settings)
    prompt = settings.pop("prompt", None)
    tokens = tokenizer(prompt, return_tensors="pt") if prompt else None
    inputs = dict(input_ids=tokens.input_ids, attention_mask=tokens.attention_mask) if tokens else {}
    with Margins(settings.get("num_beams", 1)) as margins:
        out = model.generate(pixel_values=values, **inputs, **settings, return_dict_in_generate=True, output_scores=True)
    if "num_beams" not in settings:
        best = [torch.topk(s[0], 2)[0] for s in out.scores]
        return out.sequences[0].tolist(), min((pair[0] - pair[1]).item() for pair in best)
    return out.sequences[0].tolist(), margins.least


def captions():
    """For every setting the first two pictures whose captions hang on no small difference; early and late ends both occur."""
    tokenizer, files = bert()
    # An end that is likely but not certain: the weights of the names, and a text tower of one layer.
    config = BlipConfig(text_config={**B_TEXT, "num_hidden_layers": 1}, vision_config={**B_VISION, "image_size": 22, "patch_size": 7})
    model = ready(BlipForConditionalGeneration(config))
    processor = BlipImageProcessorPil(size={"height": 22, "width": 22})
    shown, cases = {}, []
    for settings in SETTINGS:
        found = []
        for seed in range(200):
            [image] = pictures(100 + seed, (22, 22, "RGB"))
            ids, margin = write_caption(model, tokenizer, pixels(processor, [image]), settings)
            if margin < MARGIN or any(ids == other for _, other, _ in found):
                continue
            found.append((seed, ids, margin))
            if len(found) == 2:
                break
        assert found, settings
        for seed, ids, margin in found:
            shown[seed] = packed(pictures(100 + seed, (22, 22, "RGB"))[0])
            text = tokenizer.decode(ids, skip_special_tokens=True)
            cases.append({"picture": str(seed), "settings": settings, "ids": ids, "text": text, "margin": margin})
            print(settings, len(ids), ids[-1] == 3, round(margin, 4), text)
    write_folder("captions", model, config, processor, files, {"pictures": shown, "captions": cases})


def make():
    clip()
    siglip()
    retrieval()
    aesthetic()
    captions()


if __name__ == "__main__":
    make()
