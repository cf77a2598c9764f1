"""Exact streaming: log-mel frames from samples as they come, and sound from frames as they come.

A generator hears a few frames behind and ahead of what it makes. Each piece is made with as many of them around it,
which are then cut off: what comes out is what the whole would have given, and memory holds one piece.

In NumPy alone, for vocoders of torch and of ONNX Runtime. Shapes: N samples, M mel bands, C content channels, T frames.
"""

import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import soxr

from thesis_lib.audio.files import header, raw_blocks, read_blocks, sink
from thesis_lib.audio.pitch import PITCH_CENTRE, PITCH_CHANNEL, PITCH_SCALE
from thesis_lib.config import AudioConfig, EncoderConfig
from thesis_lib.utils.errors import ThesisError
from thesis_lib.utils.progress import Progress, silent
from thesis_lib.vocoder.voice import MEAN_VOICE, Voice

if TYPE_CHECKING:
    from thesis_lib.vocoder.description import VocoderDescription

STDIN = "-"

Synthesise = Callable[[np.ndarray, np.ndarray], np.ndarray]  # content (1, C, T), origin (2,) -> (N,)


class StreamError(ThesisError):
    """A vocoder that cannot stream what it was asked to, or frames that do not fit it."""


@dataclass(frozen=True)
class ReceptiveField:
    """Input frames that one frame of output samples depends on."""

    left: int  # frames of context before it
    right: int  # frames after it: the look-ahead


class Streaming(Protocol):
    """A vocoder of torch or of ONNX Runtime."""

    name: str
    audio: AudioConfig
    description: "VocoderDescription"

    @property
    def receptive_field(self) -> ReceptiveField:
        """Its look-behind and look-ahead."""

    @property
    def sample_rate(self) -> int:
        """Hz"""

    @property
    def converts(self) -> bool:
        """Whether its content is more than a mel."""

    @property
    def encoders(self) -> EncoderConfig:
        """The settings that load the encoders that it was trained with."""

    def stream(
        self, pieces: Iterable[np.ndarray], voice: Voice = MEAN_VOICE, guidance: float = 1.0
    ) -> Iterator[np.ndarray]:
        """Content (C, T) in pieces -> sound (n,)."""


class Stream:
    """Content in, in pieces of any length; the same sound out as of the whole, as early as it is certain."""

    def __init__(
        self, synthesise: Synthesise, receptive_field: ReceptiveField, audio: AudioConfig, excited: bool
    ) -> None:
        """``excited``: a generator with a harmonic excitation, whose phase goes on from piece to piece."""
        self._synthesise, self._field, self._excited = synthesise, receptive_field, excited
        self._audio, self._hop = audio, audio.hop_length
        self._frames = np.zeros((1, 0, 0), np.float32)  # (1, C, T) from frame ``_first`` on; C is the first piece's
        self._first = self._made = 0  # frames: before the kept ones, and sound that has been given out
        self._phase: float | None = None  # cycles, at the first kept frame's centre

    def feed(self, frames: np.ndarray) -> np.ndarray:
        """(C, T) -> (N,): what these frames have made certain, ``receptive_field.right`` frames behind them."""
        frames = np.asarray(frames, np.float32)
        begun = self._frames.shape[1] > 0
        if frames.ndim != 2 or (begun and len(frames) != self._frames.shape[1]):
            raise StreamError(f"frames of shape {frames.shape} do not go on with this stream: (C, T) is needed")
        self._frames = np.concatenate([self._frames, frames[None]], axis=2) if begun else frames[None].copy()
        return self._make(self._first + self._frames.shape[2] - self._field.right)

    def finish(self) -> np.ndarray:
        """(N,): what is left, with nothing after it."""
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
        """Frames before ``until`` -> the phase, moved on from centre to centre."""
        gone = max(0, until - self._first)
        if self._excited:
            rates = [cycles(self._frames, frame, self._audio) for frame in range(gone + 1)]
            phase += self._hop * (sum(rates) - (rates[0] + rates[-1]) / 2)
        self._frames, self._first = self._frames[:, :, gone:], self._first + gone
        return phase


