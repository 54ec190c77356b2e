"""The BERT and SigLIP tokenizers of transformers on small vocabularies made here.

test/fixtures/tokenizer/bert/
    vocab.txt, tokenizer.json   the same vocabulary in both forms
    variants.json               what configuration files change: ids, cut ids and decoded texts
    characters.json             SHA-256 of every 4096 characters, cleaned and split, as words
test/fixtures/tokenizer/siglip/
    variants.json               models (brotli, base64; '' is that of ../t5) with their settings, ids and padded ids of texts
"""

import base64
import hashlib
import json
import subprocess
import tempfile
from pathlib import Path

from transformers import BertTokenizerFast, SiglipTokenizer

from make_t5_tokenizer import MARKERS, TEXTS, random_texts, train
from packing import FIXTURES, write_json
from tiny_tokenizer import CAPTIONS

BERT = FIXTURES / "tokenizer" / "bert"
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
OWN_TEXTS = [
    "Crème Brûlée à la carte", "ÀÉÎÕÜ ñ Å Ǆ ß İ I ΑΣ ΌΣΟΣ", "don't can't it's he'll we've they're I'm", "a.b,c!d?e:f;g'h\"i(j)k[l]m{n}o",
    "[CLS] red [SEP] [MASK] [PAD]", "[DEC] a red apple [ENC]", "[dec] [Sep]", "[CLS", "apples", "appleapple", "red" * 40, "x" * 100, "x" * 101,
    "苹果apple苹果", "㐀 豈 𠀀 𪜀 丽 あ ア 한", "a\u00adb a\u200db a\ufeffb", "a\x00b\x07c\ufffdd", "\ue000a\U000f0000b", "a\u0301\u0327 e\u0301",
    "🇩🇪 🏳️\u200d🌈 👍🏽 ❤️ ☺", "¡hola! ¿qué? «a» — “b” … ‰ § ¶ · € $ + < = > ^ ` | ~", "a_b-c/d\\e@f#g%h&i*j", "\u2028a\u2029b\u0085c",
    "the quick, (brown) fox. do not do it ! it ' s n't 'm 've 're", "ａ Ａ Ｂ！", "Ω Ω ﬁ ﬀ ǆ", "1,234.56 1/2 ½ ² ①",
]
VARIANTS = [
    ("plain", None, None),
    ("blip", {"do_lower_case": True, "model_max_length": 512, "bos_token": "[DEC]", "additional_special_tokens": ["[ENC]"],
              "strip_accents": None, "tokenize_chinese_chars": True, "clean_up_tokenization_spaces": True, "never_split": None,
              "do_basic_tokenize": True, "tokenizer_class": "BertTokenizer"}, None),
    ("cased", {"do_lower_case": False, "model_max_length": 20}, None),
    ("accents-kept", {"strip_accents": False, "tokenize_chinese_chars": False}, None),
    ("cased-without-accents", {"do_lower_case": False, "strip_accents": True}, None),
    ("map", {"do_lower_case": True}, {"sep_token": "[MASK]", "pad_token": {"content": "[PAD]", "lstrip": False, "rstrip": False,
     "normalized": False, "single_word": False}}),
    ("added", {"added_tokens_decoder": {**{str(i): {"content": t, "special": True, "normalized": False, "lstrip": False, "rstrip": False,
     "single_word": False} for i, t in enumerate(SPECIAL)}, "LAST": {"content": "Red Apple", "special": False, "normalized": True,
     "lstrip": False, "rstrip": False, "single_word": True}}}, None),
]


def vocabulary():
    """Characters, their inner forms, and words of the captions whole and in pieces."""
    plain = BertTokenizerFast(vocab={t: i for i, t in enumerate(SPECIAL)}).backend_tokenizer
    text = " ".join([*CAPTIONS, *TEXTS[:30], *OWN_TEXTS])
    words = []
    for form in (text, plain.normalizer.normalize_str(text)):
        words += [w for w, _ in plain.pre_tokenizer.pre_tokenize_str(form) if len(w) < 30]
    chars = sorted({c for w in words for c in w})
    pieces = [w[i:] for w in words for i in range(0, len(w), 3)]
    inner = ["##" + p for p in [*chars, *pieces] if p != "x"]
    starts = [w[:3] for w in words] + [w for w in words if len(w) % 2]
    lines = list(dict.fromkeys([*SPECIAL, *chars, *inner, *starts]))
    return [line for line in lines if line == line.strip() and "\n" not in line and "\r" not in line and len(line.splitlines()) == 1]


def load(cls, files):
    with tempfile.TemporaryDirectory() as folder:
        for name, value in files.items():
            path = Path(folder) / name
            if isinstance(value, bytes):
                path.write_bytes(value)
            elif value is not None:
                path.write_text(value if isinstance(value, str) else json.dumps(value))
        return cls.from_pretrained(folder)


def saved(tokenizer):
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        return (Path(folder) / "tokenizer.json").read_text()


def row(ids):
    return " ".join(map(str, ids))


def bert_case(tokenizer, text):
    ids = tokenizer(text).input_ids
    return {"text": text, "ids": row(ids), "cut": row(tokenizer(text, truncation=True, max_length=6).input_ids),
            "decoded": tokenizer.decode(ids, skip_special_tokens=True)}


def digest(data):
    return hashlib.sha256(data.encode()).hexdigest()


