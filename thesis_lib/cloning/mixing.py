"""Mix the background of a recording with the English.

Shapes: n samples at the rate of the output.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from thesis_lib.audio.background import speech_spans, without_speech
from thesis_lib.audio.files import header, read_blocks, resampled, survey
from thesis_lib.audio.loudness import limited
from thesis_lib.cloning.watermark import add_watermark

MIXED_SECONDS = 10.0  # at most, at a time
MIN_PAUSES_SECONDS = 0.5  # in all, from which the sound behind the speech can be measured

Write = Callable[[np.ndarray], object]


class BackgroundMix:
    """Adds the background of a recording to samples as they are written; memory does not grow with its length."""

    def __init__(self, source: Path, sample_rate: int, write: Write, mark: bool, note: Callable[[str], None]) -> None:
        """``mark``: watermark the mixture, as noise in it weakens the watermark of the speech.

        ``note`` is called where the recording has no pause to measure the background in.
        """
        self._write, self._rate, self._mark = write, sample_rate, mark
        own = header(source)[0]
        spans = speech_spans(read_blocks(source), own)
        pauses = survey(source).seconds - sum(end - start for start, end in spans)
        if pauses < MIN_PAUSES_SECONDS:
            note(f"{source}: no pause in the speech to measure the sound behind it in: the background is silent there")
        self._blocks = resampled(without_speech(lambda: read_blocks(source), own, spans), own, sample_rate)
        self._waiting = np.zeros(0, np.float32)

    def write(self, wav: np.ndarray) -> None:
        """Write the next samples (n,) of the English with the background."""
        size = round(MIXED_SECONDS * self._rate)
        for first in range(0, len(wav), size):
            piece = wav[first : first + size]
            self._write_mixed(piece + self._next(len(piece)))

    def finish(self) -> None:
        """Write the background after the English."""
        while len(rest := self._next(round(MIXED_SECONDS * self._rate), pad=False)):
            self._write_mixed(rest)

    def _write_mixed(self, mixed: np.ndarray) -> None:
        if self._mark:
            mixed = add_watermark(mixed, self._rate)
        self._write(limited(mixed, self._rate))

    def _next(self, count: int, pad: bool = True) -> np.ndarray:
        """The next samples of the background; after its end zeros, or fewer samples."""
        while len(self._waiting) < count and (block := next(self._blocks, None)) is not None:
            self._waiting = np.concatenate([self._waiting, block])
        found, self._waiting = self._waiting[:count], self._waiting[count:]
        return np.pad(found, (0, count - len(found))) if pad else found