def beginning(content: np.ndarray, audio: AudioConfig) -> np.ndarray:
    """(1, C, T) -> the origin (2,) of content with nothing before it."""
    return np.array([cycles(content, 0, audio) * (audio.hop_length // 2), 0.0])


def cycles(content: np.ndarray, frame: int, audio: AudioConfig) -> float:
    """Of a frame's F0, a sample: as the generator computes them."""
    return float(np.exp(np.float64(content[0, PITCH_CHANNEL, frame]) * PITCH_SCALE + PITCH_CENTRE)) / audio.sample_rate


def streamed(stream: Stream, pieces: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Pieces (C, T) -> the sound (n,) that each has made certain, and the rest at the end."""
    for piece in pieces:
        yield stream.feed(piece)
    yield stream.finish()


class MelStream:
    """Samples in, in pieces of any length; the frames of ``LogMel`` out, as early as they are certain."""

    def __init__(self, audio: AudioConfig) -> None:
        import librosa

        self._hop, self._size = audio.hop_length, audio.n_fft
        self._pad = (audio.n_fft - audio.hop_length) // 2
        periodic = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(audio.win_length) / audio.win_length)
        self._window = librosa.util.pad_center(periodic, size=audio.n_fft)
        self._filters = librosa.filters.mel(
            sr=audio.sample_rate, n_fft=audio.n_fft, n_mels=audio.n_mels, fmin=audio.fmin, fmax=audio.fmax
        )
        self._floor, self._begun = audio.FLOOR, False
        self._samples = np.zeros(0)

    def feed(self, wav: np.ndarray) -> np.ndarray:
        """(N,) -> (M, T)"""
        self._samples = np.concatenate([self._samples, wav])
        if not self._begun:
            if len(self._samples) <= self._pad:
                return self._frames(0)
            self._samples = np.concatenate([self._samples[self._pad : 0 : -1], self._samples])
            self._begun = True
        return self._frames(max(0, (len(self._samples) - self._size) // self._hop + 1))

    def finish(self) -> np.ndarray:
        """(M, T): the last ones, of a recording that is zero-padded to whole frames."""
        before = self._pad if self._begun else 0
        made = self.feed(np.zeros(-(len(self._samples) - before) % self._hop))
        if not self._begun:
            raise StreamError(f"the recording is too short for a spectrum: more than {self._pad} samples are needed")
        self._samples = np.pad(self._samples, (0, self._pad), mode="reflect")
        return np.concatenate([made, self._frames((len(self._samples) - self._size) // self._hop + 1)], axis=1)

    def _frames(self, count: int) -> np.ndarray:
        if not count:
            return np.zeros((len(self._filters), 0), np.float32)
        windows = np.lib.stride_tricks.sliding_window_view(self._samples, self._size)[:: self._hop][:count]
        magnitude = np.sqrt(np.abs(np.fft.rfft(windows * self._window)) ** 2 + 1e-9)
        self._samples = self._samples[count * self._hop :]
        return np.log(np.maximum(self._filters @ magnitude.T, self._floor)).astype(np.float32)


def stream_file(
    vocoder: Streaming,
    source: str | Path,
    target: str | Path,
    seconds: float,
    voice: Voice = MEAN_VOICE,
    progress: Progress = silent,
) -> dict[str, float]:
    """A recording, a log-mel (M, T) in an .npy file, or raw samples from stdin ("-") -> ``target``, piece by piece.

    Returns seconds written, seconds of work for a second, seconds of work before the first sound and milliseconds of
    look-ahead. Raises StreamError for a vocoder whose content no stream can be analysed for, AudioError for a
    recording that cannot be read.
    """
    if vocoder.converts:
        raise StreamError(f"{vocoder.name} hears words, which need the whole: `thesis clone - -` goes clause by clause")
    rate, hop = vocoder.sample_rate, vocoder.audio.hop_length
    written, first, busy, taken = 0, 0.0, 0.0, time.perf_counter()

    def awaited() -> Iterator[np.ndarray]:
        """The pieces, and how long the work between them took."""
        nonlocal busy, taken
        for piece in _pieces(source, vocoder.audio, seconds, progress):
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


def _pieces(source: str | Path, audio: AudioConfig, seconds: float, progress: Progress) -> Iterator[np.ndarray]:
    """(M, T) each."""
    rate = audio.sample_rate
    if Path(source).suffix == ".npy":
        whole, size = _read_mel(Path(source), audio), max(1, round(seconds * rate / audio.hop_length))
        places = range(0, whole.shape[1], size)
        for start in progress(places, len(places), "stream"):
            yield whole[:, start : start + size]
        return
    mel = MelStream(audio)
    if str(source) == STDIN:
        blocks: Iterator[np.ndarray] = (block / 32768 for block in raw_blocks(sys.stdin.buffer, rate, seconds))
    else:
        own_rate, duration = header(source)
        read = progress(read_blocks(source, seconds), math.ceil(duration / seconds), "stream")
        blocks = _resampled(read, own_rate, rate)
    for block in blocks:
        yield mel.feed(block)
    yield mel.finish()


def _resampled(blocks: Iterable[np.ndarray], source: int, target: int) -> Iterator[np.ndarray]:
    """Without seams."""
    if source == target:
        yield from blocks
        return
    stream = soxr.ResampleStream(source, target, 1, dtype="float32", quality="VHQ")
    for block in blocks:
        yield stream.resample_chunk(np.ascontiguousarray(block, np.float32))
    yield stream.resample_chunk(np.zeros(0, np.float32), last=True)


def _read_mel(path: Path, audio: AudioConfig) -> np.ndarray:
    try:
        mel = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise StreamError(f"{path}: no array of NumPy ({error})") from error
    if mel.ndim != 2 or len(mel) != audio.n_mels or mel.dtype.kind != "f" or not np.isfinite(mel).all():
        raise StreamError(f"{path}: a log-mel ({audio.n_mels}, T) of finite numbers is needed, not {mel.shape}")
    return mel
