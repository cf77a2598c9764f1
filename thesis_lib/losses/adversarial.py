"""Adversarial and feature matching losses (HiFi-GAN, Kong et al. 2020, arXiv:2010.05646, sec. 2.4).

Shapes: scores and features of a discriminator have one entry per sub-discriminator.
"""

from collections.abc import Sequence

from torch import Tensor

from thesis_lib.losses.sums import total


def discriminator_loss(fake: Sequence[Tensor], real: Sequence[Tensor]) -> Tensor:
    """Least squares, eq. 1: sum over sub-discriminators of mean (D(x) - 1)^2 + mean D(G(s))^2."""
    return total(((r - 1) ** 2).mean() + (f**2).mean() for f, r in zip(fake, real, strict=True))


def adversarial_loss(fake: Sequence[Tensor]) -> Tensor:
    """Least squares, eq. 2: sum over sub-discriminators of mean (D(G(s)) - 1)^2."""
    return total(((f - 1) ** 2).mean() for f in fake)


def feature_matching_loss(fake: Sequence[Sequence[Tensor]], real: Sequence[Sequence[Tensor]]) -> Tensor:
    """Eq. 4: L1 between the features of every layer of every sub-discriminator; the real features get no gradient."""
    pairs = [(f, r.detach()) for fs, rs in zip(fake, real, strict=True) for f, r in zip(fs, rs, strict=True)]
    return total((f - r).abs().mean() for f, r in pairs)
