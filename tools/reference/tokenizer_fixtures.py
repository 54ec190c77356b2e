"""Fixtures tokenizer/*: a small CLIP vocabulary and what the reference tokenizer makes of hard texts.

Made with tokenizers 0.23.3 and transformers 5.23.0 (see requirements.txt); needs neither torch nor a network.
Run: python tools/reference/tokenizer_fixtures.py
"""

import hashlib
import json
import platform
import random
import struct
import tempfile
from pathlib import Path

import tokenizers
import transformers
from tokenizers import Tokenizer, models, trainers
from transformers import CLIPTokenizer

OUT = Path(__file__).resolve().parents[2] / "test" / "fixtures" / "tokenizer"
BOS, EOS, END = "<|startoftext|>", "<|endoftext|>", "</w>"
VOCAB_SIZE = 1100


def byte_alphabet():
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [b for b in range(256) if b not in printable]
    return [chr(b) for b in printable] + [chr(256 + i) for i in range(len(rest))]


ALPHABET = byte_alphabet()


def captions():
    """About 800 short captions: few nouns so that merges go deep, made-up words for ties, several scripts."""
    rng = random.Random(7)
    adjectives = "red blue tiny old shiny happy fluffy striped".split()
    nouns = "cat dog teapot lighthouse robot dragon bicycle mountain penguin banana".split()
    places = ["on a table", "in the rain", "under water", "at night", "by the sea", "in 1920", "on mars"]
    styles = ["watercolor", "pixel art", "oil painting", "photo", "emoji", "3d render", "line drawing"]
    foreign = [
        "ein schöner großer Hund", "un château près de l'océan", "año nuevo, niño feliz", "İstanbul'da bir kedi",
        "красная кошка", "μια μικρή γάτα", "一只红色的猫", "水墨山水画", "赤い猫の絵", "고양이 그림",
        "قطة حمراء", "חתול אדום", "🐱 cat face", "👨‍👩‍👧 family", "👍🏽 thumbs up", "❤️‍🔥", "naïve café",
    ]
    syllables = "ka lo mi ren tu sha vor el an qui ost bra".split()
    texts = []
    for _ in range(300):
        made_up = ["".join(rng.choices(syllables, k=rng.randrange(2, 5))) for _ in range(4)]
        texts.append(" ".join(made_up))
    for _ in range(560):
        style, adjective, noun, place = map(rng.choice, (styles, adjectives, nouns, places))
        texts.append(rng.choice([
            f"a {style} of a {adjective} {noun} {place}", f"{adjective} {noun}, {style}", f"{noun}'s {place}!",
            f"it's a {noun}; they're {adjective}...", f"{style}: {noun} no. {rng.randrange(1000)}",
        ]))
        if rng.random() < 0.1:
            texts.append(rng.choice(foreign))
    return texts


def train(texts):
    """The trainer numbers special tokens first: giving it the 512 byte symbols fixes every tie by id."""
    reference = CLIPTokenizer()._tokenizer
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix=END))
    tokenizer.normalizer = reference.normalizer
    tokenizer.pre_tokenizer = reference.pre_tokenizer
    symbols = ALPHABET + [c + END for c in ALPHABET]
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB_SIZE - 2, min_frequency=2, special_tokens=symbols, end_of_word_suffix=END, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    vocab = dict(sorted(model["vocab"].items(), key=lambda item: item[1]))
    vocab[BOS], vocab[EOS] = len(vocab), len(vocab) + 1
    assert list(vocab)[:512] == symbols and len(vocab) == VOCAB_SIZE, len(vocab)
    return vocab, [tuple(merge) for merge in model["merges"]]


def added(content, typed=False, **fields):
    token = {"content": content, "lstrip": False, "normalized": True, "rstrip": False, "single_word": False, **fields}
    return {"__type": "AddedToken", **token} if typed else token


