"""Select the synthesizer's voice that is nearest to a speaker, so that the vocoder has least to convert."""

import functools
from pathlib import Path

import numpy as np

TABLE = Path(__file__).parents[1] / "data" / "kokoro_voices_ecapa.npz"  # scripts/build_voice_table.py
NEAREST = "nearest"


def nearest_voice(speaker: np.ndarray) -> str:
    """Return the English Kokoro voice with the largest cosine to an ECAPA-TDNN embedding (192,)."""
    names, units = _table()
    return names[int(np.argmax(units @ speaker))]


@functools.cache
def _table() -> tuple[list[str], np.ndarray]:
    with np.load(TABLE, allow_pickle=False) as stored:
        vectors = stored["vectors"]
        return stored["names"].tolist(), vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
