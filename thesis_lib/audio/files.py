"""Read, check, resample and write audio files and raw samples.

Shapes: N samples.
Samples are float32 in [-1, 1]; files are 16-bit unless their format is a compressed one.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import soundfile
import soxr

from thesis_lib.utils.errors import ThesisError
from thesis_lib.utils.files import replacing

MIN_PEAK = 1e-4  # -80 dBFS; a recording below it counts as silence
MAX_CLIPPED_SHARE = 0.01  # of the samples at full scale; a recording above it counts as clipped
MIN_DURATION_S, MAX_DURATION_S = 0.1, 4 * 3600.0
SILENCE = MIN_PEAK  # the earlier name
BLOCK_S = 30.0  # length that is read at a time
STDOUT = "-"
SUFFIXES = (".wav", ".flac", ".mp3", ".ogg", ".opus")  # of files that are read and written
MP3_TOLERANCE_S = 0.2  # by which an MP3 may be shorter than its estimated length


class AudioError(ThesisError):
    """A recording that cannot be used. ``reason`` is a short key for reject tables."""

    def __init__(self, reason: str, path: object, remedy: str) -> None:
        self.reason = reason
        super().__init__(f"{path}: {reason}; {remedy}")


def read_audio(path: str | Path, sample_rate: int | None = None) -> tuple[np.ndarray, int]:
    """Read a file: mono float32 samples (N,) and their rate; resampled when ``sample_rate`` (Hz) is given.

    Any format, rate and channel count that libsndfile reads. Channels are averaged.
    Raises AudioError: missing file, folder, zero length, undecodable, truncated.
    """
    rate, _ = header(path)
    mono = np.concatenate(list(read_blocks(path)))
    if sample_rate is not None:
        mono, rate = resample(mono, rate, sample_rate), sample_rate
    return mono, rate


def header(path: str | Path) -> tuple[int, float]:
    """Rate in Hz and duration in seconds, as the file declares them. AudioError as ``read_audio``, except truncated."""
    with _opened(Path(path)) as stream:
        return stream.samplerate, stream.frames / stream.samplerate


def read_blocks(path: str | Path, seconds: float = BLOCK_S) -> Iterator[np.ndarray]:
    """Read a file in mono blocks (n,) at its own rate, so that memory does not grow with its length.

    Raises what ``read_audio`` raises; a truncated file only at its end.
    """
    path = Path(path)
    with _opened(path) as stream:
        size, read = int(seconds * stream.samplerate), 0
        while len(block := stream.read(size, dtype="float32", always_2d=True)):
            read += len(block)
            yield block.mean(axis=1) if stream.channels > 1 else block[:, 0]
        # The length of an MP3 of constant rate is an estimate from the file's size.
        tolerance = int(MP3_TOLERANCE_S * stream.samplerate) if stream.format == "MP3" else 0
        if read < stream.frames - tolerance or _riff_is_cut(path):
            raise AudioError("truncated", path, "the file ends before its header says: fetch it again")
        if not read:
            raise AudioError("zero length", path, "the file holds no samples")


@contextmanager
def _opened(path: Path) -> Iterator[soundfile.SoundFile]:
    if path.is_dir():
        raise AudioError("is a folder", path, "name one audio file")
    if not path.exists():
        raise AudioError("missing file", path, "check the path")
    if path.stat().st_size == 0:
        raise AudioError("zero length", path, "the file is empty: fetch or record it again")
    try:
        with soundfile.SoundFile(path) as stream:
            if stream.frames > MAX_DURATION_S * stream.samplerate:
                # Also a wrong header: memory would be allocated before the first sample is read.
                hours = stream.frames / stream.samplerate / 3600
                raise AudioError("too long", path, f"it declares {hours:.0f} hours: split it")
            yield stream
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise AudioError(
            "undecodable", path, f"not WAV, FLAC, MP3 or OGG audio, or damaged ({_short(error)})"
        ) from error


def _short(error: Exception) -> str:
    return str(error).rstrip(".").split(": ")[-1]


def _riff_is_cut(path: Path) -> bool:
    """Whether a WAV file is shorter than its RIFF size: libsndfile reads such a file without an error."""
    with open(path, "rb") as stream:
        head = stream.read(8)
    declared = int.from_bytes(head[4:8], "little")
    # Streaming writers leave 0 or 0xFFFFFFFF there.
    return head[:4] == b"RIFF" and 0 < declared < 0xFFFFFFFF and declared + 8 > path.stat().st_size + 1


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
    if np.mean(np.abs(wav) >= 0.999) > MAX_CLIPPED_SHARE:
        raise AudioError("clipping", path, "over 1 % of the samples are at full scale: record at a lower level")


def resample(wav: np.ndarray, source: int, target: int, quality: str = "VHQ") -> np.ndarray:
    """Resample (N,) from ``source`` Hz to ``target`` Hz, float32, by soxr; equal rates change nothing.

    ``quality``: "VHQ" is exact to 28 bits; "HQ" is exact to 20 bits and takes two thirds of the time.
    """
    if source == target:
        return np.asarray(wav, np.float32)
    return soxr.resample(wav, source, target, quality=quality).astype(np.float32, copy=False)


def write_audio(path: str | Path, wav: np.ndarray, sample_rate: int, **options: Any) -> None:
    """Write (N,) or (N, channels) atomically; the suffix sets the format (.wav is 16-bit). Clips at full scale."""
    with writing(path, sample_rate, np.shape(wav)[1:], **options) as write:
        write(wav)


@contextmanager
def writing(
    path: str | Path, sample_rate: int, channels: tuple[int, ...] = (), comment: str = "", **options: Any
) -> Iterator[Callable[[np.ndarray], None]]:
    """Open a file for writing: yields a function that appends samples (n,).

    The file replaces an earlier one when the block ends without an error. ``comment`` goes into its metadata.
    """
    path = Path(path)
    formats = {".opus": {"format": "OGG", "subtype": "OPUS"}, ".wav": {"subtype": "PCM_16"}}
    options = formats.get(path.suffix, {}) | options
    shape = channels or (1,)
    with replacing(path) as partial, soundfile.SoundFile(partial, "w", sample_rate, *shape, **options) as stream:
        if comment:
            stream.comment = comment

        def write(wav: np.ndarray) -> None:
            # 32767 / 32768: +1.0 times 32768 would wrap or clip audibly.
            bounded = np.clip(np.asarray(wav, np.float32), -1, 32767 / 32768)
            # The same rounding as libsndfile's own, in half the time.
            stream.write(np.rint(bounded * 32768).astype(np.int16) if stream.subtype == "PCM_16" else bounded)

        yield write


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


def whole_frames(wav: np.ndarray, hop_length: int) -> np.ndarray:
    """Zero-pad (N,) at the end to a whole number of hops, so that N = T * hop_length."""
    return np.pad(wav, (0, -len(wav) % hop_length))
