"""Read, check, resample and write audio files and raw samples; read the audio of video files.

Shapes: N samples.
Samples are float32 in [-1, 1]; files are 16-bit unless their format is a compressed one.
"""

import functools
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import soundfile
import soxr

from thesis_lib.audio.containers import message_of
from thesis_lib.audio.decoding import StoredAudio, decoded, inspect_file
from thesis_lib.audio.errors import AudioError
from thesis_lib.audio.gaps import Gaps
from thesis_lib.audio.repair import FULL_SCALE, MAX_CLIPPED_SHARE, Repair, SampleStatistics
from thesis_lib.utils.files import replacing

MIN_PEAK = 1e-4  # -80 dBFS; a recording below it counts as silence
MIN_DURATION_S, MAX_DURATION_S = 0.1, 4 * 3600.0
SILENCE = MIN_PEAK  # the earlier name
BLOCK_S = 30.0  # length that is read at a time
STDOUT = "-"
OPUS_RATES = (8_000, 12_000, 16_000, 24_000, 48_000)  # Hz
WRITTEN_SAMPLES = 65_536  # at a time
SUFFIXES = (".wav", ".flac", ".mp3", ".ogg", ".opus")  # of files that are written; decoding.READ_SUFFIXES are read


@dataclass(frozen=True)
class Survey:
    """A recording after one pass through all its samples."""

    rate: int  # Hz
    seconds: float  # decoded
    repair: Repair
    found: tuple[str, ...] = ()  # which track is read, what is not read, and what gaps it has

    @property
    def remarks(self) -> tuple[str, ...]:
        """What was chosen, filled, repaired and not read."""
        return (*self.found, *self.repair.notes)

    def notes(self, path: object) -> list[str]:
        """The remarks with the name of the recording."""
        return [f"{path}: {remark}" for remark in self.remarks]


def read_audio(path: str | Path, sample_rate: int | None = None) -> tuple[np.ndarray, int]:
    """Read a file: mono float32 samples (N,) and their rate; resampled when ``sample_rate`` (Hz) is given.

    Any format, rate and channel count that libsndfile or FFmpeg reads, of a video its audio. Channels are averaged;
    inverted channels, an offset and floating-point samples above 1 are repaired (``audio.repair``).
    Raises AudioError: missing file, folder, zero length, undecodable, no audio, truncated, too long.
    """
    wav, found = read_surveyed(path)
    return (wav, found.rate) if sample_rate is None else (resample(wav, found.rate, sample_rate), sample_rate)


def read_surveyed(path: str | Path) -> tuple[np.ndarray, Survey]:
    """As ``read_audio`` at the file's own rate, with the survey of the file."""
    path, statistics, gaps = Path(path), SampleStatistics(), Gaps()
    stored = _stored(path)
    blocks = [statistics.add(block) for block in _decoded(path, stored, BLOCK_S, gaps)]
    found = _surveyed(stored, statistics, gaps)
    return np.concatenate(list(found.repair.blocks(blocks))), found


def header(path: str | Path) -> tuple[int, float]:
    """Rate in Hz and duration in seconds, counted from the file's packets, or decoded where they do not say.

    Raises AudioError as ``read_audio``, but not truncated where the packets say the duration.
    """
    stored = _stored(Path(path))
    return stored.rate, stored.samples / stored.rate if stored.samples is not None else survey(path).seconds


def survey(path: str | Path) -> Survey:
    """Decode a file to its end: its rate, its duration, and what is to be repaired. AudioError as ``read_audio``."""
    path = Path(path)
    stored, state = _stored(path), path.stat()
    return _survey(path, stored, (state.st_mtime_ns, state.st_size))


@functools.lru_cache(maxsize=64)
def _survey(path: Path, stored: StoredAudio, state: tuple[int, int]) -> Survey:
    statistics, gaps = SampleStatistics(), Gaps()
    for block in _decoded(path, stored, BLOCK_S, gaps):
        statistics.add(block)
    return _surveyed(stored, statistics, gaps)


def _surveyed(stored: StoredAudio, statistics: SampleStatistics, gaps: Gaps) -> Survey:
    repair = statistics.repair(stored.is_float)
    return Survey(stored.rate, statistics.count / stored.rate, repair, (*stored.notes, *gaps.notes))


