"""Exact streaming: samples in blocks -> log-mel frames, and content frames in pieces -> samples.

An output frame depends on the input frames in the generator's receptive field. Each piece is synthesised with that
much context on both sides, and the output of the context is cut off: the result equals that of the whole input, and
memory holds one piece with its context.

In NumPy alone, for vocoders of torch and of ONNX Runtime. Shapes: N samples, M mel bands, C content channels, T frames.
"""

import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from thesis_lib.audio.files import STDOUT, read_blocks, resampled, sink, survey
from thesis_lib.audio.log_mel import LogMelFrames
from thesis_lib.audio.pitch import PITCH_CENTRE, PITCH_CHANNEL, PITCH_SCALE
from thesis_lib.audio.streams import stream_blocks
from thesis_lib.audio.targets import target_problem
from thesis_lib.config import AudioConfig
from thesis_lib.utils.errors import ThesisError
from thesis_lib.utils.progress import Progress, silent
from thesis_lib.vocoder.voice import MEAN_VOICE, Voice

if TYPE_CHECKING:
    from thesis_lib.vocoder.rendering import BaseVocoder

STDIN = "-"

Synthesise = Callable[[np.ndarray, np.ndarray], np.ndarray]  # content (1, C, T), origin (2,) -> (N,)


class StreamError(ThesisError):
    """A vocoder that cannot stream this input, or frames of the wrong shape."""


@dataclass(frozen=True)
class ReceptiveField:
    """Input frames that one frame of output samples depends on."""

    left: int  # frames of context before it
    right: int  # frames after it: the look-ahead


class Stream:
    """Content in pieces of any length -> samples, equal to those of the whole, as soon as their context is complete."""

    def __init__(
        self, synthesise: Synthesise, receptive_field: ReceptiveField, audio: AudioConfig, excited: bool
    ) -> None:
        """``excited``: the generator has a harmonic excitation, so its phase continues from piece to piece."""
        self._synthesise, self._field, self._excited = synthesise, receptive_field, excited
        self._audio, self._hop = audio, audio.hop_length
        self._frames = np.zeros((1, 0, 0), np.float32)  # (1, C, T) from frame ``_first`` on; the first piece sets C
        self._first = self._made = 0  # frames before the kept ones, and frames already synthesised
        self._phase: float | None = None  # cycles, at the first kept frame's centre

    def feed(self, frames: np.ndarray) -> np.ndarray:
        """(C, T) -> (N,): the samples with complete context, ``receptive_field.right`` frames behind the input.

        StreamError for frames of another shape.
        """
        frames = np.asarray(frames, np.float32)
        begun = self._frames.shape[1] > 0
        if frames.ndim != 2 or (begun and len(frames) != self._frames.shape[1]):
            raise StreamError(
                f"frames of shape {frames.shape} do not continue this stream: (C, T) with one C is needed"
            )
        self._frames = np.concatenate([self._frames, frames[None]], axis=2) if begun else frames[None].copy()
        return self._make(self._first + self._frames.shape[2] - self._field.right)

    def finish(self) -> np.ndarray:
        """(N,): the remaining samples, at the end of the input."""
        return self._make(self._first + self._frames.shape[2])

    def _make(self, until: int) -> np.ndarray:
        if until <= self._made:
            return np.zeros(0, np.float32)
        if self._phase is None:
            self._phase = float(beginning(self._frames, self._audio)[0]) if self._excited else 0.0
        self._phase = self._forget(self._made - self._field.left, self._phase)
        origin = np.array([self._phase % 1.0, self._first * self._hop])
        start, end = (self._hop * (place - self._first) for place in (self._made, until))
        self._made = until
        return self._synthesise(self._frames, origin)[start:end]

    def _forget(self, until: int, phase: float) -> float:
        """Drop the frames before ``until``; returns the phase advanced from frame centre to frame centre."""
        gone = max(0, until - self._first)
        if self._excited:
            rates = [cycles(self._frames, frame, self._audio) for frame in range(gone + 1)]
            phase += self._hop * (sum(rates) - (rates[0] + rates[-1]) / 2)
        self._frames, self._first = self._frames[:, :, gone:], self._first + gone
        return phase


