"""Weights in prompts by the rules of stable-diffusion-webui (AUTOMATIC1111), written again from its documentation.

test/fixtures/prompts/rules.json          prompts, their stretches of text with weights, their chunks
test/fixtures/prompts/states.safetensors  text states of some prompts through the encoders of pipelines/sd1 and pipelines/xl
"""

import json

import torch
from safetensors.torch import save_file

from make_pipelines import WORDS, fill_pipeline, stable_diffusion, stable_diffusion_xl
from packing import FIXTURES, versions

ROOM = WORDS - 2
COMMA_REACH = 20

PROMPTS = [
    "", "a red apple", "a (red) apple", "a ((red)) apple", "a [red] apple", "a (red:1.3) apple", "a (red : 0.5 ) [[apple]]",
    "(a [b (c:1.5) d] e)", r"a \(red\) \[apple\] \\ back\slash", "unclosed (bracket [here", "stray ) and ] and :1.4) here",
    "ratio 16:9, time 10:30", "(nested (weights:1.2):1.5), (negative:-0.5)", "(:1.2)", "()", "a BREAK b", "BREAK", "a BREAK BREAK b",
    "(a BREAK b:1.3)", "BREAKFAST with BREAK.", "红苹果BREAK火箭 BREAK (火箭:1.2)", "(multi\nline:1.1)\nBREAK\nb",
    "the house by the sea at night, one large orange cat, simple, three small cats and one big dog, a bird's nest in the rain",
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen",
    "(the house by the sea at night:1.2), (one large orange cat:0.8) BREAK three [small] cats and one big dog, flat, cartoon",
]
STATES = {"sd1": ["a (red:1.3) apple", "(the house by the sea at night:1.4), one [large] orange cat, simple BREAK flat"],
          "xl": ["a (red:1.5) apple, [flat]"]}


def stretches(prompt):
    """A scanner with two stacks of open brackets; a closing one multiplies all since its opening one."""
    pieces, round_open, square_open = [], [], []

    def multiply(start, factor):
        for piece in pieces[start:]:
            piece[1] *= factor

    def weight_at(i):
        """`: number )` from the colon at i: the number and where it ends."""
        end = prompt.find(")", i)
        inner = prompt[i + 1 : end] if end >= 0 else ""
        number = inner.strip()
        digits = number[1:] if number[:1] in ("+", "-") else number
        fits = end >= 0 and digits != "" and all(c == "." or c.isdigit() for c in digits)
        return (float(number) if round_open else number, end + 1) if fits else None

    i = 0
    while i < len(prompt):
        c = prompt[i]
        if c == "\\":
            escaped = prompt[i + 1 : i + 2]
            known = escaped in ("(", ")", "[", "]", "\\") and escaped != ""
            pieces.append([escaped if known else "", 1.0])
            i += 2 if known else 1
        elif c == "(":
            round_open.append(len(pieces))
            i += 1
        elif c == "[":
            square_open.append(len(pieces))
            i += 1
        elif c == ")" and round_open:
            multiply(round_open.pop(), 1.1)
            i += 1
        elif c == "]" and square_open:
            multiply(square_open.pop(), 1 / 1.1)
            i += 1
        elif c == ":" and weight_at(i):
            weight, end = weight_at(i)
            if round_open:
                multiply(round_open.pop(), weight)
            else:
                pieces.append([prompt[i:end], 1.0])
            i = end
        elif c in ")]:":
            pieces.append([c, 1.0])
            i += 1
        else:
            end = i
            while end < len(prompt) and prompt[end] not in "\\()[]:":
                end += 1
            pieces += broken(prompt[i:end])
            i = end
    for start in round_open:
        multiply(start, 1.1)
    for start in square_open:
        multiply(start, 1 / 1.1)
    joined = []
    for text, weight in pieces or [["", 1.0]]:
        if joined and joined[-1][1] == weight:
            joined[-1][0] += text
        else:
            joined.append([text, weight])
    return joined


