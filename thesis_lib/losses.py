"""Losses of HiFi-GAN (Kong et al. 2020, arXiv:2010.05646, sec. 2.4), estimate first and reference second.

Each is a pure function of tensors. Weights live in ``LossConfig``.
"""

import torch
from torch import Tensor


def discriminator_loss(fake: list[Tensor], real: list[Tensor]) -> Tensor:
    """Least squares, eq. 1: sum over parts of mean (D(x) - 1)^2 + mean D(G(s))^2."""
    return sum(((r - 1) ** 2).mean() + (f**2).mean() for f, r in zip(fake, real, strict=True))


def adversarial_loss(fake: list[Tensor]) -> Tensor:
    """Least squares, eq. 2: sum over parts of mean (D(G(s)) - 1)^2."""
    return sum(((f - 1) ** 2).mean() for f in fake)


def feature_matching_loss(fake: list[list[Tensor]], real: list[list[Tensor]]) -> Tensor:
    """Eq. 4: L1 between the features of every layer of every part. Real features are constants here."""
    pairs = [(f, r.detach()) for fs, rs in zip(fake, real, strict=True) for f, r in zip(fs, rs, strict=True)]
    return sum((f - r).abs().mean() for f, r in pairs)


def mel_loss(estimate: Tensor, reference: Tensor) -> Tensor:
    """Eq. 3: mean L1 of two log-mels (B, M, T), in nepers (natural log of magnitude)."""
    return torch.mean(torch.abs(estimate - reference))
