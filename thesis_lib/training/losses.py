"""The losses that a recipe asks for, with their encoders."""

from collections.abc import Callable

from torch import Tensor, nn

from thesis_lib.config import Config, LossConfig
from thesis_lib.embeddings.encoders import emotion_encoder, speaker_encoder
from thesis_lib.embeddings.encoders.whisper import WhisperEncoder
from thesis_lib.losses import (
    EmbeddingConsistency,
    MelLoss,
    MultiScaleMel,
    TemporalConsistency,
    multi_resolution_stft_loss,
)
from thesis_lib.training.errors import TrainingError

SignalLoss = Callable[[Tensor, Tensor], Tensor]  # (B, N) estimate, (B, N) reference -> scalar


def signal_losses(config: Config, weights: LossConfig) -> dict[str, SignalLoss]:
    """The losses of two waveforms whose weight is not zero. TrainingError when an encoder gives no gradient."""
    audio = config.audio
    makers: dict[str, Callable[[], SignalLoss]] = {
        "mel": lambda: MelLoss(audio),
        "multi_scale_mel": lambda: MultiScaleMel(audio),
        "stft": lambda: multi_resolution_stft_loss,
        "temporal": lambda: TemporalConsistency(audio),
        "speaker": lambda: consistency(config, weights, "speaker"),
        "emotion": lambda: consistency(config, weights, "emotion"),
        "content": lambda: EmbeddingConsistency(WhisperEncoder(), audio.sample_rate),
    }
    return {name: make() for name, make in makers.items() if getattr(weights, name) > 0}


def consistency(config: Config, weights: LossConfig, name: str) -> EmbeddingConsistency:
    """The loss of that name by the run's own encoder. TrainingError when it gives no gradient."""
    load = emotion_encoder if name == "emotion" else speaker_encoder
    encoder = load(config.encoders)
    if not isinstance(encoder, nn.Module):
        raise TrainingError(
            f"{encoder.name} has no gradient, so losses.{name} cannot use it: "
            f"set that weight to 0, or encoders.{load.__name__.removesuffix('_encoder')} to a neural encoder"
        )
    return EmbeddingConsistency(encoder, config.audio.sample_rate, weights.embedding_distance)
