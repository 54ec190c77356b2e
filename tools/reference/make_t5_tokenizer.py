"""The T5 tokenizer of transformers on a tiny SentencePiece model with the character map of all T5 models.

test/fixtures/tokenizer/t5/
    spiece.model.br   the model, brotli: its character map alone has 237 kB
    tokenizer.json    the same as transformers saves it, its character map left out
    texts.json        ids of texts, decoded texts
    long.json         count and SHA-256 of the ids (int32) of repeated texts
    characters.json   SHA-256 of every 4096 characters, joined, after the character map
    variants.json     what configuration files change
"""

import base64
import hashlib
import io
import json
import random
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import sentencepiece
from transformers import T5TokenizerFast

from packing import FIXTURES, write_json
from tiny_tokenizer import CAPTIONS

FOLDER = FIXTURES / "tokenizer" / "t5"
MARKERS = ["<user>"]

TEXTS = [
    "", " ", "  \n\t ", "a red apple, flat", "  two  green\tfrogs,\ncartoon\r\n", "The HOUSE by the sea", "unknown words: xyzzy!",
    "caf\u00e9 in the rain", "cafe\u0301 in the rain", "e\u0301\u0302", "A\u030a \u00c5 \u212b", "ｆｕｌｌ ｗｉｄｔｈ １２３！", "ﬁne ﬂat ﬃ", "①②③ ½ ㎏ ㍿",
    "一个红苹果，扁平", "光泽立体的火箭", "ﾊﾝｶｸ ｶﾞ ガ か\u3099", "한국어 \u1112\u1161\u11ab", "日本語とEnglishの混在", "русский текст", "مرحبا ﷺ ﻻ", "हिन्दी क्षि",
    "😀", "a 😀 b 👨\u200d👩\u200d👧 c 🇩🇪 d 👍🏽", "\U0001f3f4\U000e0067\U000e0062\U000e007f", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𝟙𝟚",
    "\x00", "\x01\x02 a\x7f b\x80 c\x85d", "a\u200bb\u200cc\u200dd\u2060e\ufefff", "a\u00a0b\u2003c\u3000d\u1680e\u2028f", "a\u00adb",
    "▁", "▁▁a ▁ b▁", "a▁b", "<pad>", "</s>", "<unk>", "a <unk> b", "</s> a</s>", "<extra_id_0> hello <extra_id_5>x<extra_id_99>",
    "<extra_id_100>", "<extra_id_0", "<user> a<user>b", "<USER>", "\ud7ff\ue000", "\ufffd\uffff", "it's a bird's nest", "one large orange cat, simple" * 4,
    "xxxx 苹苹 xx", "𠀀𠀁 𠀂", "a\r\nb\r\rc", "\u0301a", "a" * 50, "." * 30, "0123456789 3.14 1e5", "<s> [CLS] <mask>",
]
RANGES = [(32, 127), (0, 0x100), (0x300, 0x370), (0x1100, 0x1200), (0x2000, 0x2100), (0x3040, 0x3100), (0x4E00, 0x4F00),
          (0xAC00, 0xAD00), (0xFE00, 0x10000), (0x1F300, 0x1F700), (0x0900, 0x0980), (0x1D400, 0x1D500)]

# name, tokenizer_config.json, special_tokens_map.json
PUBLISHED = {"additional_special_tokens": [f"<extra_id_{i}>" for i in range(100)], "clean_up_tokenization_spaces": True,
             "eos_token": "</s>", "extra_ids": 100, "legacy": True, "model_max_length": 512, "pad_token": "<pad>",
             "sp_model_kwargs": {}, "tokenizer_class": "T5Tokenizer", "unk_token": "<unk>"}
FLAGS = {"normalized": False, "single_word": False, "special": True}
VARIANTS = [
    ("published", PUBLISHED, {k: {"content": PUBLISHED[k], "lstrip": False, "rstrip": False, **FLAGS}
                              for k in ("eos_token", "pad_token", "unk_token")}),
    ("listed-tokens", {**PUBLISHED, "added_tokens_decoder": {
        "0": {"content": "<pad>", "lstrip": False, "rstrip": False, **FLAGS},
        "1": {"content": "</s>", "lstrip": False, "rstrip": False, **FLAGS},
        "2": {"content": "<unk>", "lstrip": False, "rstrip": False, **FLAGS},
        "LAST": {"content": "<extra_id_0>", "lstrip": True, "rstrip": True, **FLAGS}}}, None),
    ("few-extra-ids", {"extra_ids": 3, "model_max_length": 20}, None),
    ("other-ends", {"eos_token": "<pad>", "pad_token": "</s>"}, None),
    ("map-only", None, {"pad_token": "</s>", "extra_special_tokens": ["red apple"]}),
]
VARIANT_TEXTS = ["a red apple, flat", "<extra_id_0> hello  <extra_id_7> x<extra_id_99>", "</s> a <pad>", "<user> b", "苹果 red apple"]


def digest(data):
    return hashlib.sha256(data).hexdigest()


