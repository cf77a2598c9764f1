"""Speech recognition and translation: Whisper through CTranslate2 (arXiv:2212.04356)."""

import os
from dataclasses import dataclass

import numpy as np

from thesis_lib import models
from thesis_lib.audio import resample

RATE = 16_000  # Hz


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
        audio = resample(wav, sample_rate, RATE) if sample_rate != RATE else np.asarray(wav, np.float32)
        # Greedy fall-backs at random temperatures would make a metric random: temperature 0 alone.
        segments, info = self._model.transcribe(
            audio, language=language, task=task, beam_size=beams, temperature=0.0, condition_on_previous_text=False
        )
        text = " ".join(segment.text.strip() for segment in segments)
        return Heard(text, info.language, info.language_probability)