def read_blocks(path: str | Path, seconds: float = BLOCK_S) -> Iterator[np.ndarray]:
    """Read a file in mono blocks (n,) at its own rate, so that memory does not grow with its length.

    The file is read twice: the first time for ``survey``. Raises what ``read_audio`` raises, before the first block.
    """
    path = Path(path)
    repair = survey(path).repair
    yield from repair.blocks(decoded(path, _stored(path), seconds))


def _decoded(path: Path, stored: StoredAudio, seconds: float, gaps: Gaps | None = None) -> Iterator[np.ndarray]:
    count = 0
    for block in decoded(path, stored, seconds, gaps):
        count += len(block)
        _check_duration(path, count, stored.rate)
        yield block


def _stored(path: Path) -> StoredAudio:
    if not path.is_file():
        return inspect_file(path)
    state = path.stat()
    stored = _inspected(path, (state.st_mtime_ns, state.st_size))
    # Also a wrong header: memory would be allocated before the first sample is read.
    _check_duration(path, stored.samples or 0, stored.rate)
    return stored


@functools.lru_cache(maxsize=64)
def _inspected(path: Path, state: tuple[int, int]) -> StoredAudio:
    return inspect_file(path)


def _check_duration(path: Path, samples: int, rate: int) -> None:
    if samples > MAX_DURATION_S * rate:
        raise AudioError("too long", path, f"it has {samples / rate / 3600:.0f} hours: split it")


def as_samples(wav: np.ndarray, path: object) -> np.ndarray:
    """Convert an array of mono samples to (N,) float32; integers are scaled so that their full scale is 1.

    Raises AudioError for several channels and for an array without numbers.
    """
    wav = np.asarray(wav)
    if wav.dtype.kind not in "fiu":
        raise AudioError("not audio", path, f"an array of numbers is needed, not of {wav.dtype}")
    if wav.ndim != 1:
        raise AudioError("not mono", path, f"the shape is {wav.shape}, (N,) is needed: average the channels")
    full_scale = np.iinfo(wav.dtype).max if wav.dtype.kind in "iu" else 1
    return np.ascontiguousarray(wav / full_scale, np.float32)


def check_audible(wav: np.ndarray, sample_rate: int, path: object) -> None:
    """Raise AudioError for audio without usable samples: no sample rate, NaN, too short, silent."""
    if not sample_rate > 0:
        raise AudioError("no sample rate", path, f"{sample_rate} Hz is given: give the rate in Hz")
    if not np.isfinite(wav).all():
        raise AudioError("not finite", path, "the samples hold NaN or infinity: export it again")
    if len(wav) < MIN_DURATION_S * sample_rate:
        raise AudioError("too short", path, f"at least {MIN_DURATION_S} s of speech is needed")
    if np.abs(wav).max() < MIN_PEAK:
        raise AudioError("silence", path, "no sample is louder than -80 dBFS: check the microphone")


def check_speech(wav: np.ndarray, sample_rate: int, path: object) -> None:
    """Raise AudioError for audio that no model should process: what ``check_audible`` refuses, and clipping."""
    check_audible(wav, sample_rate, path)
    if np.mean(np.abs(wav) >= FULL_SCALE) > MAX_CLIPPED_SHARE:
        raise AudioError("clipping", path, "over 1 % of the samples are at full scale: record at a lower level")


def resample(wav: np.ndarray, source: float, target: float, quality: str = "VHQ") -> np.ndarray:
    """Resample (N,) from ``source`` Hz to ``target`` Hz, float32, by soxr; equal rates change nothing.

    ``quality``: "VHQ" is exact to 28 bits; "HQ" is exact to 20 bits and takes two thirds of the time.
    """
    if source == target:
        return np.asarray(wav, np.float32)
    return soxr.resample(wav, source, target, quality=quality).astype(np.float32, copy=False)


def resampled(blocks: Iterable[np.ndarray], source: int, target: int) -> Iterator[np.ndarray]:
    """Resample blocks (n,) of one signal continuously, without discontinuities between them; VHQ, as ``resample``."""
    if source == target:
        yield from blocks
        return
    stream = soxr.ResampleStream(source, target, 1, dtype="float32", quality="VHQ")
    for block in blocks:
        yield stream.resample_chunk(np.ascontiguousarray(block, np.float32))
    yield stream.resample_chunk(np.zeros(0, np.float32), last=True)


