"""Speaker and emotion encoders behind one protocol, frozen and in eval mode.

Shapes: B batch, N samples, D embedding size (read from the model, never assumed).
"""

from thesis_lib.embeddings.encoders.base import Encoder, EncoderError, embed, embed_batch
from thesis_lib.embeddings.encoders.select import emotion_encoder, evaluation_encoders, speaker_encoder

__all__ = [
    "Encoder",
    "EncoderError",
    "embed",
    "embed_batch",
    "emotion_encoder",
    "evaluation_encoders",
    "speaker_encoder",
]
