"""Select the synthesizer's voice that is nearest to a speaker, so that the vocoder has least to convert."""

import functools
from pathlib import Path

import numpy as np

from thesis_lib.cloning.errors import CloningError
from thesis_lib.cloning.tts import portions

TABLE = Path(__file__).parents[1] / "data" / "kokoro_voices_ecapa.npz"  # scripts/build_voice_table.py
NEAREST = "nearest"


def check_encoder(voice: str, encoder: str) -> None:
    """Raise CloningError where ``cloning.voice`` needs another speaker encoder than that named ``encoder``."""
    if voice == NEAREST and encoder != "ecapa":
        raise CloningError(
            f"cloning.voice={NEAREST} needs the speaker encoder ecapa, not {encoder}: "
            "set cloning.voice to a Kokoro voice, such as af_heart"
        )


def nearest_voice(speaker: np.ndarray) -> str:
    """Return the English Kokoro voice with the largest cosine to an ECAPA-TDNN embedding (192,)."""
    names, units, *_ = _table()
    return names[int(np.argmax(units @ speaker))]


def english_voices() -> list[str]:
    """Return the names of the English Kokoro voices of the table."""
    return list(_table()[0])


def voice_rate(name: str, text: str) -> float:
    """Speaking rate of a Kokoro voice for a text, relative to the median of the English voices, at one speed.

    Kokoro has a style vector for each length of a portion of text, so a voice's rate depends on the length, most of all
    in short texts. Between the lengths of the table the logarithm is interpolated. Of a mixture "a+b" the geometric
    mean; 1 for a voice that is not English.
    """
    lengths = [max(len(portion), 1) for portion in portions(text)]
    return sum(lengths) / sum(length / _rate_at(name, length) for length in lengths)


def _rate_at(name: str, length: int) -> float:
    """The rate of a voice for a portion of so many characters."""
    names, _, rates, lengths = _table()
    voices = name.split("+")
    logs = [
        np.interp(np.log(length), np.log(lengths), np.log(rates[names.index(voice)]))
        for voice in voices
        if voice in names
    ]
    return float(np.exp(sum(logs) / len(voices)))


@functools.cache
def _table() -> tuple[list[str], np.ndarray, np.ndarray, np.ndarray]:
    """Names (V), unit vectors (V, 192), rates (V, L) and the lengths of texts in characters (L,)."""
    with np.load(TABLE, allow_pickle=False) as stored:
        vectors = stored["vectors"]
        units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return stored["names"].tolist(), units, stored["rates"], stored["lengths"]