def train(**changes):
    model = io.BytesIO()
    settings = dict(vocab_size=160, pad_id=0, eos_id=1, unk_id=2, bos_id=-1, model_type="unigram", character_coverage=0.98,
                    hard_vocab_limit=False, num_threads=1, minloglevel=2)
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(CAPTIONS * 3), model_writer=model, **settings | changes)
    return model.getvalue()


def load(model, config=None, special_map=None, saved=None):
    """As from_pretrained reads a folder: its spiece.model, or the saved tokenizer.json."""
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        (folder / "spiece.model").write_bytes(model)
        if saved:
            (folder / "tokenizer.json").write_text(saved)
        for name, value in [("tokenizer_config.json", config), ("special_tokens_map.json", special_map)]:
            if value is not None:
                (folder / name).write_text(json.dumps(value))
        return T5TokenizerFast.from_pretrained(folder)


def save(tokenizer):
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        return (Path(folder) / "tokenizer.json").read_text()


def random_texts(count):
    draw = random.Random(5)
    for _ in range(count):
        chars = []
        for _ in range(draw.randint(1, 24)):
            low, high = draw.choice(RANGES)
            chars.append(chr(draw.randrange(low, high)))
        yield "".join(chars)


def case(tokenizer, text):
    ids = tokenizer(text).input_ids
    assert ids[-1] == tokenizer.eos_token_id
    return {"text": text, "ids": ids[:-1]}


def prompt(tokenizer, text, length):
    ids = tokenizer(text, padding="max_length", max_length=length, truncation=True).input_ids
    return {"text": text, "maxLength": length, "ids": ids}


def blocks(tokenizer):
    """The character map over the planes that have characters to map, each character after a letter."""
    for start in [*range(0, 0xD000, 0x1000), *range(0xE000, 0x20000, 0x1000), 0x2F000, 0xE0000]:
        text = "".join(f"a{chr(c)}" for c in range(start, start + 0x1000))
        yield {"start": start, "sha256": digest(tokenizer.backend_tokenizer.normalizer.normalize_str(text).encode())}


def variant(model, saved, name, config, special_map):
    last = len(json.loads(saved)["model"]["vocab"]) - 1
    if config and "added_tokens_decoder" in config:
        listed = {str(last) if k == "LAST" else k: v for k, v in config["added_tokens_decoder"].items()}
        config = {**config, "added_tokens_decoder": listed}
    forms = {}
    for form, tokenizer in [("spiece", load(model, config, special_map)), ("json", load(model, config, special_map, saved))]:
        forms[form] = {"size": len(tokenizer), "padId": tokenizer.pad_token_id, "eosId": tokenizer.eos_token_id,
                       "prompts": [prompt(tokenizer, text, 12) for text in VARIANT_TEXTS]}
    return {"name": name, "tokenizerConfig": config, "specialTokensMap": special_map, **forms}


def make():
    FOLDER.mkdir(parents=True, exist_ok=True)
    model = train(user_defined_symbols=MARKERS)
    (FOLDER / "spiece.model.br").write_bytes(subprocess.run(
        ["node", "-e", "process.stdout.write(zlib.brotliCompressSync(fs.readFileSync(0)))"], input=model, capture_output=True,
        check=True).stdout)
    tokenizer = load(model)
    saved = save(tokenizer)
    same = load(model, saved=saved)
    pipeline = json.loads(saved)
    assert base64.b64decode(pipeline["normalizer"]["precompiled_charsmap"]) in model
    pipeline["normalizer"]["precompiled_charsmap"] = ""
    (FOLDER / "tokenizer.json").write_text(json.dumps(pipeline, ensure_ascii=False) + "\n")
    texts = [*[t.encode("utf-16", "surrogatepass").decode("utf-16") for t in TEXTS], *random_texts(300)]
    cases = [case(tokenizer, text) for text in texts]
    assert cases == [case(same, text) for text in texts]
    decodes = [{"ids": c["ids"], "text": tokenizer.decode(c["ids"])} for c in cases[:len(TEXTS)]]
    prompts = [prompt(tokenizer, text, length) for text in TEXTS[:14] + TEXTS[-8:] for length in (1, 2, 5, 40)]
    write_json("tokenizer/t5/texts.json", {"size": len(tokenizer), "cases": cases, "prompts": prompts, "decodes": decodes})
    long = []
    for text, times in [("a red apple ", 3000), ("一个红苹果", 20_000), ("e\u0301", 30_000), ("x", 50_000), ("👍🏽 ", 5000), ("a\r\n", 9000)]:
        ids = case(tokenizer, text * times)["ids"]
        long.append({"text": text, "times": times, "count": len(ids), "sha256": digest(np.array(ids, "<i4").tobytes())})
    write_json("tokenizer/t5/long.json", {"cases": long})
    write_json("tokenizer/t5/characters.json", {"blocks": list(blocks(tokenizer))})
    write_json("tokenizer/t5/variants.json", {"variants": [variant(model, saved, *v) for v in VARIANTS]})


if __name__ == "__main__":
    make()