def variants(vocab):
    """Configuration files as they are met in public folders, and a few that stress the rules."""
    def older(pad, typed):
        return {"bos_token": added(BOS, typed), "eos_token": added(EOS, typed), "unk_token": added(EOS, typed), "pad_token": pad}

    config = {"do_lower_case": True, "errors": "replace", "model_max_length": 77, "tokenizer_class": "CLIPTokenizer"}
    names = {"bos_token": BOS, "eos_token": EOS, "unk_token": EOS, "pad_token": "!"}
    decoder = {
        "0": added("!", normalized=False, special=True),
        str(vocab[BOS]): added(BOS, special=True),
        str(vocab[EOS]): added(EOS, special=True, normalized=False),
    }
    size = len(vocab)
    return {
        "bare": (None, None),
        "clip-l": ({**config, **older(EOS, True)}, older(EOS, False)),
        "open-clip": ({**config, **older("!", True)}, older("!", False)),
        "decoder": ({**config, **names, "added_tokens_decoder": decoder}, older("!", False)),
        "map-only": (None, names),
        "map-wins": ({"pad_token": EOS}, {"pad_token": "!"}),
        "extra": ({
            "model_max_length": 12,
            "additional_special_tokens": ["<foo>", "BAR"],
            "added_tokens_decoder": {
                str(size): added("<Foo>", special=False),
                str(size + 1): added("BAR", normalized=False, special=False, lstrip=True),
                str(size + 2): added("wide", special=False, lstrip=True, rstrip=True),
                str(size + 3): added("Solo", special=False, single_word=True),
                str(size + 4): added("wid", special=False),
            },
        }, None),
    }


