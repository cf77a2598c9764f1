"""The protocol of all encoders, and ``embed``, which checks the recording and the vector."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from thesis_lib.audio.files import as_samples, check_speech, resample
from thesis_lib.utils.errors import ThesisError

# ECAPA computed in bfloat16 has the same weights; the store keeps its vectors apart by this suffix of the revision.
PRECISION_SUFFIX = "-bfloat16"


class EncoderError(ThesisError):
    """Weights of an encoder that cannot be used, or a vector of the wrong shape or value."""


class Encoder(Protocol):
    """An encoder: waveform -> embedding. ``name`` and ``revision`` are part of every table and cache key.

    An encoder with a method ``encode_batch(wavs) -> (B, D)`` gets several signals at once. One with
    ``encode_parts(wav, lengths) -> (1 + P, D)`` embeds a signal and its P consecutive parts in one pass.
    """

    name: str
    revision: str
    dim: int
    sample_rate: int  # Hz, of the input of ``encode``

    def encode(self, wav: np.ndarray) -> np.ndarray:
        """(N,) float32 at ``sample_rate`` -> (D,) float32."""


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


def embed_parts(
    encoder: Encoder, parts: Sequence[np.ndarray], sample_rate: int, source: object = "audio"
) -> np.ndarray:
    """Embed P consecutive parts (N,) of speech and the whole of them -> (1 + P, D), the whole first.

    Computed in one pass by an encoder with ``encode_parts`` at its own rate; the vector of a part then depends on the
    other parts too. Raises what ``embed`` raises.
    """
    whole, together = np.concatenate(parts), getattr(encoder, "encode_parts", None)
    if together is None or sample_rate != encoder.sample_rate:
        return np.stack(embed_batch(encoder, [(x, sample_rate, source) for x in (whole, *parts)]))
    check_speech(as_samples(whole, source), sample_rate, source)
    return np.stack([_checked(encoder, vector, source) for vector in together(whole, [len(part) for part in parts])])


def _checked(encoder: Encoder, vector: np.ndarray, source: object) -> np.ndarray:
    vector = np.asarray(vector, np.float32)
    if vector.shape != (encoder.dim,):
        raise EncoderError(f"{encoder.name} gave shape {vector.shape} for {source}, not ({encoder.dim},): set its dim")
    if not np.isfinite(vector).all() or not vector.any():
        raise EncoderError(f"{encoder.name} gave a vector for {source} that is zero or not finite: check the recording")
    return vector
