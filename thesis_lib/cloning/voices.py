"""Select the synthesizer's voice that is nearest to a speaker, so that the vocoder has least to convert."""

import functools
from pathlib import Path

import numpy as np

TABLE = Path(__file__).parents[1] / "data" / "kokoro_voices_ecapa.npz"  # scripts/build_voice_table.py
NEAREST = "nearest"


def nearest_voice(speaker: np.ndarray) -> str:
    """Return the English Kokoro voice with the largest cosine to an ECAPA-TDNN embedding (192,)."""
    names, units, _ = _table()
    return names[int(np.argmax(units @ speaker))]


def english_voices() -> list[str]:
    """Return the names of the English Kokoro voices of the table."""
    return list(_table()[0])


def voice_rate(name: str) -> float:
    """Speaking rate of a Kokoro voice, relative to the median of the English voices, at one speed of the synthesizer.

    Of a mixture "a+b" the geometric mean; 1 for a voice that is not English.
    """
    names, _, rates = _table()
    found = dict(zip(names, rates, strict=True))
    return float(np.exp(np.mean([np.log(found.get(voice, 1.0)) for voice in name.split("+")])))


@functools.cache
def _table() -> tuple[list[str], np.ndarray, np.ndarray]:
    with np.load(TABLE, allow_pickle=False) as stored:
        vectors = stored["vectors"]
        return stored["names"].tolist(), vectors / np.linalg.norm(vectors, axis=1, keepdims=True), stored["rates"]
