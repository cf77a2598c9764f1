"""Write a video again with other speech: its picture is copied, its audio track replaced, or another one added.

Packets of the picture are copied, not decoded. The tracks are written by their times, so memory does not grow with the
length of the video.
"""

import heapq
import io
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

import soundfile

from thesis_lib.audio.containers import message_of, open_container, packets_of
from thesis_lib.audio.errors import AudioError
from thesis_lib.audio.tracks import audio_track
from thesis_lib.audio.video_packets import Cue, copied, encoded, texts
from thesis_lib.audio.video_tracks import (
    CONTAINERS,
    copied_chapters,
    copied_metadata,
    declared_tracks,
    dropped_tracks,
    pictures_of,
)
from thesis_lib.utils.files import replacing

if TYPE_CHECKING:
    import av

VIDEO_SUFFIXES = tuple(CONTAINERS)
MICROSECONDS = 1_000_000  # of a second; FFmpeg's unit of a duration


def is_video(path: Path) -> bool:
    """Whether a file name is that of a video that can be written."""
    return path.suffix.lower() in CONTAINERS


@contextmanager
def speech_file(target: Path) -> Iterator[Path]:
    """Yield the file that speech is written to: the target, or beside a video a temporary WAV file."""
    if not is_video(target):
        yield target
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".partial-") as folder:
        yield Path(folder) / "speech.wav"


def check_video(source: Path, target: Path, add: bool = False) -> None:
    """Raise AudioError for a source without a picture or audio, and for a picture that the target cannot hold."""
    with open_container(source) as film:
        pictures = pictures_of(film, source)
        audio_track(film, source)
        if not any(packet.size for packet in packets_of(film, pictures, source)):
            raise AudioError("no picture", source, "its video track is empty: name an audio file as the target")
        with _output(io.BytesIO(), target) as made:
            declared_tracks(made, film, pictures, target, 22_050, (), add)


def speech_delay(source: Path) -> float:
    """Time in s at which the first sample of a video's audio is played, after the first picture or sample."""
    with open_container(source) as film:
        return _start(audio_track(film, source)) - _first(film, pictures_of(film, source), source)


def played_times(source: Path) -> tuple[float, float]:
    """``speech_delay``, and the time in s at which a player ends; 0 and 0 for a recording without a picture."""
    try:
        with open_container(source) as film:
            pictures_of(film, source)
            length = (film.duration or 0) / MICROSECONDS
        return speech_delay(source), length
    except AudioError:
        return 0.0, 0.0


def dropped_note(source: Path, target: Path, add: bool = False) -> str:
    """Which tracks of a video are not copied, except the one that the speech replaces; empty where there is none."""
    with open_container(source) as film:
        names = ", ".join(dropped_tracks(film, source, add))
    return f"{target}: not copied from {source}: {names}" if names else ""


def write_video(
    source: Path,
    speech: Path,
    target: Path,
    subtitles: Mapping[str, Sequence[Cue]],
    add: bool = False,
    comment: str = "",
) -> float:
    """Write the picture of ``source`` with ``speech`` atomically; return the time in s at which the picture ends.

    ``speech`` begins with the first sample of the source's audio, the cues of ``subtitles`` (language -> cues) with
    the picture. ``add`` keeps the source's audio tracks before the speech. Titles, languages and chapters are those of
    the source. Raises AudioError as ``check_video``, and for a picture that cannot be written.
    """
    delay, ends = speech_delay(source), [0.0]
    with (
        _named_errors(target),
        open_container(source) as film,
        soundfile.SoundFile(os.fsencode(speech)) as stream,
        replacing(target) as partial,
        open(partial, "wb") as file,
        _output(file, target) as made,
    ):
        made.metadata.update(copied_metadata(film, comment))
        pictures = pictures_of(film, source)
        first = _first(film, pictures, source)
        made.set_chapters(copied_chapters(film, first))
        tracks = declared_tracks(made, film, pictures, target, stream.samplerate, tuple(subtitles), add)
        merged = heapq.merge(
            copied(film, tracks.copied, first, ends, source),
            encoded(tracks.speech, stream, delay),
            *(texts(track, subtitles[language]) for language, track in tracks.subtitles.items()),
            key=lambda timed: timed[0],
        )
        for _, packet in merged:
            made.mux(packet)
    return max(ends)


@contextmanager
def _named_errors(target: Path) -> Iterator[None]:
    import av

    full = "the disk may be full: free some space or choose another folder"
    try:
        yield
    except av.error.PyAVCallbackError as error:  # of the system, which refuses to write the end of the file
        raise AudioError("cannot be written", target, full) from error
    except av.error.FFmpegError as error:
        remedy = "convert the source to MP4 first, or name a .mkv file as the target"
        raise AudioError("cannot be written", target, f"FFmpeg stops ({error.strerror}): {remedy}") from error
    except OSError as error:
        if error.filename is not None:
            raise
        raise AudioError("cannot be written", target, f"{message_of(error)}; {full}") from error


@contextmanager
def _output(file: IO[bytes], target: Path) -> Iterator["av.container.OutputContainer"]:
    import av

    with av.open(file, "w", format=CONTAINERS[target.suffix.lower()].name) as made:
        yield made


def _start(stream: "av.stream.Stream") -> float:
    return float((stream.start_time or 0) * (stream.time_base or 0))


def _first(film: "av.container.InputContainer", pictures: list, source: Path) -> float:
    """Time in s of the first picture or sample, which becomes 0."""
    return min(_start(stream) for stream in (*pictures, audio_track(film, source)))
