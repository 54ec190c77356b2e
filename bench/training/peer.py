"""One training step of a diffusers model in PyTorch: forward, backward, clip, AdamW, EMA.

python peer.py CONFIG.json BATCH TOKENS MODE [REPEATS]   MODE: eager | channels_last | compile
Prints one JSON line: {"mode", "batch", "milliseconds": [...], "imagesPerSecond"} (median).
"""
import json, sys, time, statistics
import torch
import diffusers

config_path, batch, tokens, mode = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
repeats = int(sys.argv[5]) if len(sys.argv) > 5 else 7
torch.set_num_threads(2)
torch.manual_seed(0)
with open(config_path) as file:
    config = json.load(file)
cls = getattr(diffusers, config.pop("_class_name"))
model = cls(**config).train()
if mode == "channels_last":
    model = model.to(memory_format=torch.channels_last)
average = [p.detach().clone() for p in model.parameters()]
parameters = list(model.parameters())
optimizer = torch.optim.AdamW(parameters, lr=1e-4, betas=(0.9, 0.99), weight_decay=0.02, fused=True)
size = config.get("sample_size", 16)
channels = config["in_channels"]
width = config.get("cross_attention_dim") or config.get("joint_attention_dim")
is_unet = cls.__name__ == "UNet2DConditionModel"
x = torch.randn(batch, channels, size, size)
if mode == "channels_last":
    x = x.contiguous(memory_format=torch.channels_last)
target = torch.randn(batch, config.get("out_channels", channels), size, size)
t = torch.randint(0, 1000, (batch,))
states = torch.randn(batch, tokens, width)
pooled_width = config.get("projection_class_embeddings_input_dim", 0) - 6 * (config.get("addition_time_embed_dim") or 0)
if is_unet:
    kwargs = {"encoder_hidden_states": states}
    if config.get("addition_embed_type") == "text_time":
        kwargs["added_cond_kwargs"] = {"text_embeds": torch.randn(batch, pooled_width),
                                       "time_ids": torch.full((batch, 6), 128.0)}
else:
    kwargs = {"encoder_hidden_states": states,
              "pooled_projections": torch.randn(batch, config["pooled_projection_dim"])}
forward = torch.compile(model) if mode == "compile" else model

def step():
    if is_unet:
        out = forward(x, t, **kwargs).sample
    else:
        out = forward(x, timestep=t, **kwargs).sample
    loss = torch.nn.functional.mse_loss(out, target)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(parameters, 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    with torch.no_grad():
        torch._foreach_lerp_(average, parameters, 0.001)
    return loss.item()

for _ in range(3):
    step()
times = []
for _ in range(repeats):
    start = time.perf_counter()
    step()
    times.append(1000 * (time.perf_counter() - start))
median = statistics.median(times)
print(json.dumps({"mode": mode, "batch": batch, "parameters": sum(p.numel() for p in parameters),
                  "milliseconds": [round(v) for v in times], "imagesPerSecond": round(1000 * batch / median, 2)}))
