"""The losses, estimate first and reference second; ``LOSSES`` has them by the name of their weight in ``LossConfig``.

Each is a pure function of tensors, or a small module that holds constants (filters, windows, a frozen encoder). All
but the adversarial ones are zero for identical signals.
"""

from thesis_lib.config.registries import LOSSES
from thesis_lib.losses.adversarial import adversarial_loss, discriminator_loss, feature_matching_loss
from thesis_lib.losses.augmentation import EncoderAugmentation
from thesis_lib.losses.band_limit import low_pass
from thesis_lib.losses.embedding import EmbeddingConsistency, cosine_loss, embedding_mse_loss
from thesis_lib.losses.spectral import (
    MEL_SCALES,
    MIN_MAGNITUDE,
    STFT_SIZES,
    MelLoss,
    MultiResolutionStft,
    MultiScaleMel,
    mel_loss,
    multi_resolution_stft_loss,
    stft_loss,
)
from thesis_lib.losses.temporal import TemporalConsistency

__all__ = [
    "LOSSES",
    "MEL_SCALES",
    "MIN_MAGNITUDE",
    "STFT_SIZES",
    "EmbeddingConsistency",
    "EncoderAugmentation",
    "MelLoss",
    "MultiResolutionStft",
    "MultiScaleMel",
    "TemporalConsistency",
    "adversarial_loss",
    "cosine_loss",
    "discriminator_loss",
    "embedding_mse_loss",
    "feature_matching_loss",
    "low_pass",
    "mel_loss",
    "multi_resolution_stft_loss",
    "stft_loss",
]
