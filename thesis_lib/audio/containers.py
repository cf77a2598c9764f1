"""Open an audio or video file with FFmpeg's libraries (PyAV), and choose its audio track."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

from thesis_lib.audio.errors import AudioError

if TYPE_CHECKING:
    import av

SPANISH_TAGS = ("spa", "es")  # ISO 639-2 and 639-1; a region may follow, as in es-MX


def check_file(path: Path) -> None:
    """Raise AudioError for a path that is missing, a folder, or an empty file."""
    if path.is_dir():
        raise AudioError("is a folder", path, "name one audio file")
    if not path.exists():
        raise AudioError("missing file", path, "check the path")
    if path.stat().st_size == 0:
        raise AudioError("zero length", path, "the file is empty: fetch or record it again")


@contextmanager
def open_container(path: Path) -> Iterator["av.container.InputContainer"]:
    """Open a file with FFmpeg. Raises AudioError as ``check_file``, and where FFmpeg does not know the format."""
    import av

    check_file(path)
    with open(path, "rb") as stream:  # a stream, because a name need not be UTF-8
        try:
            container = av.open(stream, "r", metadata_errors="replace")
        except (av.error.FFmpegError, ValueError, IndexError) as error:
            raise undecodable(path, error) from error
        with container:
            yield container


def packets_of(
    container: "av.container.InputContainer", streams: "Sequence[av.stream.Stream]", path: Path
) -> Iterator["av.Packet"]:
    """The packets of some tracks in their order. Raises AudioError where FFmpeg cannot go on."""
    import av

    try:
        yield from container.demux(list(streams))
    except av.error.FFmpegError as error:
        reason = f"FFmpeg stops inside it ({error.strerror}): convert it to WAV or MP4"
        raise AudioError("undecodable", path, reason) from error


def audio_track(container: "av.container.InputContainer", path: object) -> "av.AudioStream":
    """The audio track that FFmpeg takes for the main one; where that is not in Spanish, the first that is.

    Raises AudioError where there is none.
    """
    best = cast("av.AudioStream | None", container.streams.best("audio"))
    if best is None or not best.rate:
        raise AudioError("no audio", path, "the file has no audio track: name a recording with sound")
    return next((track for track in (best, *container.streams.audio) if track.rate and _is_spanish(track)), best)


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
    reason = str(error).rstrip(".").split(": ")[-1] or "unknown error"
    return AudioError("undecodable", path, f"not an audio or video file, or damaged ({reason})")
