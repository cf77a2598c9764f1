"""What every encoder has in common: one protocol, one check on the way in, one on the way out."""

from typing import Protocol

import numpy as np

from thesis_lib.audio import as_samples, check_speech, resample
from thesis_lib.errors import ThesisError


class EncoderError(ThesisError):
    """An encoder's weights or output are not what they must be."""


class Encoder(Protocol):
    """``name`` and ``revision`` go into every table and cache key."""

    name: str
    revision: str
    dim: int
    sample_rate: int  # Hz, what ``encode`` is given

    def encode(self, wav: np.ndarray) -> np.ndarray:
        """(N,) float32 at ``sample_rate`` -> (D,) float32."""


def embed(encoder: Encoder, wav: np.ndarray, sample_rate: int, source: object = "audio") -> np.ndarray:
    """(N,) at any rate -> (D,). AudioError for unusable audio, EncoderError for a wrong vector."""
    wav = as_samples(wav, source)
    check_speech(wav, sample_rate, source)
    vector = np.asarray(encoder.encode(resample(wav, sample_rate, encoder.sample_rate)), np.float32)
    if vector.shape != (encoder.dim,):
        raise EncoderError(f"{encoder.name} gave shape {vector.shape} for {source}, not ({encoder.dim},)")
    if not np.isfinite(vector).all() or not vector.any():
        raise EncoderError(f"{encoder.name} gave a vector for {source} that is zero or not finite")
    return vector
