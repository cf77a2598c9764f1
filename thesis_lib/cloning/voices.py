"""Which of the synthesizer's voices is nearest to a speaker: the content that the vocoder has to change least."""

import functools
from pathlib import Path

import numpy as np

TABLE = Path(__file__).parents[1] / "data" / "kokoro_voices_ecapa.npz"  # scripts/build_voice_table.py
NEAREST = "nearest"


def nearest_voice(speaker: np.ndarray) -> str:
    """An ECAPA vector (192,) -> the name of the English Kokoro voice with the largest cosine to it."""
    names, units = _table()
    return names[int(np.argmax(units @ speaker))]


@functools.cache
def _table() -> tuple[list[str], np.ndarray]:
    with np.load(TABLE, allow_pickle=False) as stored:
        vectors = stored["vectors"]
        return stored["names"].tolist(), vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
