"""The tracks of a video that is written: those copied from its source, the speech, and subtitles."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, cast

from thesis_lib.audio.errors import AudioError
from thesis_lib.audio.tracks import audio_track

if TYPE_CHECKING:
    import av


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
PREFERRED = (".mkv", ".mp4", ".mov", ".webm")  # where a container cannot hold the source's tracks
OPUS_RATE = 48_000  # Hz; AAC keeps the rate of the speech
BIT_RATE = 96_000  # bit/s of one channel of speech
MILLISECOND = Fraction(1, 1000)
TRACK_TAGS = ("language", "title")  # metadata of a track that is copied
WRITER_TAGS = (
    "encoder",
    "major_brand",
    "minor_version",
    "compatible_brands",
    "duration",
    "software",
)  # that each writer makes
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


@dataclass(frozen=True)
class Tracks:
    """The tracks of the output."""

    copied: dict[int, "av.stream.Stream"]  # index in the source -> track of the output
    speech: "av.AudioStream"
    subtitles: dict[str, "av.stream.Stream"]  # language -> track


def declared_tracks(
    made: "av.container.OutputContainer",
    film: "av.container.InputContainer",
    pictures: list,
    target: Path,
    rate: int,
    languages: Sequence[str],
    add: bool,
) -> Tracks:
    """Declare the tracks and write the header. Raises AudioError for a codec that the container cannot hold."""
    import av

    kind = CONTAINERS[target.suffix.lower()]
    copied = [*pictures, *(film.streams.audio if add else ())]
    try:
        tracks = {stream.index: _copied_track(made, stream) for stream in copied}
        own_rate = OPUS_RATE if kind.audio == "libopus" else rate
        speech = cast("av.AudioStream", made.add_stream(kind.audio, rate=own_rate, layout="mono"))
        speech.bit_rate, speech.metadata["language"] = BIT_RATE, LANGUAGES["en"]
        subtitles = {language: _subtitle_track(made, kind, language) for language in languages}
        made.start_encoding()
    except (av.error.FFmpegError, ValueError) as error:
        codecs = ", ".join(_codec(stream) for stream in copied)
        reason = f"a {target.suffix} file cannot hold the source's tracks ({codecs})"
        other = next((suffix for suffix in PREFERRED if _holds(CONTAINERS[suffix], copied)), None)
        remedy = f"name a {other} file as the target" if other else "convert the source to MP4 first"
        raise AudioError(reason, target, remedy) from error
    return Tracks(tracks, speech, subtitles)


def _holds(kind: Container, copied: Sequence["av.stream.Stream"]) -> bool:
    """Whether a container can hold tracks as they are."""
    import av

    try:
        with av.open(io.BytesIO(), "w", format=kind.name) as made:
            for stream in copied:
                made.add_stream_from_template(stream)
            made.start_encoding()
    except (av.error.FFmpegError, ValueError):
        return False
    return True


def _codec(stream: "av.stream.Stream") -> str:
    return stream.codec_context.name if stream.codec_context else "a codec without a decoder"


def _copied_track(made: "av.container.OutputContainer", stream: "av.stream.Stream") -> "av.stream.Stream":
    track = made.add_stream_from_template(stream)
    track.metadata.update({tag: stream.metadata[tag] for tag in TRACK_TAGS if tag in stream.metadata})
    track.disposition = stream.disposition
    return track


def _subtitle_track(made: "av.container.OutputContainer", kind: Container, language: str) -> "av.stream.Stream":
    track = made.add_stream(kind.subtitles)
    track.metadata["language"], track.time_base = LANGUAGES[language], MILLISECOND
    codec = cast("av.subtitles.codeccontext.SubtitleCodecContext", track.codec_context)
    codec.subtitle_header, codec.time_base = ASS_HEADER, MILLISECOND
    codec.open(strict=False)
    return track


def pictures_of(film: "av.container.InputContainer", source: Path) -> list:
    """The video tracks, except cover pictures. Raises AudioError where there is none."""
    from av.stream import Disposition

    found = [stream for stream in film.streams.video if not stream.disposition & Disposition.attached_pic]
    if not found:
        raise AudioError("no picture", source, "the file has no video track: name an audio file as the target")
    return found


def copied_metadata(film: "av.container.InputContainer", comment: str) -> dict[str, str]:
    """The metadata of the source, such as its title, with another comment where one is given."""
    replaced = (*WRITER_TAGS, *(["comment"] if comment else []))
    kept = {tag: text for tag, text in film.metadata.items() if tag.lower() not in replaced}
    return kept | ({"comment": comment} if comment else {})


def copied_chapters(film: "av.container.InputContainer", first: float) -> list:
    """The chapters of the source that end after ``first`` (s), with times from there on."""
    found = [chapter for chapter in film.chapters() if chapter["end"] * cast("Fraction", chapter["time_base"]) > first]
    for chapter in found:
        shift = round(first / cast("Fraction", chapter["time_base"]))
        chapter["start"], chapter["end"] = (max(0, chapter[name] - shift) for name in ("start", "end"))
    return found


def dropped_tracks(film: "av.container.InputContainer", source: Path, add: bool) -> list[str]:
    """The tracks of the source that are not copied, except the audio track that the speech replaces."""
    read = audio_track(film, source)
    audio = [] if add else [track for track in film.streams.audio if track is not read]
    return [
        f"{track.type} track {number} ({track.language})" if track.language else f"{track.type} track {number}"
        for kind in (film.streams.audio, film.streams.subtitles)
        for number, track in enumerate(kind, 1)
        if track in audio or track.type == "subtitle"
    ]
