"""Which part of the corpus a speaker belongs to, and which of many pairs stand for all of them."""

import hashlib
from collections.abc import Sequence

import numpy as np


def is_validation(speaker: str, fraction: float, seed: int) -> bool:
    """Whether a training-release speaker is held out for validation.

    A hash of the speaker decides, so that the answer for one speaker never changes when others are added.
    """
    return _lot(speaker, seed) < fraction


def strata(
    parts: Sequence[str], speakers: Sequence[str], durations: Sequence[float], ids: Sequence[str], count: int, seed: int
) -> list[list[int]]:
    """The positions (0 … n - 1) of n pairs in ``count`` groups of neighbours; one pair of each stands for all of them.

    Systematic sampling with implicit strata (Cochran, Sampling Techniques, 3rd ed., ch. 8): in the order of part,
    speaker and duration, so that each has its share, of heavy speakers to one pair. Within a group the seed decides
    who comes first; the same seed gives the same answer whatever the order of the pairs.
    """
    order = sorted(
        range(len(ids)), key=lambda i: (parts[i], _lot(speakers[i], seed), speakers[i], durations[i], ids[i])
    )
    groups = np.array_split(np.array(order, int), max(1, min(count, len(order))))
    return [sorted(group.tolist(), key=lambda i: _lot(ids[i], seed)) for group in groups]


def _lot(name: str, seed: int) -> float:
    """A number from 0 to 1 that a name draws, the same on every machine."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{name}".encode()).digest()[:8], "big") / 2**64


def client_id(voice: str) -> str:
    """The bundled corpus's speaker id of a Kokoro voice: 128 hex digits, as in Common Voice."""
    return hashlib.sha512(f"kokoro:{voice}".encode()).hexdigest()


def spread(length: int, count: int) -> np.ndarray:
    """Positions of at most ``count`` items, evenly spaced over a list, so that every speaker has its share."""
    return np.linspace(0, length - 1, min(count, length)).round().astype(int)
