"""Speech recognition and translation: Whisper through CTranslate2 (arXiv:2212.04356)."""

import functools
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from thesis_lib import pretrained
from thesis_lib.audio.files import as_samples, check_audible, resample

RATE = 16_000  # Hz
FRAME = 320  # samples at RATE, of one vector of the encoder
WINDOW, CONTEXT = 500, 50  # such frames: 10 s, of which 1 s on each side is only looked at
SPARE, STEP = 200, 200  # frames of the log-mel, 100 a second: silence after a recording, and what windows grow by


@dataclass(frozen=True)
class Recognised:
    """What Whisper heard: the text, the language and how sure it was of the language (0..1)."""

    text: str
    language: str
    language_probability: float


class Whisper:
    """``whisper-tiny.en`` for the metrics, ``whisper-base`` for Spanish and translation.

    Or ``folder``: a model that somebody has converted for CTranslate2; ``name`` is then what tables call it.

    ``brief`` gives the encoder the recording and two seconds of silence instead of half a minute of it, in a third of
    the time. Its words differ now and then, not for the worse (`python -m benchmarks clone`); metrics keep the
    published window. ``no_repeat`` tokens in a row come once only: on unclear speech it goes round in circles.
    Calls of ``workers`` threads are computed side by side, each by ``threads`` of its own.
    """

    def __init__(
        self,
        name: str = "whisper-base",
        threads: int | None = None,
        folder: Path | None = None,
        brief: bool = False,
        no_repeat: int = 0,
        workers: int = 1,
    ) -> None:
        self.name, self._no_repeat = name, no_repeat
        self.revision = pretrained.get(name).revision if folder is None else "a folder"
        self._model = _model_class()(
            str(folder or pretrained.fetch(name)),
            device="cpu",
            compute_type="int8",
            cpu_threads=threads or os.cpu_count() or 1,
            num_workers=workers,
            local_files_only=True,
        )
        self._model.brief = brief

    def __call__(
        self,
        wav: np.ndarray,
        sample_rate: int,
        language: str | None = None,
        task: str = "transcribe",
        beams: int = 5,
        context: str = "",
    ) -> Recognised:
        """Recognise (N,) speech in its own language, or with ``task="translate"`` in English.

        ``context`` is what was said before, in the language of the output.
        """
        audio = _audible(wav, sample_rate)
        # Greedy fall-backs at random temperatures would make a metric random: temperature 0 alone.
        segments, info = self._model.transcribe(
            audio,
            language=language,
            task=task,
            beam_size=beams,
            temperature=0.0,
            condition_on_previous_text=False,
            initial_prompt=context or None,
            no_repeat_ngram_size=self._no_repeat,
        )
        text = " ".join(segment.text.strip() for segment in segments)
        return Recognised(text, info.language, info.language_probability)

    def language(self, wav: np.ndarray, sample_rate: int) -> tuple[str, float]:
        """(N,) -> the language that it sounds like, and how sure that is (0..1)."""
        features = self._model.feature_extractor(_audible(wav, sample_rate))
        return self._model.detect_language(features=features)[:2]

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


@functools.cache
def _model_class() -> type:
    from faster_whisper import WhisperModel

    class Model(WhisperModel):
        """Remembers its encoder's last output: language, transcript and translation of a recording share it."""

        brief = False
        _last: tuple[bytes, object] = (b"", None)

        def detect_language(self, audio=None, features=None, **options) -> tuple:
            # Transcription leaves out the last frame, which is half empty: without it both share the encoder's output.
            shared = features if features is None else features[..., :-1]
            return super().detect_language(audio, shared, **options)

        def encode(self, features: np.ndarray) -> object:
            if self.brief:
                spoken = int(np.flatnonzero(features.any(axis=0)).max(initial=0)) + 1
                features = np.ascontiguousarray(features[:, : -(-(spoken + SPARE) // STEP) * STEP])
            key, last = features.tobytes(), self._last
            if last[0] != key:
                # Not read again: another thread may have put its own there.
                last = self._last = key, super().encode(features)
            return last[1]

    return Model


def _audible(wav: np.ndarray, sample_rate: int) -> np.ndarray:
    """(N,) at RATE. AudioError for silence and its like: there Whisper hears what it has read, not what is said."""
    wav = as_samples(wav, "speech")
    check_audible(wav, sample_rate, "speech")
    return resample(wav, sample_rate, RATE)
