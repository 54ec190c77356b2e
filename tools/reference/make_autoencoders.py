"""Cases of AutoencoderTiny and AutoencoderKL, encode and decode."""

from diffusers import AutoencoderKL, AutoencoderTiny

from cases import diffusers_config, randn, write_case

WIDTH4 = dict(encoder_block_out_channels=[8] * 4, decoder_block_out_channels=[8] * 4)

# name, config, picture shape, latent shape
TINY = [
    ("autoencoder-tiny", WIDTH4, (1, 3, 32, 48), (1, 4, 4, 6)),
    ("autoencoder-tiny-unequal-blocks",
     dict(encoder_block_out_channels=[6] * 3, decoder_block_out_channels=[10] * 3, latent_channels=8,
          num_encoder_blocks=[2, 1, 3], num_decoder_blocks=[1, 4, 2], scaling_factor=0.7),
     (2, 3, 20, 28), (2, 8, 5, 7)),
    ("autoencoder-tiny-gelu", dict(WIDTH4, act_fn="gelu", in_channels=4, out_channels=4, latent_channels=5), (1, 4, 16, 24), (1, 5, 3, 2)),
    ("autoencoder-tiny-lengths", dict(encoder_block_out_channels=[8] * 4, decoder_block_out_channels=[12] * 2,
                                      num_decoder_blocks=[2, 1]), (1, 3, 24, 24), (1, 4, 3, 5)),
]

BASE = dict(block_out_channels=[8, 16], norm_num_groups=4, layers_per_block=1, latent_channels=4,
            down_block_types=["DownEncoderBlock2D"] * 2, up_block_types=["UpDecoderBlock2D"] * 2)
KL = [
    ("autoencoder-kl", BASE, (1, 3, 16, 24), (2, 4, 5, 6)),
    ("autoencoder-kl-no-quant-convs",
     dict(BASE, block_out_channels=[8, 12, 16], down_block_types=["DownEncoderBlock2D"] * 3,
          up_block_types=["UpDecoderBlock2D"] * 3, layers_per_block=2, latent_channels=16,
          use_quant_conv=False, use_post_quant_conv=False, shift_factor=0.06, scaling_factor=1.5),
     (1, 3, 24, 32), (1, 16, 5, 7)),
    ("autoencoder-kl-no-mid-attention", dict(BASE, mid_block_add_attention=False), (2, 3, 12, 20), (1, 4, 4, 6)),
    ("autoencoder-kl-four-stages",
     dict(BASE, block_out_channels=[4, 8, 8, 12], down_block_types=["DownEncoderBlock2D"] * 4,
          up_block_types=["UpDecoderBlock2D"] * 4, norm_num_groups=2), (1, 3, 40, 48), (1, 4, 3, 5)),
    ("autoencoder-kl-one-stage",
     dict(BASE, block_out_channels=[8], down_block_types=["DownEncoderBlock2D"], up_block_types=["UpDecoderBlock2D"],
          in_channels=1, out_channels=1, latent_channels=2, use_quant_conv=False), (1, 1, 9, 13), (1, 2, 9, 7)),
]


def tiny_outputs(model, inputs):
    return {"latents": model.encode(inputs["picture"]).latents, "picture": model.decode(inputs["latents"]).sample}


def kl_outputs(model, inputs):
    """logvar is clamped to -30..20 by the class."""
    distribution = model.encode(inputs["picture"]).latent_dist
    return {"mean": distribution.mean, "logvar": distribution.logvar, "picture": model.decode(inputs["latents"]).sample}


def make():
    for cls, rows, outputs in ((AutoencoderTiny, TINY, tiny_outputs), (AutoencoderKL, KL, kl_outputs)):
        for name, settings, picture, latents in rows:
            model = cls(**settings)
            inputs = {"picture": randn(f"{name}/picture", *picture), "latents": randn(f"{name}/latents", *latents)}
            write_case(name, model, diffusers_config(name, model, settings), inputs, outputs)


if __name__ == "__main__":
    make()
