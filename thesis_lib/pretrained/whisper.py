"""Speech recognition and translation: Whisper through CTranslate2 (arXiv:2212.04356)."""

import functools
import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from thesis_lib import pretrained
from thesis_lib.audio.files import as_samples, check_audible, resample
from thesis_lib.utils.errors import one_line
from thesis_lib.utils.threads import default_threads

RATE = 16_000  # Hz
FRAME = 320  # samples at RATE per output vector of the encoder
WINDOW_FRAMES, CONTEXT_FRAMES = 500, 50  # such frames: 10 s, of which 1 s on each side is context only
WINDOW = WINDOW_FRAMES  # the earlier name
PADDING_FRAMES, WINDOW_STEP_FRAMES = 200, 200  # of the log-mel, 100 a second: silence after a recording, rounding
MAX_CACHED_FRAMES = 12_000  # of the log-mel: the segments that a voice is extracted from, which are then translated


@dataclass(frozen=True)
class Recognised:
    """Whisper's output: the text, the language, and their probabilities (0..1)."""

    text: str
    language: str
    language_probability: float
    log_probability: float = 0.0  # mean of a token, natural logarithm; the lowest of the segments
    no_speech_probability: float = 0.0  # the highest of the segments


class Whisper:
    """Whisper: ``whisper-tiny.en`` for content and metrics, ``whisper-base`` for Spanish and translation.

    With ``folder``, a model converted for CTranslate2; ``name`` is then its name in tables.

    ``brief`` pads the encoder's input with two seconds of silence instead of to 30 seconds, in a third of the time. The
    text differs in some recordings, with no higher word error rate (`python -m benchmarks clone`); metrics keep the
    published window. ``no_repeat``: no sequence of that many tokens occurs twice, which prevents loops on unclear
    speech. ``workers`` calls are computed in parallel, each with ``threads`` threads; None: ``default_threads``.
    ``device``: cpu, cuda or cuda:NUMBER. ModelError without weights, and where this machine does not have the device.
    """

    def __init__(
        self,
        name: str = "whisper-base",
        threads: int | None = None,
        folder: Path | None = None,
        brief: bool = False,
        no_repeat: int = 0,
        workers: int = 1,
        device: str = "cpu",
    ) -> None:
        self.name, self._no_repeat = name, no_repeat
        self.revision = pretrained.get(name).revision if folder is None else "a folder"
        kind, _, number = device.partition(":")
        try:
            # In a thread of its own: CTranslate2 sets OpenMP's number of threads in the thread that loads a model, and
            # torch would compute with that number in this thread from then on.
            with ThreadPoolExecutor(1) as loading:
                self._model = loading.submit(
                    _model_class(),
                    str(folder or pretrained.fetch(name)),
                    device=kind,
                    device_index=int(number or 0),
                    compute_type="int8",
                    cpu_threads=threads or default_threads(),
                    num_workers=workers,
                    local_files_only=True,
                ).result()
        except (RuntimeError, ValueError) as error:  # CTranslate2's, for a device that it cannot use
            if device == "cpu":
                raise
            raise pretrained.ModelError(f"Whisper on the device {device}: {one_line(error)}; use cpu") from error
        self._model.brief = brief

    def __call__(
        self,
        wav: np.ndarray,
        sample_rate: int,
        language: str | None = None,
        task: str = "transcribe",
        beams: int = 5,
        context: str = "",
        no_repeat: int | None = None,
    ) -> Recognised:
        """Recognise (N,) speech in its own language, or translate it to English with ``task="translate"``.

        ``context`` is the text before it, in the language of the output; ``no_repeat`` replaces the model's own for one
        call. AudioError for inaudible audio.
        """
        audio = _audible(wav, sample_rate)
        # Temperature 0 only: the fall-backs at higher temperatures are random, and so would the metrics be.
        segments, info = self._model.transcribe(
            audio,
            language=language,
            task=task,
            beam_size=beams,
            temperature=0.0,
            condition_on_previous_text=False,
            initial_prompt=context or None,
            no_repeat_ngram_size=self._no_repeat if no_repeat is None else no_repeat,
        )
        segments = list(segments)
        text = " ".join(segment.text.strip() for segment in segments)
        probable = min((segment.avg_logprob for segment in segments), default=0.0)
        no_speech = max((segment.no_speech_prob for segment in segments), default=0.0)
        return Recognised(text, info.language, info.language_probability, probable, no_speech)

    def language(self, wav: np.ndarray, sample_rate: int) -> tuple[str, float]:
        """Detect the language of (N,): its code and probability (0..1)."""
        features = self._model.feature_extractor(_audible(wav, sample_rate))
        return self._model.detect_language(features=features)[:2]

    def encode(self, wav: np.ndarray, sample_rate: int) -> np.ndarray:
        """(N,) -> the encoder's last layer, 50 frames a second, (T, D) float32.

        Computed in overlapping windows of at most 10 s; the last one ends one to two seconds after the recording. The
        network's own windows of 30 s, mostly silence here, take at least four times as long; the vectors of windows of
        10 s are nearly the same (cosine 0.99).
        """
        audio = _audible(wav, sample_rate)
        count = -(-len(audio) // FRAME)
        parts = []
        for start in range(0, count, WINDOW_FRAMES - 2 * CONTEXT_FRAMES):
            before = min(start, CONTEXT_FRAMES)
            # In steps of CONTEXT_FRAMES: the rest of the recording, rounded up, and one step of silence.
            steps = -(-(count - start + before) // CONTEXT_FRAMES) + 1
            size = min(WINDOW_FRAMES, steps * CONTEXT_FRAMES)
            window = audio[(start - before) * FRAME : (start - before + size) * FRAME]
            mel = self._model.feature_extractor(window)[:, : 2 * size]
            mel = np.pad(mel, ((0, 0), (0, 2 * size - mel.shape[1])), constant_values=mel.min())
            encoded = _array(self._model.encode(mel)).reshape(size, -1)
            parts.append(encoded[before : before + WINDOW_FRAMES - 2 * CONTEXT_FRAMES])
        return np.concatenate(parts)[:count]


def _array(encoded: Any) -> np.ndarray:
    """A result of CTranslate2 as float32, copied from the GPU where it is there."""
    if encoded.device != "cpu":
        from ctranslate2 import Device

        encoded = encoded.to_device(Device.cpu)
    return np.array(encoded, np.float32)


@functools.cache
def _model_class() -> type:
    from faster_whisper import WhisperModel

    class Model(WhisperModel):
        """Caches the encoder's last outputs, which language, transcript and translation of a recording share."""

        brief = False
        _kept: dict[bytes, tuple[object, int]] = {}  # digest of the input -> output, frames; replaced, never changed

        def detect_language(self, audio=None, features=None, **options) -> tuple:
            # Transcription drops the last frame, which is half empty; dropped here too, both share the output.
            shared = features if features is None else features[..., :-1]
            return super().detect_language(audio, shared, **options)

        def encode(self, features: np.ndarray) -> object:
            if self.brief:
                spoken = int(np.flatnonzero(features.any(axis=0)).max(initial=0)) + 1
                steps = -(-(spoken + PADDING_FRAMES) // WINDOW_STEP_FRAMES)
                features = np.ascontiguousarray(features[:, : steps * WINDOW_STEP_FRAMES])
            key, kept = hashlib.blake2b(features.tobytes()).digest(), self._kept  # another thread may replace it
            if key not in kept:
                kept = kept | {key: (super().encode(features), features.shape[-1])}
                while sum(frames for _, frames in kept.values()) > MAX_CACHED_FRAMES and len(kept) > 1:
                    kept.pop(next(iter(kept)))
                self._kept = kept
            return kept[key][0]

    return Model


def _audible(wav: np.ndarray, sample_rate: int) -> np.ndarray:
    """(N,) at RATE. AudioError for silence and the like, on which Whisper hallucinates text."""
    wav = as_samples(wav, "speech")
    check_audible(wav, sample_rate, "speech")
    return resample(wav, sample_rate, RATE)
