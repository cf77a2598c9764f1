"""Losses between embeddings: speaker, emotion and content consistency.

Shapes: B batch, N samples, D embedding size, T frames.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from thesis_lib.losses.augmentation import EncoderAugmentation


def cosine_loss(estimate: Tensor, reference: Tensor) -> Tensor:
    """(B, D) or (B, D, T) each: 1 - mean cosine, in 0..2."""
    return 1 - F.cosine_similarity(estimate, reference, dim=1).mean()


def embedding_mse_loss(estimate: Tensor, reference: Tensor) -> Tensor:
    """(B, D) each: mean squared error between unit vectors, as in the thesis proposal; used in the ablation.

    It equals 2 (1 - cos) / D, so its gradient is D / 2 times weaker than that of ``cosine_loss``: 96 times at D = 192,
    384 times at D = 768.
    """
    return F.mse_loss(F.normalize(estimate, dim=1), F.normalize(reference, dim=1))


class EmbeddingConsistency(nn.Module):
    """Distance between a frozen encoder's embeddings of two waveforms, differentiable in the estimate.

    With a speaker encoder this is YourTTS's speaker consistency loss (Casanova et al. 2022, arXiv:2112.02418,
    eq. 1), with an emotion encoder VECL-TTS's emotion consistency loss (arXiv:2406.08076). For an encoder with one
    vector per frame, (B, D, T), such as a speech recogniser's, it is the mean over the frames.
    """

    def __init__(
        self,
        encoder: nn.Module,
        sample_rate: int,
        distance: str = "cosine",
        augmentation: EncoderAugmentation | None = None,
    ) -> None:
        super().__init__()
        from torchaudio.transforms import Resample

        # The encoder's parameters get no gradient and its batch statistics do not change.
        self.encoder = encoder.eval().requires_grad_(False)
        self.resample = Resample(sample_rate, encoder.sample_rate)
        self.distance = {"cosine": cosine_loss, "mse": embedding_mse_loss}[distance]
        self.augmentation = augmentation  # of the estimate alone: the target is the embedding of what was recorded

    def train(self, mode: bool = True) -> "EmbeddingConsistency":
        """Return the loss unchanged: a frozen encoder stays in eval mode."""
        return self

    def forward(self, estimate: Tensor, reference: Tensor) -> Tensor:
        """(k B, N), (B, N) at ``sample_rate`` -> scalar; k versions of each item, those of one version together."""
        with torch.no_grad():
            target = self.encoder(self.resample(reference))
        return self.towards(estimate, torch.cat([target] * (len(estimate) // len(target))))

    def towards(self, estimate: Tensor, target: Tensor) -> Tensor:
        """(B, N) at ``sample_rate``, and target embeddings (B, D), of a recording or not -> scalar."""
        wav = self.resample(estimate)
        if self.augmentation is not None:
            wav = self.augmentation(wav)
        return self.distance(self.encoder(wav), target)
