"""What peers must know without importing PyTorch."""

INPUTS = {
    "unet": ["sample", "timestep", "encoder_hidden_states"], "text": ["input_ids"], "encode": ["picture"],
    "decode": ["latents"], "taesd": ["latents"],
}
OUTPUTS = {"unet": ["sample"], "text": ["last_hidden_state"], "encode": ["mean", "logvar"], "decode": ["picture"], "taesd": ["picture"]}
PROMPT = "a photograph of an astronaut riding a horse"


def parse_case(case):
    """`unet-512x2` is the part, the side of the picture and the batch."""
    part, sizes = case.split("-")
    side, batch = sizes.split("x")
    return part, int(side), int(batch)
