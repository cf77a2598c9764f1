"""Losses between embeddings: speaker, emotion and content consistency.

Shapes: B batch, N samples, D embedding size, T frames.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def cosine_loss(estimate: Tensor, reference: Tensor) -> Tensor:
    """(B, D) or (B, D, T) each: 1 - mean cosine, in 0..2."""
    return 1 - F.cosine_similarity(estimate, reference, dim=1).mean()


def embedding_mse_loss(estimate: Tensor, reference: Tensor) -> Tensor:
    """(B, D) each: the first plan's mean squared error, of unit vectors.

    It equals 2 (1 - cos) / D, so its gradient is D / 2 times weaker than ``cosine_loss``'s: 96 times at 192-d, 384
    at 768-d. Kept as an ablation.
    """
    return F.mse_loss(F.normalize(estimate, dim=1), F.normalize(reference, dim=1))


class EmbeddingConsistency(nn.Module):
    """Distance of a frozen encoder's embeddings of two waveforms; the gradient reaches the estimate.

    With a speaker encoder this is YourTTS's speaker consistency loss (Casanova et al. 2022, arXiv:2112.02418,
    eq. 1), with an emotion encoder VECL-TTS's emotion consistency loss (arXiv:2406.08076). An encoder may also give
    one vector a frame, (B, D, T), as a speech recogniser's does: then it is the mean over the frames.
    """

    def __init__(self, encoder: nn.Module, sample_rate: int, distance: str = "cosine") -> None:
        super().__init__()
        from torchaudio.transforms import Resample

        # The encoder's parameters get no gradient and its batch statistics do not move.
        self.encoder = encoder.eval().requires_grad_(False)
        self.resample = Resample(sample_rate, encoder.sample_rate)
        self.distance = {"cosine": cosine_loss, "mse": embedding_mse_loss}[distance]

    def train(self, mode: bool = True) -> "EmbeddingConsistency":
        """Does nothing: a frozen encoder has one mode."""
        return self

    def forward(self, estimate: Tensor, reference: Tensor) -> Tensor:
        """(B, N), (B, N) at ``sample_rate`` -> scalar."""
        with torch.no_grad():
            target = self.encoder(self.resample(reference))
        return self.towards(estimate, target)

    def towards(self, estimate: Tensor, target: Tensor) -> Tensor:
        """(B, N), and embeddings (B, D) that nobody needs to have said anything for -> scalar."""
        return self.distance(self.encoder(self.resample(estimate)), target)
