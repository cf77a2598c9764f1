"""The condition: speaker and emotion embeddings, fused, and how they modulate the generator.

Shapes: B batch, S speaker size, E emotion size, C channels, T frames, D condition size.

Reference: FiLM, Perez et al. 2018, arXiv:1709.07871 (eq. 2).
"""

import torch
from torch import Tensor, nn

from thesis_lib.config import GeneratorConfig

SMALLEST_SPREAD = 1e-4  # a feature that hardly varies in training must not explode in use


class Standardise(nn.Module):
    """(x - mean) / std with the training set's statistics, which travel with the weights.

    eGeMAPS mixes Hz, dB and ratios, and emotion2vec's raw vectors share a large mean (cosine >= 0.93 between
    different emotions): without this the condition is mostly a constant.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("std", torch.ones(dim))

    def fit(self, rows: Tensor) -> None:
        """(n, D) training embeddings."""
        self.mean.copy_(rows.mean(0))
        self.std.copy_(rows.std(0, correction=0).clamp(min=SMALLEST_SPREAD))

    def forward(self, x: Tensor) -> Tensor:
        """(B, D) -> (B, D)."""
        return (x - self.mean) / self.std


class ConditionFusion(nn.Module):
    """Speaker and emotion embeddings -> one condition vector.

    The first plan's "256-d emotion" is ``emotion_projection``: a learned projection of what the encoder gives.
    """

    def __init__(self, speaker_dim: int, emotion_dim: int, config: GeneratorConfig) -> None:
        super().__init__()
        self.speaker_statistics = Standardise(speaker_dim)
        self.emotion_statistics = Standardise(emotion_dim)
        self.speaker = nn.Linear(speaker_dim, config.speaker_projection)
        self.emotion = nn.Linear(emotion_dim, config.emotion_projection)
        self.fuse = nn.Sequential(
            nn.Linear(config.speaker_projection + config.emotion_projection, config.fusion_dim),
            nn.GELU(),
            nn.Linear(config.fusion_dim, config.condition_dim),
        )

    def forward(self, speaker: Tensor, emotion: Tensor) -> Tensor:
        """(B, S), (B, E) -> (B, D)."""
        speaker = self.speaker(self.speaker_statistics(speaker))
        emotion = self.emotion(self.emotion_statistics(emotion))
        return self.fuse(torch.cat([speaker, emotion], dim=1))


class FiLM(nn.Module):
    """Feature-wise affine map, (1 + gamma(c)) * x + beta(c); the identity at initialisation."""

    def __init__(self, channels: int, condition_dim: int) -> None:
        super().__init__()
        self.affine = nn.Linear(condition_dim, 2 * channels)
        nn.init.zeros_(self.affine.weight)
        nn.init.zeros_(self.affine.bias)

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        """(B, C, T), (B, D) -> (B, C, T)."""
        gamma, beta = self.affine(c).unsqueeze(-1).chunk(2, dim=1)
        return (1 + gamma) * x + beta