def write_audio(path: str | Path, wav: np.ndarray, sample_rate: int, **options: Any) -> None:
    """Write (N,) or (N, channels) atomically; the suffix sets the format (.wav is 16-bit). Clips at full scale."""
    with writing(path, sample_rate, np.shape(wav)[1:], **options) as write:
        write(wav)


@contextmanager
def writing(
    path: str | Path, sample_rate: int, channels: tuple[int, ...] = (), comment: str = "", **options: Any
) -> Iterator[Callable[[np.ndarray], None]]:
    """Open a file for writing: yields a function that appends samples (n,).

    The file replaces an earlier one when the block ends without an error. ``comment`` goes into its metadata. Opus
    supports five rates; speech of another one is resampled to 48 kHz. Raises AudioError where the disk is full.
    """
    path = Path(path)
    formats = {".opus": {"format": "OGG", "subtype": "OPUS"}, ".wav": {"subtype": "PCM_16"}}
    options = formats.get(path.suffix.lower(), {}) | options
    resampler, (count, *_) = None, channels or (1,)
    if options.get("subtype") == "OPUS" and sample_rate not in OPUS_RATES:
        resampler = soxr.ResampleStream(sample_rate, max(OPUS_RATES), count, dtype="float32", quality="VHQ")
        sample_rate = max(OPUS_RATES)
    with (
        _named_errors(path),
        replacing(path) as partial,
        soundfile.SoundFile(os.fsencode(partial), "w", sample_rate, count, **_with_format(path, options)) as stream,
    ):
        if comment:
            stream.comment = comment

        def write(wav: np.ndarray, last: bool = False) -> None:
            wav = np.asarray(wav, np.float32)
            if resampler is not None:
                wav = resampler.resample_chunk(np.ascontiguousarray(wav), last=last)
            # 32767 / 32768: +1.0 times 32768 would wrap or clip audibly.
            bounded = np.clip(wav, -1, 32767 / 32768)
            # libsndfile's Vorbis encoder overflows the stack on a minute and a half at once.
            for start in range(0, len(bounded), WRITTEN_SAMPLES):
                part = bounded[start : start + WRITTEN_SAMPLES]
                # The same rounding as libsndfile's own, in half the time.
                stream.write(np.rint(part * 32768).astype(np.int16) if stream.subtype == "PCM_16" else part)

        yield write
        if resampler is not None:
            write(np.zeros((0, *channels), np.float32), last=True)


@contextmanager
def _named_errors(path: Path) -> Iterator[None]:
    """Name the file in an error of libsndfile's writer, which names none or the temporary file."""
    try:
        yield
    except soundfile.LibsndfileError as error:
        remedy = "free some space, or choose another folder or format"
        raise AudioError("cannot be written", path, f"libsndfile stops ({message_of(error)}): {remedy}") from error


def _with_format(path: Path, options: dict[str, Any]) -> dict[str, Any]:
    """The options with the format, which soundfile takes from the name only where that is text."""
    return {"format": path.suffix[1:].upper()} | options


def raw_blocks(stream: BinaryIO, sample_rate: int, seconds: float) -> Iterator[np.ndarray]:
    """Read raw 16-bit mono samples in int16 blocks (n,) until the stream ends; an odd byte at the end is dropped."""
    size = 2 * max(1, int(seconds * sample_rate))
    while data := stream.read(size):
        yield np.frombuffer(data[: len(data) // 2 * 2], "<i2")


@contextmanager
def sink(target: str | Path, sample_rate: int, comment: str = "") -> Iterator[Callable[[np.ndarray], None]]:
    """As ``writing``; for the target "-" raw 16-bit samples go to stdout at once."""
    if str(target) != STDOUT:
        with writing(target, sample_rate, comment=comment) as append:
            yield append
        return

    def write(wav: np.ndarray) -> None:
        sys.stdout.buffer.write((np.clip(wav, -1, 1) * 32767).astype("<i2").tobytes())
        sys.stdout.buffer.flush()

    yield write


def of_length(wav: np.ndarray, length: int) -> np.ndarray:
    """(N,) -> (length,): cut at the end, or padded there with zeros."""
    return np.pad(wav, (0, max(0, length - len(wav))))[:length]


def whole_frames(wav: np.ndarray, hop_length: int) -> np.ndarray:
    """Zero-pad (N,) at the end to a whole number of hops, so that N = T * hop_length."""
    return np.pad(wav, (0, -len(wav) % hop_length))