def blocks(tokenizer):
    """Every character after a letter: cleaned, split into words, joined by line ends."""
    pipeline = tokenizer.backend_tokenizer
    for start in [*range(0, 0xD000, 0x1000), *range(0xE000, 0x20000, 0x1000), 0x2F000, 0xE0000, 0xF0000]:
        text = " ".join(f"a{chr(c)}b" for c in range(start, start + 0x1000))
        words = pipeline.pre_tokenizer.pre_tokenize_str(pipeline.normalizer.normalize_str(text))
        yield {"start": start, "sha256": digest("\n".join(w for w, _ in words))}


def bert():
    BERT.mkdir(parents=True, exist_ok=True)
    lines = vocabulary()
    vocab = "\n".join(lines) + "\n"
    (BERT / "vocab.txt").write_text(vocab)
    plain = load(BertTokenizerFast, {"vocab.txt": vocab})
    form = saved(plain)
    (BERT / "tokenizer.json").write_text(form)
    texts = [*OWN_TEXTS, *[t.encode("utf-16", "surrogatepass").decode("utf-16") for t in TEXTS if len(t) < 80], *random_texts(40)]
    variants = []
    for name, config, special_map in VARIANTS:
        if config and "added_tokens_decoder" in config:
            listed = {str(len(lines)) if k == "LAST" else k: v for k, v in config["added_tokens_decoder"].items()}
            config = {**config, "added_tokens_decoder": listed}
        side = {"tokenizer_config.json": config, "special_tokens_map.json": special_map}
        one = load(BertTokenizerFast, {"vocab.txt": vocab, **side})
        same = load(BertTokenizerFast, {"tokenizer.json": form, **side})
        mine = texts if name in ("plain", "blip") else [*OWN_TEXTS, "a RED apple, Red Apple redapple"]
        cases = [bert_case(one, text) for text in mine]
        # A tokenizer.json lists tokens that stay special whatever the other files name.
        different = [c for c in (bert_case(same, text) for text in mine) if c not in cases]
        variants.append({"name": name, "tokenizerConfig": config, "specialTokensMap": special_map, "size": len(one),
                         "padId": one.pad_token_id, "cases": cases, "differentFromJson": different})
    write_json("tokenizer/bert/variants.json", {"variants": variants})
    write_json("tokenizer/bert/characters.json", {"blocks": list(blocks(plain))})


SIGLIP_OWN = ["A photo of TWO cats, by the sea!", "hello-world_foo; bar's", "...", "!?", "</s>", "a </s>", "</s> a", "<unk> b", " </s>  c",
              "ΑΣ ΌΣΟΣ İ", "a\x1cb\x85c", "▁▁ red", "<user> a<USER> red", "punctuation: !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~ end", "“smart” quotes—and dashes"]
# name, how the model is trained, tokenizer_config.json
SIGLIP_MODELS = [
    ("published", dict(user_defined_symbols=MARKERS),
     {"added_tokens_decoder": {str(i): {"content": t, "lstrip": True, "normalized": False, "rstrip": True, "single_word": False, "special": True}
                               for i, t in ((1, "</s>"), (2, "<unk>"))},
      "additional_special_tokens": [], "clean_up_tokenization_spaces": True, "do_lower_case": True, "eos_token": "</s>",
      "model_input_names": ["input_ids"], "model_max_length": 64, "pad_token": "</s>", "processor_class": "SiglipProcessor",
      "sp_model_kwargs": {}, "tokenizer_class": "SiglipTokenizer", "unk_token": "<unk>"}),
    ("bare", dict(pad_id=-1, eos_id=1, unk_id=0, bos_id=2, normalization_rule_name="identity", vocab_size=120), None),
    ("cased-markers", dict(pad_id=0, eos_id=1, unk_id=2, bos_id=-1, normalization_rule_name="identity", remove_extra_whitespaces=False,
                           user_defined_symbols=["<user>", "red"]),
     {"do_lower_case": False, "model_max_length": 20, "additional_special_tokens": ["<mark>"]}),
]


def pack(data):
    run = ["node", "-e", "process.stdout.write(zlib.brotliCompressSync(fs.readFileSync(0)))"]
    return base64.b64encode(subprocess.run(run, input=data, capture_output=True, check=True).stdout).decode()


def siglip():
    variants = []
    for name, settings, config in SIGLIP_MODELS:
        model = train(**settings)
        tokenizer = load(SiglipTokenizer, {"spiece.model": model, "tokenizer_config.json": config})
        texts = [*SIGLIP_OWN, *[t.encode("utf-16", "surrogatepass").decode("utf-16") for t in TEXTS], *random_texts(80 if name == "published" else 20)]
        cases = []
        for text in texts:
            pieces = tokenizer(text, add_special_tokens=False).input_ids
            padded = tokenizer(text, padding="max_length", truncation=True, max_length=16).input_ids
            cases.append({"text": text, "ids": row(pieces), "padded": row(padded)})
        variants.append({"name": name, "tokenizerConfig": config, "model": "" if name == "published" else pack(model), "maxLength": tokenizer.model_max_length,
                         "size": len(tokenizer), "cases": cases})
    write_json("tokenizer/siglip/variants.json", {"variants": variants})


def make():
    bert()
    siglip()


if __name__ == "__main__":
    make()