def beginning(content: np.ndarray, audio: AudioConfig) -> np.ndarray:
    """The origin of a stream's start: (1, C, T) -> (2,), the phase at the first frame's centre and 0 samples."""
    return np.array([cycles(content, 0, audio) * (audio.hop_length // 2), 0.0])


def cycles(content: np.ndarray, frame: int, audio: AudioConfig) -> float:
    """Cycles per sample of a frame's F0, computed as the generator does."""
    return float(np.exp(np.float64(content[0, PITCH_CHANNEL, frame]) * PITCH_SCALE + PITCH_CENTRE)) / audio.sample_rate


def streamed(stream: Stream, pieces: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Pieces (C, T) -> samples (n,) after each, and the remaining ones at the end."""
    for piece in pieces:
        yield stream.feed(piece)
    yield stream.finish()


class MelStream:
    """Samples in blocks of any length -> the frames of ``LogMel``, as soon as their window is complete."""

    def __init__(self, audio: AudioConfig) -> None:
        self._mel, self._begun = LogMelFrames(audio), False
        self._hop, self._size, self._pad = self._mel.hop, self._mel.size, self._mel.pad
        self._samples = np.zeros(0)

    def feed(self, wav: np.ndarray) -> np.ndarray:
        """(N,) -> (M, T): the frames with complete windows."""
        self._samples = np.concatenate([self._samples, wav])
        if not self._begun:
            if len(self._samples) <= self._pad:
                return self._frames(0)
            self._samples = np.concatenate([self._samples[self._pad : 0 : -1], self._samples])
            self._begun = True
        return self._frames(max(0, (len(self._samples) - self._size) // self._hop + 1))

    def finish(self) -> np.ndarray:
        """(M, T): the last frames, of the recording zero-padded to whole frames. StreamError when it is too short."""
        before = self._pad if self._begun else 0
        made = self.feed(np.zeros(-(len(self._samples) - before) % self._hop))
        if not self._begun:
            raise StreamError(f"the recording is too short for a spectrum: more than {self._pad} samples are needed")
        self._samples = np.pad(self._samples, (0, self._pad), mode="reflect")
        return np.concatenate([made, self._frames((len(self._samples) - self._size) // self._hop + 1)], axis=1)

    def _frames(self, count: int) -> np.ndarray:
        made, self._samples = self._mel(self._samples, count), self._samples[count * self._hop :]
        return made


def check_stream_target(target: str | Path, recordings: Iterable[str | Path] = ()) -> None:
    """Raise StreamError for a target that is an input or cannot be written, before a vocoder is loaded."""
    if str(target) == STDOUT:
        return
    if problem := target_problem(Path(target)):
        raise StreamError(problem)
    if Path(target).resolve() in (Path(path).resolve() for path in recordings):
        raise StreamError(f"{target} is also an input: name another file for the output")


def stream_file(
    vocoder: "BaseVocoder",
    source: str | Path,
    target: str | Path,
    seconds: float,
    voice: Voice = MEAN_VOICE,
    progress: Progress = silent,
    note: Callable[[str], None] = lambda text: None,
) -> dict[str, float]:
    """Synthesise a recording, a log-mel (M, T) in an .npy file, or raw samples from stdin ("-"), piece by piece.

    ``seconds`` is the length of a block; ``note`` is called with what is repaired in the recording. Returns seconds
    written, seconds of computation per second of output, seconds of computation before the first output and
    milliseconds of look-ahead. Raises StreamError for a vocoder with content features that need the whole recording,
    AudioError for a recording that cannot be read.
    """
    if vocoder.converts:
        raise StreamError(f"{vocoder.name} analyses whole clauses: use `thesis clone - -`, which goes clause by clause")
    rate, hop = vocoder.sample_rate, vocoder.audio.hop_length
    written, first, busy, taken = 0, 0.0, 0.0, time.perf_counter()

    def awaited() -> Iterator[np.ndarray]:
        """Yield the pieces and measure the computing time between them."""
        nonlocal busy, taken
        for piece in _pieces(source, vocoder.audio, seconds, progress, note):
            taken = time.perf_counter()
            yield piece
            busy += time.perf_counter() - taken

    with sink(target, rate) as write:
        for wav in vocoder.stream(awaited(), voice):
            if len(wav) and not written:
                first = busy + time.perf_counter() - taken
            write(wav)
            written += len(wav)
    return {
        "seconds": written / rate,
        "work_a_second": busy / max(written / rate, 1e-9),
        "work_to_the_first": first,
        "look_ahead_ms": 1000 * vocoder.receptive_field.right * hop / rate,
    }


def _pieces(
    source: str | Path, audio: AudioConfig, seconds: float, progress: Progress, note: Callable[[str], None]
) -> Iterator[np.ndarray]:
    """The log-mel of the source in pieces (M, T)."""
    rate = audio.sample_rate
    if Path(source).suffix.lower() == ".npy":
        whole, size = _read_mel(Path(source), audio), max(1, round(seconds * rate / audio.hop_length))
        places = range(0, whole.shape[1], size)
        for start in progress(places, len(places), "stream"):
            yield whole[:, start : start + size]
        return
    mel = MelStream(audio)
    if str(source) == STDIN:
        own_rate, arriving = stream_blocks(sys.stdin.buffer, rate, seconds, note)
        scaled = (block / 32768 if block.dtype.kind == "i" else block for block in arriving)
        blocks: Iterator[np.ndarray] = resampled(scaled, own_rate, rate)
    else:
        surveyed = survey(source)
        own_rate = surveyed.rate
        for text in surveyed.notes(source):
            note(text)
        read = progress(read_blocks(source, seconds), math.ceil(surveyed.seconds / seconds), "stream")
        blocks = resampled(read, own_rate, rate)
    for block in blocks:
        yield mel.feed(block)
    yield mel.finish()


def _read_mel(path: Path, audio: AudioConfig) -> np.ndarray:
    try:
        mel = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise StreamError(f"{path}: not a NumPy array ({error}); write one with numpy.save") from error
    if mel.ndim != 2 or len(mel) != audio.n_mels or mel.dtype.kind != "f" or not np.isfinite(mel).all():
        raise StreamError(f"{path}: a log-mel ({audio.n_mels}, T) of finite numbers is needed, not {mel.shape}")
    return mel
