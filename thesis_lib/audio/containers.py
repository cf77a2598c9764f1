"""Open an audio or video file with FFmpeg's libraries (PyAV): its packets, and the samples of a frame.

Shapes: n samples, C channels.
"""

import io
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from thesis_lib.audio.errors import AudioError

if TYPE_CHECKING:
    import av


class _File(io.FileIO):
    """A file in which FFmpeg may seek to any place: where there is none, it learns so without an exception."""

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """The new place; -1 where the file has no such place, as in a damaged one."""
        try:
            return super().seek(offset, whence)
        except (OSError, OverflowError):
            return -1


def check_file(path: Path) -> None:
    """Raise AudioError for a path that is missing, a folder, a pipe or device, or an empty file."""
    if path.is_dir():
        raise AudioError("is a folder", path, "name one audio file")
    if not path.exists():
        raise AudioError("missing file", path, "check the path")
    if not path.is_file():
        remedy = "it cannot be read twice: name - to read standard input, or save it to a file"
        raise AudioError("is a pipe or a device", path, remedy)
    if path.stat().st_size == 0:
        raise AudioError("zero length", path, "the file is empty: fetch or record it again")


@contextmanager
def open_container(path: Path) -> Iterator["av.container.InputContainer"]:
    """Open a file with FFmpeg. Raises AudioError as ``check_file``, and where FFmpeg does not know the format."""
    import av

    check_file(path)
    with _File(path) as stream:  # a stream, because a name need not be UTF-8
        try:
            container = av.open(stream, "r", metadata_errors="replace")
        except (av.error.FFmpegError, OSError, ValueError, IndexError) as error:
            raise undecodable(path, error) from error
        with container:
            yield container


def packets_of(
    container: "av.container.InputContainer", streams: "Sequence[av.stream.Stream]", path: object
) -> Iterator["av.Packet"]:
    """The packets of some tracks in their order. Raises AudioError where FFmpeg cannot go on."""
    import av

    try:
        yield from container.demux(list(streams))
    except IndexError:  # PyAV's after the last packet, of a track that began after the file was opened
        return
    except (av.error.FFmpegError, OSError, ValueError) as error:
        reason = f"FFmpeg stops inside it ({message_of(error)}): convert it to WAV or MP4"
        raise AudioError("undecodable", path, reason) from error


def frame_samples(frame: "av.AudioFrame") -> np.ndarray:
    """(n, C) float32; integers are scaled so that their full scale is 1."""
    wav: np.ndarray = frame.to_ndarray()
    channels = len(frame.layout.channels)
    wav = wav.T if frame.format.is_planar else wav.reshape(-1, channels)
    if wav.dtype == np.uint8:
        return (wav.astype(np.float32) - 128) / 128
    scale = -float(np.iinfo(wav.dtype).min) if wav.dtype.kind == "i" else 1.0
    return (wav / scale).astype(np.float32)


def undecodable(path: Path, error: Exception) -> AudioError:
    """The error of a file that no library can open."""
    return AudioError("undecodable", path, f"not an audio or video file, or damaged ({message_of(error)})")


def message_of(error: Exception) -> str:
    """The message of an error of a library or of the system, without its prefix and full stop."""
    text = getattr(error, "strerror", None) or str(error)
    return text.rstrip(".").split(": ")[-1] or "unknown error"
