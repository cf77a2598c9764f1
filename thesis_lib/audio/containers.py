"""Open an audio or video file with FFmpeg's libraries (PyAV), and choose its audio track."""

import io
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

from thesis_lib.audio.errors import AudioError

if TYPE_CHECKING:
    import av

SPANISH_TAGS = ("spa", "es")  # ISO 639-2 and 639-1; a region may follow, as in es-MX


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


def audio_track(container: "av.container.InputContainer", path: object) -> "av.AudioStream":
    """Of the audio tracks with a decoder, FFmpeg's main one; where that is not in Spanish, the first that is.

    Raises AudioError where there is none.
    """
    tracks = container.streams.audio
    decoded = [track for track in tracks if track.codec_context is not None and track.rate]
    if any(track.codec_context is None for track in tracks) and not decoded:
        reason = "there is no decoder for the codec of its audio: convert it to WAV or MP4"
        raise AudioError("undecodable", path, reason)
    if not decoded:
        raise AudioError("no audio", path, "the file has no audio track: name a recording with sound")
    best = cast("av.AudioStream | None", container.streams.best("audio"))
    main = best if best is not None and best in decoded else decoded[0]
    return next((track for track in (main, *decoded) if _is_spanish(track)), main)


def track_note(container: "av.container.InputContainer", track: "av.AudioStream") -> str:
    """Which of several audio tracks is read; empty where there is only one."""
    tracks = list(container.streams.audio)
    if len(tracks) == 1:
        return ""
    language = f" ({track.language})" if track.language else ""
    return f"of {len(tracks)} audio tracks, track {tracks.index(track) + 1}{language} is read"


def _is_spanish(track: "av.AudioStream") -> bool:
    return (track.language or "").lower().split("-")[0] in SPANISH_TAGS


def undecodable(path: Path, error: Exception) -> AudioError:
    """The error of a file that no library can open."""
    return AudioError("undecodable", path, f"not an audio or video file, or damaged ({message_of(error)})")


def message_of(error: Exception) -> str:
    """What a library or the system says of an error."""
    text = getattr(error, "strerror", None) or str(error)
    return text.rstrip(".").split(": ")[-1] or "unknown error"