def broken(text):
    """BREAK as a word of its own, white space around it gone."""
    pieces, rest, start = [], text, 0
    while (at := rest.find("BREAK", start)) >= 0:
        before, after = rest[:at][-1:], rest[at + 5 : at + 6]
        if any(c.isalnum() or c == "_" for c in (before, after) if c):
            start = at + 5
            continue
        pieces += [[rest[:at].rstrip(), 1.0], ["BREAK", -1]]
        rest, start = rest[at + 5 :].lstrip(), 0
    return pieces + [[rest, 1.0]]


def chunks(prompt, tokenizer):
    comma = tokenizer.convert_tokens_to_ids(",</w>")
    done, ids, weights, last_comma = [], [], [], None

    def close(keep):
        nonlocal ids, weights, last_comma
        rest_ids, rest_weights = ids[keep:], weights[keep:]
        padding = ROOM - keep
        done.append(([tokenizer.bos_token_id, *ids[:keep], tokenizer.eos_token_id, *[tokenizer.pad_token_id] * padding],
                     [1.0, *weights[:keep], *[1.0] * (padding + 1)]))
        ids, weights, last_comma = rest_ids, rest_weights, None

    for text, weight in stretches(prompt):
        if text == "BREAK" and weight == -1:
            close(len(ids))
            continue
        for token in tokenizer(text, truncation=False, add_special_tokens=False).input_ids:
            if token == comma:
                last_comma = len(ids)
            elif len(ids) == ROOM and last_comma is not None and len(ids) - last_comma <= COMMA_REACH:
                close(last_comma + 1)
            if len(ids) == ROOM:
                close(ROOM)
            ids.append(token)
            weights.append(weight)
    if ids or not done:
        close(len(ids))
    return done


@torch.no_grad()
def states(prompt, tokenizer, encoder, penultimate, normed):
    parts, pooled = [], None
    for ids, weights in chunks(prompt, tokenizer):
        out = encoder(torch.tensor([ids]), output_hidden_states=True)
        z = out.hidden_states[-2] if penultimate else out.last_hidden_state
        pooled = getattr(out, "text_embeds", None) if pooled is None else pooled
        before = z.mean()
        z = z * torch.tensor([weights]).reshape(1, -1, 1)
        parts.append(z * (before / z.mean()) if normed else z)
    return torch.cat(parts, dim=1), pooled


def make():
    folder = FIXTURES / "prompts"
    folder.mkdir(exist_ok=True)
    sd1, xl = stable_diffusion(), stable_diffusion_xl()
    fill_pipeline(sd1)
    fill_pipeline(xl)
    rules = [{"prompt": p, "stretches": stretches(p), "chunks": chunks(p, sd1.tokenizer)} for p in PROMPTS]
    (folder / "rules.json").write_text(json.dumps({"states": STATES, "rules": rules}, ensure_ascii=False) + "\n")
    tensors = {}
    for normed, name in ((True, "original"), (False, "no-norm")):
        for i, prompt in enumerate(STATES["sd1"]):
            tensors[f"sd1.{i}.{name}"], _ = states(prompt, sd1.tokenizer, sd1.text_encoder, False, normed)
        for i, prompt in enumerate(STATES["xl"]):
            first, _ = states(prompt, xl.tokenizer, xl.text_encoder, True, normed)
            second, pooled = states(prompt, xl.tokenizer_2, xl.text_encoder_2, True, normed)
            tensors |= {f"xl.{i}.{name}": torch.cat([first, second], dim=-1), f"xl.{i}.pooled": pooled}
    tensors = {key: value.contiguous() for key, value in tensors.items()}
    save_file(tensors, folder / "states.safetensors", metadata={"made_with": json.dumps(versions())})
    print("prompts:", {key: tuple(value.shape) for key, value in tensors.items()}, sum(f.stat().st_size for f in folder.iterdir()))


if __name__ == "__main__":
    make()
