"""Public implementations that ours are compared with."""

from torch import nn


def speechbrain_v1() -> nn.Module:
    """speechbrain's HiFi-GAN V1, weight norm on, random weights; (B, 80, T) -> (B, 1, 256 T)."""
    from speechbrain.lobes.models.HifiGAN import HifiganGenerator

    return HifiganGenerator(
        in_channels=80,
        out_channels=1,
        resblock_type="1",
        resblock_dilation_sizes=[[1, 3, 5]] * 3,
        resblock_kernel_sizes=[3, 7, 11],
        upsample_kernel_sizes=[16, 16, 4, 4],
        upsample_initial_channel=512,
        upsample_factors=[8, 8, 2, 2],
        inference_padding=0,
    )
