"""The protocol of all encoders, and ``embed``, which checks the recording and the vector."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from thesis_lib.audio.files import as_samples, check_speech, resample
from thesis_lib.utils.errors import ThesisError

# ECAPA computed in bfloat16 has the same weights; the store keeps its vectors apart by this suffix of the revision.
PRECISION_SUFFIX = "-bfloat16"


class EncoderError(ThesisError):
    """Weights of an encoder that cannot be used, or a vector of the wrong shape or value."""


class Encoder(Protocol):
    """An encoder: waveform -> embedding. ``name`` and ``revision`` are part of every table and cache key.

    Several threads may call ``encode`` at the same time, so it must be thread-safe. An encoder with a method
    ``encode_batch(wavs) -> (B, D)`` gets several signals at once.
    """

    name: str
    revision: str
    dim: int
    sample_rate: int  # Hz, of the input of ``encode``

    def encode(self, wav: np.ndarray) -> np.ndarray:
        """(N,) float32 at ``sample_rate`` -> (D,) float32."""


@runtime_checkable
class PartsEncoder(Encoder, Protocol):
    """An encoder that embeds a signal and its consecutive parts in one pass."""

    def encode_parts(self, wav: np.ndarray, lengths: Sequence[int]) -> np.ndarray:
        """(N,) at ``sample_rate`` and P lengths in samples -> (1 + P, D): the whole first, as ``encode``.

        The vector of a part depends on the other parts too.
        """


# Samples (N,), their rate in Hz, and their name in error messages.
EncoderInput = tuple[np.ndarray, int, object]


def embed(encoder: Encoder, wav: np.ndarray, sample_rate: int, source: object = "audio") -> np.ndarray:
    """Embed (N,) at any rate -> (D,). AudioError for unusable audio, EncoderError for a wrong vector."""
    return embed_batch(encoder, [(wav, sample_rate, source)])[0]


def embed_batch(encoder: Encoder, recordings: Sequence[EncoderInput]) -> list[np.ndarray]:
    """Embed recordings of any lengths and rates -> (D,) each, equal to those of ``embed``.

    Computed in one batch where the encoder has ``encode_batch``. Raises what ``embed`` raises.
    """
    wavs = []
    for wav, sample_rate, source in recordings:
        wav = as_samples(wav, source)
        check_speech(wav, sample_rate, source)
        wavs.append(resample(wav, sample_rate, encoder.sample_rate))
    together = getattr(encoder, "encode_batch", None) if len(wavs) > 1 else None
    vectors = together(wavs) if together else [encoder.encode(wav) for wav in wavs]
    return [_checked(encoder, vector, source) for vector, (*_, source) in zip(vectors, recordings, strict=True)]


def embed_parts(encoder: PartsEncoder, parts: Sequence[np.ndarray], source: object = "audio") -> np.ndarray:
    """Embed P consecutive parts (N,) at the encoder's rate, and the whole of them -> (1 + P, D), the whole first.

    AudioError for a whole that is not usable audio, EncoderError for a part that is too short and for a wrong vector.
    """
    whole = as_samples(np.concatenate(parts), source)
    check_speech(whole, encoder.sample_rate, source)
    vectors = encoder.encode_parts(whole, [len(part) for part in parts])
    return np.stack([_checked(encoder, vector, source) for vector in vectors])


def _checked(encoder: Encoder, vector: np.ndarray, source: object) -> np.ndarray:
    vector = np.asarray(vector, np.float32)
    if vector.shape != (encoder.dim,):
        raise EncoderError(f"{encoder.name} gave shape {vector.shape} for {source}, not ({encoder.dim},): set its dim")
    if not np.isfinite(vector).all() or not vector.any():
        raise EncoderError(f"{encoder.name} gave a vector for {source} that is zero or not finite: check the recording")
    return vector