def load(folder, vocab, merges, config=None, special=None, pipeline=None):
    folder.mkdir()
    if pipeline is not None:
        (folder / "tokenizer.json").write_text(json.dumps(pipeline), encoding="utf-8")
    (folder / "vocab.json").write_text(json.dumps(vocab), encoding="utf-8")
    (folder / "merges.txt").write_text(merges_text(merges), encoding="utf-8")
    if config is not None:
        (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    if special is not None:
        (folder / "special_tokens_map.json").write_text(json.dumps(special), encoding="utf-8")
    return CLIPTokenizer.from_pretrained(folder)


def merges_text(merges):
    return "#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges)


TEXTS = [
    "", " ", "\n\t ", "a", "A", "cat", "a cat", "A Photo Of A CAT.", "  many   spaces\tand\r\nlines\v\f ",
    "it's they're we've I'm you'll he'd don't IT'S THEY'RE 'S ''s '' 'sx x's's", "rock'n'roll o'clock ’s it’s",
    "0", "123 4567", "3d 1920x1080 v1.5", "½ ² Ⅷ ٣ ५ ㊿ 〇 十二", "snake_case __init__ a_b_1", "!?!? ... -- #hash @me $5 100%",
    "(masterpiece:1.2), [bad], {x|y} <lora:foo:0.8>", "a,b;c:d", "~`^|\\/", "..<|endoftext|>",
    "café", "cafe\u0301", "e\u0323\u0307 e\u0307\u0323", "ÅNGSTRÖM \u212b A\u030a", "\u1e9b\u0323", "ﬁ ﬀ ĳ Ǆ ǅ", "Ω \u2126 K \u212a",
    "İstanbul I ı i̇ İİ", "STRASSE straße ẞ ß", "ΟΔΥΣΣΕΥΣ ὈΔΥΣΣΕΎΣ Σ ΑΣ. ΑΣΑ σς", "ᾳ ᾼ Ὠ ᾭ", "ჯორჯია ᲯᲝᲠᲯᲘᲐ", "ꭰ Ꭰ Ᏸ ᏸ", "Ѐ Ё Ӂ й и\u0306", "𐐀 𐐨 𞤀 𞤢",
    "Ȧ\u0328 \u0344 \u0958 \u2adc \ufb1d \U0001d15e", "각 \u1100\u1161\u11a8 가\u11a8", "नमस्ते क्षत्रिय", "ไทย ภาษา", "བོད་སྐད", "ខ្មែរ", "தமிழ்", "ᬆ",
    "一只红色的猫坐在桌子上。", "水墨山水画，远山", "赤い猫のイラスト。カタカナ ﾊﾝｶｸ", "か\u3099 が", "빨간 고양이", "中文English混排123", "𠀀𠮷 𪚥", "㍿ ㈱",
    "قطة حمراء على الطاولة", "חתול אדום \u05d0\u05b8", "\u202babc\u202c \u200eLTR \u200fRTL", "مرحبا123",
    "🐱", "🐱🐶", "👍🏽👍🏿", "👨‍👩‍👧‍👦", "🏳️‍🌈", "❤️", "❤", "🇨🇳🇺🇸", "1️⃣ #️⃣", "🧑🏽‍🚀 in space", "cat🐱cat", "☃︎ ☃️", "🫠🪿",
    "\x00", "a\x00b", "\x01\x02\x1b[31mred\x1b[0m\x7f", "a\x1cb\x1db\x1eb\x1fb", "\x85", "a\x85b", "\x80\x9f",
    "a\u3000b", "a\u00a0b\u1680c\u2000d\u2007e\u202ff\u205fg", "a\u2028b\u2029c", "a\u200bb\u200cc\u200dd\u2060e\ufefff", "\ufeffstart", "a\u180eb", "soft\u00adhyphen",
    "\ufffd \ufffe \uffff \ufdd0", "\ue000 \uf8ff \U000f0000 \U0010fffd \U0010ffff", "\ud7ff \U00010000", "ed a0 80 Ã© í\u00a0\u0080",
    EOS, BOS, f"a{EOS}b", f"{BOS} a cat {EOS}", f"{EOS}{EOS}", f"x {EOS} y {BOS}z", "<|ENDOFTEXT|>", "a <|EndOfText|>>> b", "<|STARTOFTEXT|>!!", "<|endoftext|", "<| endoftext |>",
    "hello!", "!", "!!!", "wow! great !", "<FOO> <foo> <Foo><fOO>", "foo BAR  BAR\u3000BAR bar", "a wide  load", "widen wid WIDE  wide wider", "solo Solo, solos (SOLO) xsolo so_solo Solo\u0301",
    "</w>", "a</w>", "\u0120 Ġcat Ċ ģ", "ÃĥÂ©", "#version: 0.2", "constructor __proto__ toString",
    "pneumonoultramicroscopicsilicovolcanoconiosis", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "abababababababababab", "catcatcatdogdog", "llllll ll lll",
    "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt ut labore et dolore magna aliqua.",
]

POOL = (
    list("abcdefghiteaonrs") * 4 + list("ABCIS'’.,!?-_ \t\n0123456789<|>") * 2
    + [chr(c) for c in (0, 0x1c, 0x7f, 0x85, 0xa0, 0xad, 0x300, 0x301, 0x307, 0x323, 0x327, 0x345, 0x5d0, 0x5b8, 0x627, 0x64b, 0x915, 0x93c, 0x94d)]
    + [chr(c) for c in (0x1100, 0x1161, 0x11a8, 0xac00, 0x1e9e, 0x130, 0x131, 0x3a3, 0x3c2, 0x1f1, 0x1c5, 0x2126, 0x200b, 0x200d, 0x2028, 0x3000, 0x3042, 0x3099, 0x4e00, 0x9fff)]
    + [chr(c) for c in (0xfb01, 0xfe0f, 0xfeff, 0xfffd, 0x10400, 0x1d15e, 0x1d400, 0x1f468, 0x1f3fd, 0x1f1e8, 0x20000, 0xe0041, 0x10ffff)]
    + [EOS, "cat", "dog", "'s", "'LL", "  "]
)


def random_texts(count):
    rng = random.Random(11)
    return ["".join(rng.choice(POOL) for _ in range(rng.randrange(1, 24))) for _ in range(count)]


def digest(ids):
    return hashlib.sha256(struct.pack(f"<{len(ids)}i", *ids)).hexdigest()


LONG = [["a photo of a cat, ", 5000], ["a", 20000], ["ab", 9999], ["猫", 4000], ["👨‍👩‍👧", 1500], ["!?", 5000], ["1", 5000], [" \u3000", 4000]]


def ids_of(tokenizer, text):
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def prompt_case(tokenizer, text, length):
    ids = tokenizer(text, padding="max_length", max_length=length, truncation=True)["input_ids"]
    cut = ids_of(tokenizer, text)[length - 2:]
    return {"text": text, "maxLength": length, "ids": ids, "cut": tokenizer.decode(cut) if cut else None}


def decode_cases(tokenizer, size):
    rng = random.Random(13)
    sequences = [[rng.randrange(size) for _ in range(rng.randrange(1, 10))] for _ in range(60)]
    special = [tokenizer.bos_token_id, 3, 300, tokenizer.eos_token_id, tokenizer.eos_token_id]
    return [
        {"ids": ids, "text": tokenizer.decode(ids), "plain": tokenizer.decode(ids, skip_special_tokens=True)}
        for ids in [[], special, *sequences]
    ]


def write(name, value, indent=None):
    made_with = {"python": platform.python_version(), "tokenizers": tokenizers.__version__, "transformers": transformers.__version__}
    text = json.dumps({"made_with": made_with, **value}, indent=indent, separators=(",", ":"))
    write_text(name, text.replace('},{', '},\n{') + "\n")


def write_text(name, text):
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / name).write_text(text, encoding="utf-8")
    size = (OUT / name).stat().st_size
    assert size < 100_000, f"{name} has {size} bytes"
    print(f"tokenizer/{name}: {size} bytes")


