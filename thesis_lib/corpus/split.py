"""Assign speakers to splits, and choose representative subsets of pairs."""

import hashlib
from collections.abc import Sequence

import numpy as np


def is_validation(speaker: str, fraction: float, seed: int) -> bool:
    """Whether a training speaker of the release is in the validation split.

    A hash of the speaker's id decides, so that adding other speakers never changes it.
    """
    return _hash_fraction(speaker, seed) < fraction


def drawn(speakers: Sequence[str], fraction: float, seed: int) -> dict[str, str]:
    """Draw a split for each of the speakers: ``fraction`` of them each for validation and test, the others train.

    For corpora without a test split of their own. Each split has a speaker; raises ValueError below three speakers.
    """
    names = sorted(set(speakers))
    n = len(names)
    if n < 3:
        raise ValueError(f"{n} speakers, and no speaker may be in two splits: give at least 3")
    order = strata([""] * n, [""] * n, [0.0] * n, names, 1, seed)[0]  # a fixed random order
    count = min(max(1, round(fraction * n)), (n - 1) // 2)
    held = {names[place]: "test" if rank >= count else "validation" for rank, place in enumerate(order[: 2 * count])}
    return {name: held.get(name, "train") for name in names}


def strata(
    splits: Sequence[str],
    speakers: Sequence[str],
    durations: Sequence[float],
    ids: Sequence[str],
    count: int,
    seed: int,
) -> list[list[int]]:
    """Group the positions 0 … n - 1 of n pairs in ``count`` strata; a subset takes the first usable pair of each.

    Systematic sampling with implicit strata (Cochran, Sampling Techniques, 3rd ed., ch. 8): in the order of split,
    speaker and duration, each gets its share. Within a group the seed decides the order; the result does not depend on
    the order of the pairs.
    """
    order = sorted(
        range(len(ids)), key=lambda i: (splits[i], _hash_fraction(speakers[i], seed), speakers[i], durations[i], ids[i])
    )
    groups = np.array_split(np.array(order, int), max(1, min(count, len(order))))
    return [sorted(group.tolist(), key=lambda i: _hash_fraction(ids[i], seed)) for group in groups]


def _hash_fraction(name: str, seed: int) -> float:
    """A hash of a name as a number from 0 to 1, the same on every machine."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{name}".encode()).digest()[:8], "big") / 2**64


def client_id(voice: str) -> str:
    """The bundled corpus's speaker id of a Kokoro voice: 128 hex digits, as in Common Voice."""
    return hashlib.sha512(f"kokoro:{voice}".encode()).hexdigest()


def spread(length: int, count: int) -> np.ndarray:
    """Positions of at most ``count`` items, evenly spaced over a list of ``length``."""
    return np.linspace(0, length - 1, min(count, length)).round().astype(int)
