"""Write a video again with other speech: its picture is copied, its audio track replaced or joined by another.

Packets of the picture are copied, not decoded. The tracks are written by their times, so memory does not grow with the
length of the video.

Shapes: n samples.
"""

import heapq
import io
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

import numpy as np
import soundfile

from thesis_lib.audio.containers import audio_track, open_container
from thesis_lib.audio.errors import AudioError
from thesis_lib.utils.files import replacing

if TYPE_CHECKING:
    import av

Cue = tuple[float, float, str]  # start in s, end in s, text
Timed = tuple[float, "av.Packet"]  # time in s of a packet, by which the tracks are merged


@dataclass(frozen=True)
class Container:
    """FFmpeg's names of a container, and of the codecs of speech and subtitles in it."""

    name: str
    audio: str
    subtitles: str


MP4, MATROSKA = Container("mp4", "aac", "mov_text"), Container("matroska", "aac", "subrip")
CONTAINERS = {
    ".mp4": MP4,
    ".m4v": MP4,
    ".mov": Container("mov", "aac", "mov_text"),
    ".mkv": MATROSKA,
    ".webm": Container("webm", "libopus", "webvtt"),
}
VIDEO_SUFFIXES = tuple(CONTAINERS)
OPUS_RATE = 48_000  # Hz; AAC keeps the rate of the speech
BIT_RATE = 96_000  # bit/s of one channel of speech
BLOCK_SAMPLES = 16_384  # read at a time
MILLISECOND = Fraction(1, 1000)
LANGUAGES = {"en": "eng", "es": "spa"}  # ISO 639-2, as containers name them
# FFmpeg's encoder of subtitles in MP4 needs a style; players use their own.
ASS_HEADER = b"""[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, \
StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding
Style: Default,Arial,16,&Hffffff,&Hffffff,&H0,&H0,0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,0

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""


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
        pictures = _pictures(film, source)
        audio_track(film, source)
        if not any(packet.size for packet in film.demux(pictures)):
            raise AudioError("no picture", source, "its video track is empty: name an audio file as the target")
        with _output(io.BytesIO(), target) as made:
            _tracks(made, film, pictures, target, 22_050, (), add)


def speech_delay(source: Path) -> float:
    """Time in s at which the first sample of a video's audio is played, after the first picture or sample."""
    with open_container(source) as film:
        return _start(audio_track(film, source)) - _first(film, _pictures(film, source), source)


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
    the picture. ``add`` keeps the source's audio tracks before the speech. Raises AudioError as ``check_video``.
    """
    delay = speech_delay(source)
    with (
        open_container(source) as film,
        soundfile.SoundFile(os.fsencode(speech)) as stream,
        replacing(target) as partial,
        open(partial, "wb") as file,
        _output(file, target) as made,
    ):
        if comment:
            made.metadata["comment"] = comment
        pictures = _pictures(film, source)
        tracks = _tracks(made, film, pictures, target, stream.samplerate, tuple(subtitles), add)
        ends: list[float] = [0.0]
        first = _first(film, pictures, source)
        merged = heapq.merge(
            _copied(film, tracks.copied, first, ends, source),
            _encoded(tracks.speech, stream, delay),
            *(_texts(track, subtitles[language]) for language, track in tracks.subtitles.items()),
            key=lambda timed: timed[0],
        )
        for _, packet in merged:
            made.mux(packet)
    return max(ends)


@dataclass(frozen=True)
class _Tracks:
    copied: dict[int, "av.stream.Stream"]  # index in the source -> track of the output
    speech: "av.AudioStream"
    subtitles: dict[str, "av.stream.Stream"]  # language -> track


def _tracks(
    made: "av.container.OutputContainer",
    film: "av.container.InputContainer",
    pictures: list,
    target: Path,
    rate: int,
    languages: Sequence[str],
    add: bool,
) -> _Tracks:
    """Declare the tracks and write the header. Raises AudioError for a codec that the container cannot hold."""
    import av

    kind = CONTAINERS[target.suffix.lower()]
    copied = [*pictures, *(film.streams.audio if add else ())]
    try:
        tracks = {stream.index: made.add_stream_from_template(stream) for stream in copied}
        own_rate = OPUS_RATE if kind.audio == "libopus" else rate
        speech = cast("av.AudioStream", made.add_stream(kind.audio, rate=own_rate, layout="mono"))
        speech.bit_rate, speech.metadata["language"] = BIT_RATE, LANGUAGES["en"]
        subtitles = {language: _subtitle_track(made, kind, language) for language in languages}
        made.start_encoding()
    except (av.error.FFmpegError, ValueError) as error:
        codecs = ", ".join(stream.codec_context.name for stream in copied)
        reason = f"a {target.suffix} file cannot hold the source's tracks ({codecs})"
        raise AudioError(reason, target, "name a .mkv file as the target") from error
    return _Tracks(tracks, speech, subtitles)


def _subtitle_track(made: "av.container.OutputContainer", kind: Container, language: str) -> "av.stream.Stream":
    track = made.add_stream(kind.subtitles)
    track.metadata["language"], track.time_base = LANGUAGES[language], MILLISECOND
    codec = cast("av.subtitles.codeccontext.SubtitleCodecContext", track.codec_context)
    codec.subtitle_header, codec.time_base = ASS_HEADER, MILLISECOND
    codec.open(strict=False)
    return track


@contextmanager
def _output(file: IO[bytes], target: Path) -> Iterator["av.container.OutputContainer"]:
    import av

    with av.open(file, "w", format=CONTAINERS[target.suffix.lower()].name) as made:
        yield made


def _pictures(film: "av.container.InputContainer", source: Path) -> list:
    """The video tracks but cover pictures. Raises AudioError where there is none."""
    from av.stream import Disposition

    found = [stream for stream in film.streams.video if not stream.disposition & Disposition.attached_pic]
    if not found:
        raise AudioError("no picture", source, "the file has no video track: name an audio file as the target")
    return found


def _start(stream: "av.stream.Stream") -> float:
    return float((stream.start_time or 0) * (stream.time_base or 0))


def _first(film: "av.container.InputContainer", pictures: list, source: Path) -> float:
    """Time in s of the first picture or sample, which becomes 0."""
    return min(_start(stream) for stream in (*pictures, audio_track(film, source)))


def _copied(
    film: "av.container.InputContainer", tracks: dict, first: float, ends: list[float], source: Path
) -> Iterator[Timed]:
    """The packets of the copied tracks, ``first`` s earlier; ``ends`` gets the end of the picture."""
    import av

    try:
        for packet in film.demux([film.streams[index] for index in tracks]):
            time = packet.pts if packet.dts is None else packet.dts
            if time is None:  # the end of the track
                continue
            shift = round(first / packet.time_base)
            packet.pts = None if packet.pts is None else packet.pts - shift
            packet.dts = None if packet.dts is None else packet.dts - shift
            if packet.stream.type == "video" and packet.pts is not None:
                ends[0] = max(ends[0], float((packet.pts + (packet.duration or 0)) * packet.time_base))
            packet.stream = tracks[packet.stream.index]
            yield float((time - shift) * packet.time_base), packet
    except av.error.FFmpegError as error:
        raise AudioError("undecodable", source, f"FFmpeg stops inside it ({error.strerror}): convert it") from error


def _encoded(track: "av.AudioStream", speech: soundfile.SoundFile, delay: float) -> Iterator[Timed]:
    """The packets of the speech after ``delay`` s of silence."""
    import av

    rate, samples = speech.samplerate, 0
    for block in _after_silence(round(max(0.0, delay) * rate), speech):
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block[None]), "s16", "mono")
        frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), samples
        samples += len(block)
        yield from _timed(track.encode(frame))
    yield from _timed(track.encode(None))


def _after_silence(samples: int, speech: soundfile.SoundFile) -> Iterator[np.ndarray]:
    """Blocks (n,) int16: so many samples of silence, then the speech."""
    for start in range(0, samples, BLOCK_SAMPLES):
        yield np.zeros(min(BLOCK_SAMPLES, samples - start), np.int16)
    while len(block := speech.read(BLOCK_SAMPLES, dtype="int16")):
        yield block


def _timed(packets: Sequence["av.Packet"]) -> Iterator[Timed]:
    for packet in packets:
        yield float((packet.dts or 0) * packet.time_base), packet


def _texts(track: "av.stream.Stream", cues: Sequence[Cue]) -> Iterator[Timed]:
    """One packet for each cue; in MP4 its length is before the text."""
    import av

    for start, end, text in cues:
        data = text.encode()
        if track.codec_context.name == "mov_text":
            data = len(data).to_bytes(2, "big") + data
        packet = av.Packet(data)
        packet.stream, packet.time_base = track, MILLISECOND
        packet.pts = packet.dts = round(1000 * start)
        packet.duration = round(1000 * end) - round(1000 * start)
        yield start, packet