def main():
    texts = captions()
    vocab, merges = train(texts)
    write("training.json", {"vocabSize": VOCAB_SIZE, "minFrequency": 2, "texts": texts})
    write_text("vocab.json", "{" + ",".join(f"{json.dumps(t, ensure_ascii=False)}:{i}" for t, i in vocab.items()) + "}")
    write_text("merges.txt", merges_text(merges))

    folder = Path(tempfile.mkdtemp())
    bare = load(folder / "bare", vocab, merges)
    every = TEXTS + random_texts(110)
    write("texts.json", {"cases": [{"text": t, "ids": ids_of(bare, t)} for t in every]})
    write("long.json", {"cases": [
        {"text": t, "times": n, "count": len(ids), "sha256": digest(ids)} for t, n in LONG for ids in [ids_of(bare, t * n)]
    ]})

    # tokenizer.json as transformers 5 writes it, and with the splitting pattern of version 4.
    pipeline = json.loads(bare.backend_tokenizer.to_str())
    whole = json.loads(bare.backend_tokenizer.to_str())
    write_text("tokenizer.json", json.dumps(pipeline, ensure_ascii=False, separators=(",", ":")))
    split = pipeline["pre_tokenizer"]["pretokenizers"][0]["pattern"]
    split["Regex"] = split["Regex"][split["Regex"].index("'s"):]
    older = Tokenizer.from_str(json.dumps(pipeline))
    marked = [t for t in every if "<" in t]
    write("older-pattern.json", {"pattern": split["Regex"], "cases": [
        {"text": t, "ids": older.encode(t, add_special_tokens=False).ids} for t in marked
    ]})

    chosen = [t for t in TEXTS if any(c in t for c in "<!") or "BAR" in t or "wid" in t.lower() or "solo" in t.lower()]
    found = []
    for name, (config, special) in variants(vocab).items():
        tokenizer = load(folder / f"variant-{name}", vocab, merges, config, special)
        # With a tokenizer.json beside them its added tokens count before the configuration files.
        beside = load(folder / f"beside-{name}", vocab, merges, config, special, whole)
        apart = [t for t in chosen if ids_of(beside, t) != ids_of(tokenizer, t)]
        found.append({
            "name": name, "tokenizerConfig": config, "specialTokensMap": special,
            "bosId": tokenizer.bos_token_id, "eosId": tokenizer.eos_token_id, "padId": tokenizer.pad_token_id,
            "size": len(tokenizer), "maxLength": tokenizer.model_max_length if tokenizer.model_max_length < 1e9 else None,
            "cases": [{"text": t, "ids": ids_of(tokenizer, t)} for t in chosen],
            "besideJson": {"padId": beside.pad_token_id, "size": len(beside), "cases": [{"text": t, "ids": ids_of(beside, t)} for t in apart]},
            "prompts": [prompt_case(tokenizer, t, n) for t, n in [("a red cat!", 9), ("a red cat on the table, oil painting", 6), ("", 4), ("一只猫🐱 end", 5)]],
            "decodes": decode_cases(tokenizer, len(tokenizer)) if name in ("bare", "extra") else [],
        })
    write("variants.json", {"variants": found})

    # Merge orders no trainer makes, and a vocabulary that lacks byte symbols.
    odd = [t for t in every if len(t) > 12][:60]
    used = {symbol for merge in merges for symbol in merge}
    removed = [s for s in list(vocab)[:512] if s not in used and s[0] in "ðñÐïð€1٣0zZ!ĥĤ"]
    orders = {
        "reversed": (vocab, merges[::-1]),
        "repeated": (vocab, merges + merges[:40]),
        "lacking": ({t: i for t, i in vocab.items() if t not in removed}, merges),
    }
    write("odd.json", {"removed": removed, "orders": [
        {"name": name, "cases": [{"text": t, "ids": ids_of(tokenizer, t)} for t in odd]}
        for name, (v, m) in orders.items() for tokenizer in [load(folder / f"odd-{name}", v, m)]
    ]})


main()
