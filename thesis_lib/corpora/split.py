"""Which part of the corpus a speaker belongs to."""

import hashlib

import numpy as np


def is_validation(speaker: str, fraction: float, seed: int) -> bool:
    """Whether a training-release speaker is held out for validation.

    A hash of the speaker decides, so that the answer for one speaker never changes when others are added.
    """
    digest = hashlib.sha256(f"{seed}:{speaker}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < fraction * 2**64


def client_id(voice: str) -> str:
    """The bundled corpus's speaker id of a Kokoro voice: 128 hex digits, as in Common Voice."""
    return hashlib.sha512(f"kokoro:{voice}".encode()).hexdigest()


def spread(length: int, count: int) -> np.ndarray:
    """Positions of at most ``count`` items, evenly spaced over a list, so that every speaker has its share."""
    return np.linspace(0, length - 1, min(count, length)).round().astype(int)
