"""Conditioning: fusion of speaker and emotion embeddings, FiLM modulation, and reduction of the content features.

Shapes: B batch, S speaker size, E emotion size, C channels, T frames, D condition size.

Reference: FiLM, Perez et al. 2018, arXiv:1709.07871 (eq. 2).
"""

import torch
from torch import Tensor, nn

from thesis_lib.config import ConditionConfig
from thesis_lib.vocoder.definitions import MAX_DEVIATION_STDS

MIN_STD = 1e-4  # a feature that hardly varies in training must not become huge in use


class Standardise(nn.Module):
    """(x - mean) / std with the training set's statistics, which are saved with the weights.

    eGeMAPS mixes Hz, dB and ratios, and emotion2vec's raw vectors share a large mean (cosine >= 0.93 between
    different emotions): without this the condition is mostly a constant. Values are clipped at ``MAX_DEVIATION_STDS``
    standard deviations: some eGeMAPS features are divided by a mean that may be near zero, and in about one recording
    of twenty one feature was hundreds of standard deviations from the mean; the output was then noise.
    """

    mean: Tensor  # (D,)
    std: Tensor  # (D,)

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("std", torch.ones(dim))

    def fit(self, rows: Tensor) -> None:
        """Set mean and standard deviation from training embeddings (n, D)."""
        self.mean.copy_(rows.mean(0))
        self.std.copy_(rows.std(0, correction=0).clamp(min=MIN_STD))

    def forward(self, x: Tensor) -> Tensor:
        """(B, D) -> (B, D)."""
        return ((x - self.mean) / self.std).clamp(-MAX_DEVIATION_STDS, MAX_DEVIATION_STDS)


class PrincipalComponents(nn.Module):
    """Reduce the first content channels to whitened principal components; the other channels pass unchanged.

    Fitted on training content and saved with the weights. The components also carry less speaker information than
    the full channels.
    """

    mean: Tensor  # (channels,)
    basis: Tensor  # (components, channels)

    def __init__(self, channels: int, components: int) -> None:
        super().__init__()
        self.channels = channels
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("basis", torch.eye(components, channels))

    def fit(self, rows: Tensor) -> None:
        """Set mean and basis from training frames (n, channels)."""
        self.mean.copy_(rows.mean(0))
        _, sizes, directions = torch.linalg.svd(rows - self.mean, full_matrices=False)
        kept = len(self.basis)
        stds = sizes[:kept] / len(rows) ** 0.5
        self.basis.copy_(directions[:kept] / stds.clamp(min=MIN_STD).unsqueeze(1))

    def forward(self, content: Tensor) -> Tensor:
        """(B, C, T) -> (B, C - channels + components, T)."""
        reduced = self.basis @ (content[:, : self.channels] - self.mean.unsqueeze(-1))
        return torch.cat([reduced, content[:, self.channels :]], dim=1)


class ConditionFusion(nn.Module):
    """Fuse speaker and emotion embeddings into one condition vector.

    ``emotion_projection`` is the size of the learned projection of the emotion encoder's output.
    """

    def __init__(self, speaker_dim: int, emotion_dim: int, config: ConditionConfig) -> None:
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

        self.neutral = nn.Parameter(torch.zeros(config.condition_dim))
        self.dropout = config.condition_dropout

    def forward(self, speaker: Tensor, emotion: Tensor, guidance: float = 1.0) -> Tensor:
        """(B, S), (B, E) -> (B, D).

        In training the fraction ``condition_dropout`` of the items gets the learned ``neutral`` condition instead
        (classifier-free guidance, Ho & Salimans 2022, arXiv:2207.12598). At inference ``guidance`` extrapolates from
        the neutral condition: 0 is neutral, 1 as trained, above 1 stronger. FiLM is affine in the condition, so the
        modulations are extrapolated in the same way.
        """
        speaker = self.speaker(self.speaker_statistics(speaker))
        emotion = self.emotion(self.emotion_statistics(emotion))
        fused = self.fuse(torch.cat([speaker, emotion], dim=1))
        if self.training and self.dropout:
            left_out = torch.rand(len(fused), 1, device=fused.device) < self.dropout
            return torch.where(left_out, self.neutral, fused)
        return fused if guidance == 1.0 else self.neutral + guidance * (fused - self.neutral)


class FiLM(nn.Module):
    """Feature-wise affine map, (1 + gamma(c)) * x + beta(c); the identity at initialisation."""

    def __init__(self, channels: int, condition_dim: int) -> None:
        super().__init__()
        self.affine = nn.Linear(condition_dim, 2 * channels)
        nn.init.zeros_(self.affine.weight)
        nn.init.zeros_(self.affine.bias)

    def forward(self, x: Tensor, c: Tensor, dim: int = 1) -> Tensor:
        """(B, C, T), (B, D) -> (B, C, T); with ``dim=2``, channels last: (B, T, C), (B, D) -> (B, T, C)."""
        gamma, beta = self.affine(c).unsqueeze(3 - dim).chunk(2, dim=dim)
        return (1 + gamma) * x + beta


def train_condition_alone(network: nn.Module) -> None:
    """Freeze all parameters but those of the fusion and of the FiLM layers."""
    network.requires_grad_(False)
    for module in network.modules():
        if isinstance(module, ConditionFusion | FiLM):
            module.requires_grad_(True)
