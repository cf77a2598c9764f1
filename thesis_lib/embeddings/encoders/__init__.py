"""Speaker and emotion encoders with one protocol, frozen and in eval mode; ``ENCODERS`` has them by name.

Shapes: B batch, N samples, D embedding size (read from the model, never assumed).
"""

from thesis_lib.config.registries import ENCODERS
from thesis_lib.embeddings.encoders.base import Encoder, EncoderError, PartsEncoder, embed, embed_batch, embed_parts
from thesis_lib.embeddings.encoders.select import (
    EvaluationEncoder,
    emotion_encoder,
    evaluation_encoders,
    revisions,
    speaker_encoder,
)

__all__ = [
    "ENCODERS",
    "Encoder",
    "EncoderError",
    "EvaluationEncoder",
    "PartsEncoder",
    "embed",
    "embed_batch",
    "embed_parts",
    "emotion_encoder",
    "evaluation_encoders",
    "revisions",
    "speaker_encoder",
]
