"""A small CLIP tokenizer: 512 byte symbols, merges learned from a few captions, two special tokens."""

import re
from collections import Counter

from transformers import CLIPTokenizer

CAPTIONS = [
    "a red apple, flat", "a glossy 3D rocket on a blue background", "two green frogs, cartoon",
    "一个红苹果，扁平", "a simple yellow star", "three small cats and one big dog", "光泽立体的火箭",
    "a café in the rain", "it's a bird's nest", "the house by the sea at night", "one large orange cat, simple",
]
START, END = "<|startoftext|>", "<|endoftext|>"


def byte_symbols():
    """GPT-2's printable stand-ins of all bytes, in the order of CLIP's vocabulary, and by byte."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in printable]
    by_byte = {b: chr(b) for b in printable} | {b: chr(256 + i) for i, b in enumerate(others)}
    return [by_byte[b] for b in [*printable, *others]], by_byte


def learned_merges(count):
    """Byte-pair encoding; the tokenizers library breaks ties by chance, this by the alphabet."""
    _, by_byte = byte_symbols()
    words = Counter()
    for word in re.findall(r"[^\W\d]+|\d|[^\w\s]+", " ".join(CAPTIONS).lower()):
        letters = [by_byte[b] for b in word.encode()]
        words[(*letters[:-1], letters[-1] + "</w>")] += 1
    merges = []
    while len(merges) < count:
        pairs = Counter()
        for word, times in words.items():
            for pair in zip(word, word[1:]):
                pairs[pair] += times
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        words = Counter({merged(word, best): times for word, times in words.items()})
    return merges


def merged(word, pair):
    out, i = [], 0
    while i < len(word):
        takes = word[i : i + 2] == pair
        out.append("".join(pair) if takes else word[i])
        i += 2 if takes else 1
    return tuple(out)


def tiny_tokenizer(max_length, merges=80):
    pairs = learned_merges(merges)
    symbols, _ = byte_symbols()
    words = symbols + [s + "</w>" for s in symbols] + ["".join(pair) for pair in pairs] + [START, END]
    words = list(dict.fromkeys(words))
    return CLIPTokenizer(vocab={w: i for i, w in enumerate(words)}, merges=pairs, model_max_length=max_length)
