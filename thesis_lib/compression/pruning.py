"""Structured pruning of HiFi-GAN: fewer channels between the two convolutions of every residual pair.

The channels of the residual connection cannot be removed one by one; those between the two convolutions can, and they
cause most of the computation. The channels with the smallest weights are removed (Li et al. 2017, arXiv:1608.08710).
"""

from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor, nn

from thesis_lib.config import HifiganConfig
from thesis_lib.vocoder.generators.hifigan import ResBlock, inner_channels
from thesis_lib.vocoder.synthesis import Vocoder


def prune(vocoder: Vocoder, share: float) -> Vocoder:
    """Return a copy with a share of the inner channels; train it further before use.

    Raises ValueError for a generator without such pairs.
    """
    config = vocoder.description.generator
    if not isinstance(config, HifiganConfig) or not config.plain_convolutions:
        raise ValueError("only a hifigan generator with plain convolutions has inner channels to prune")
    smaller = HifiganConfig.model_validate(config.model_dump() | {"inner": share * config.inner})
    pruned = Vocoder.untrained(vocoder.description.with_changes(generator=smaller.model_dump()))
    state = vocoder.generator.state_dict()
    for name, module in vocoder.generator.named_modules():
        if isinstance(module, ResBlock):
            pairs = cast(Iterable[tuple[nn.Conv1d, nn.Conv1d]], zip(module.dilated, module.plain, strict=True))
            for number, (first, second) in enumerate(pairs):
                kept = _largest(first.weight, second.weight, inner_channels(second.out_channels, smaller))
                for key in (f"{name}.dilated.{number}.weight", f"{name}.dilated.{number}.bias"):
                    state[key] = state[key][kept]
                state[f"{name}.plain.{number}.weight"] = second.weight[:, kept]
    pruned.generator.load_state_dict(state, strict=True)
    return pruned


def _largest(first: Tensor, second: Tensor, count: int) -> Tensor:
    """(H, C, K), (C, H, K) -> the (count,) inner channels with the largest product of norms, in their order."""
    weight = first.flatten(1).norm(dim=1) * second.transpose(0, 1).flatten(1).norm(dim=1)
    return torch.topk(weight, count).indices.sort().values
