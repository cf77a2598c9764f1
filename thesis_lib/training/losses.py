"""The signal losses that a recipe asks for, with their encoders."""

from collections.abc import Callable
from typing import cast

from torch import Tensor, nn

from thesis_lib.config import Config, LossConfig
from thesis_lib.embeddings.encoders import emotion_encoder, speaker_encoder
from thesis_lib.embeddings.encoders.whisper import WhisperEncoder
from thesis_lib.losses import LOSSES, EmbeddingConsistency, EncoderAugmentation
from thesis_lib.training.errors import TrainingError

EMOTION_LOSSES = ("emotion", "sampled_emotion")
SignalLoss = Callable[[Tensor, Tensor], Tensor]  # (B, N) estimate, (B, N) reference -> scalar


def signal_losses(config: Config, weights: LossConfig, augmentation: float = 0.0) -> dict[str, SignalLoss]:
    """Make the losses between two waveforms that have a weight above zero.

    ``augmentation`` is the probability of each change of a signal before the encoder of the speaker loss. Raises
    TrainingError when a loss needs the gradient of an encoder that has none.
    """
    settings = {"speaker": {"augmentation": augmentation}}
    active = [name for name, weight in weights.signal_weights().items() if weight > 0]
    return {name: LOSSES[name](config, weights, **settings.get(name, {})) for name in active}


def consistency(config: Config, weights: LossConfig, name: str, augmentation: float = 0.0) -> EmbeddingConsistency:
    """Make the consistency loss of the run's emotion encoder (``EMOTION_LOSSES``) or speaker encoder (any other name).

    ``augmentation`` is the probability of each change of a signal before the encoder. Raises TrainingError, which names
    the loss, when that encoder has no gradient.
    """
    load = emotion_encoder if name in EMOTION_LOSSES else speaker_encoder
    encoder = load(config.encoders)
    if not isinstance(encoder, nn.Module):
        raise TrainingError(
            f"{encoder.name} has no gradient, so losses.{name} cannot use it: "
            f"set that weight to 0, or encoders.{load.__name__.removesuffix('_encoder')} to a neural encoder"
        )
    changes = EncoderAugmentation(cast(int, encoder.sample_rate), augmentation) if augmentation else None
    return EmbeddingConsistency(encoder, config.audio.sample_rate, weights.embedding_distance, changes)


@LOSSES.register("speaker")
def _speaker_loss(config: Config, weights: LossConfig, augmentation: float = 0.0) -> SignalLoss:
    return consistency(config, weights, "speaker", augmentation)


@LOSSES.register("emotion")
def _emotion_loss(config: Config, weights: LossConfig) -> SignalLoss:
    return consistency(config, weights, "emotion")


@LOSSES.register("content")
def _content_loss(config: Config, weights: LossConfig) -> SignalLoss:
    return EmbeddingConsistency(WhisperEncoder(), config.audio.sample_rate)
