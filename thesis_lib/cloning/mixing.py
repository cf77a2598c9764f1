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

WINDOW_SECONDS = 10.0  # of the mixture, which is marked and limited at a time
OVERLAP_SECONDS = 1.0  # of two windows, in which the first fades out and the second in
MIN_PAUSES_SECONDS = 0.5  # in all, from which the sound behind the speech can be measured

Write = Callable[[np.ndarray], object]


class Crossfaded:
    """Apply a function (n,) -> (n,) to a stream in windows that overlap, and crossfade its results.

    What is written depends on the samples alone, not on the pieces in which they come.
    """

    def __init__(self, function: Callable[[np.ndarray], np.ndarray], size: int, overlap: int, write: Write) -> None:
        """``size`` of a window and ``overlap`` of two windows in samples."""
        self._function, self._size, self._overlap, self._output = function, size, overlap, write
        self._waiting = np.zeros(0, np.float32)
        self._tail = np.zeros(0, np.float32)  # the end of the last window's result

    def write(self, wav: np.ndarray) -> None:
        """Take the next samples (n,); write those that no later window changes."""
        self._waiting = np.concatenate([self._waiting, wav])
        while len(self._waiting) > self._size:
            found = self._faded_in(self._waiting[: self._size])
            self._waiting = self._waiting[self._size - self._overlap :]
            self._output(found[: -self._overlap])
            self._tail = found[-self._overlap :]

    def finish(self) -> None:
        """Write what is left."""
        if len(self._waiting):
            self._output(self._faded_in(self._waiting))

    def _faded_in(self, window: np.ndarray) -> np.ndarray:
        found, count = self._function(window).copy(), len(self._tail)
        share = (np.arange(count, dtype=np.float32) + 1) / (count + 1)
        found[:count] = (1 - share) * self._tail + share * found[:count]
        return found


class BackgroundMix:
    """Adds the background of a recording to samples as they are written; memory does not grow with its length."""

    def __init__(self, source: Path, sample_rate: int, write: Write, mark: bool, note: Callable[[str], None]) -> None:
        """``mark``: watermark the mixture, as noise in it weakens the watermark of the speech.

        ``note`` is called where the recording has no pause to measure the background in.
        """
        self._size = round(WINDOW_SECONDS * sample_rate)

        def finished(wav: np.ndarray) -> np.ndarray:
            return limited(add_watermark(wav, sample_rate) if mark else wav, sample_rate)

        self._mixture = Crossfaded(finished, self._size, round(OVERLAP_SECONDS * sample_rate), write)
        own = header(source)[0]
        spans = speech_spans(read_blocks(source), own)
        pauses = survey(source).seconds - sum(end - start for start, end in spans)
        if pauses < MIN_PAUSES_SECONDS:
            note(f"{source}: no pause in the speech to measure the sound behind it in: the background is silent there")
        self._blocks = resampled(without_speech(lambda: read_blocks(source), own, spans), own, sample_rate)
        self._waiting = np.zeros(0, np.float32)

    def write(self, wav: np.ndarray) -> None:
        """Write the next samples (n,) of the English with the background."""
        for first in range(0, len(wav), self._size):
            piece = wav[first : first + self._size]
            self._mixture.write(piece + self._next(len(piece)))

    def finish(self) -> None:
        """Write the background after the English."""
        while len(rest := self._next(self._size, pad=False)):
            self._mixture.write(rest)
        self._mixture.finish()

    def _next(self, count: int, pad: bool = True) -> np.ndarray:
        """The next samples of the background; after its end zeros, or fewer samples."""
        while len(self._waiting) < count and (block := next(self._blocks, None)) is not None:
            self._waiting = np.concatenate([self._waiting, block])
        found, self._waiting = self._waiting[:count], self._waiting[count:]
        return np.pad(found, (0, count - len(found))) if pad else found
