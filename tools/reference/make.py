"""Makes fixtures: all of them, or those named, as in `python make.py unet clip`."""

import importlib
import os
import sys

os.environ.setdefault("HF_HUB_OFFLINE", "1")

PARTS = ["random", "weights", "schedulers", "k_diffusion", "clip", "judges", "judge_scores", "autoencoders", "unet", "sd3", "t5",
         "t5_tokenizer", "judge_tokenizers", "pipelines", "draft", "fidelity", "prompts", "pictures", "judge_pictures", "variations", "adamw", "muon",
         "checkpoints", "lora", "inversion", "metrics", "inception"]


def main(names):
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        sys.exit(f"make.py: expected {', '.join(PARTS)}, got {', '.join(unknown)}.")
    import torch

    torch.set_num_threads(1)
    for name in names or PARTS:
        importlib.import_module(f"make_{name}").make()


if __name__ == "__main__":
    main(sys.argv[1:])
