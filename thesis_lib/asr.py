"""Speech recognition and translation: Whisper through CTranslate2 (arXiv:2212.04356)."""

import os
from dataclasses import dataclass

import numpy as np

from thesis_lib import models
from thesis_lib.audio import as_samples, check_audible, resample

RATE = 16_000  # Hz
FRAME = 320  # samples at RATE, of one vector of the encoder
WINDOW, CONTEXT = 500, 50  # such frames: 10 s, of which 1 s on each side is only looked at


@dataclass(frozen=True)
class Heard:
    """What Whisper heard: the text, the language and how sure it was of the language (0..1)."""

    text: str
    language: str
    language_probability: float


class Whisper:
    """``whisper-tiny.en`` for the metrics, ``whisper-base`` for Spanish and translation."""

    def __init__(self, name: str = "whisper-base", threads: int | None = None) -> None:
        from faster_whisper import WhisperModel

        self.name = name
        self.revision = models.get(name).revision
        folder = models.fetch(name)
        self._model = WhisperModel(
            str(folder), device="cpu", compute_type="int8", cpu_threads=threads or os.cpu_count() or 1
        )

    def __call__(
        self, wav: np.ndarray, sample_rate: int, language: str | None = None, task: str = "transcribe", beams: int = 5
    ) -> Heard:
        """Recognise (N,) speech in its own language, or with ``task="translate"`` in English."""
        audio = _audible(wav, sample_rate)
        # Greedy fall-backs at random temperatures would make a metric random: temperature 0 alone.
        segments, info = self._model.transcribe(
            audio, language=language, task=task, beam_size=beams, temperature=0.0, condition_on_previous_text=False
        )
        text = " ".join(segment.text.strip() for segment in segments)
        return Heard(text, info.language, info.language_probability)

    def encode(self, wav: np.ndarray, sample_rate: int) -> np.ndarray:
        """(N,) -> the encoder's last layer, 50 frames a second, (T, D) float32.

        Computed in windows of 10 s that overlap: the network's own 30 s, mostly silence here, take four times as
        long for the same vectors (cosine 0.99).
        """
        audio = _audible(wav, sample_rate)
        count = -(-len(audio) // FRAME)
        parts = []
        for start in range(0, count, WINDOW - 2 * CONTEXT):
            before = min(start, CONTEXT)
            window = audio[(start - before) * FRAME : (start - before + WINDOW) * FRAME]
            mel = self._model.feature_extractor(window)[:, : 2 * WINDOW]
            mel = np.pad(mel, ((0, 0), (0, 2 * WINDOW - mel.shape[1])), constant_values=mel.min())
            encoded = np.array(self._model.encode(mel), np.float32).reshape(WINDOW, -1)
            parts.append(encoded[before : before + WINDOW - 2 * CONTEXT])
        return np.concatenate(parts)[:count]


def _audible(wav: np.ndarray, sample_rate: int) -> np.ndarray:
    """(N,) at RATE. AudioError for silence and its like: there Whisper hears what it has read, not what is said."""
    wav = as_samples(wav, "speech")
    check_audible(wav, sample_rate, "speech")
    return resample(wav, sample_rate, RATE)
