"""Whether browsers play a recording as it is; the page's jobs convert all others."""

from pathlib import Path
from typing import TYPE_CHECKING

from thesis_lib.audio.containers import open_container
from thesis_lib.audio.errors import AudioError

if TYPE_CHECKING:
    import av

SUFFIXES = (".wav", ".mp3", ".ogg", ".oga", ".opus", ".flac", ".m4a", ".aac", ".mp4", ".m4v", ".mov", ".webm")
WAV_CODECS = ("pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le")
AUDIO_CODECS = ("aac", "mp3", "opus", "vorbis", "flac")  # of all other files
PICTURE_CODECS = ("h264", "vp8", "vp9", "av1")


def is_played(path: Path) -> bool:
    """Whether browsers play the recording: by its suffix, and the codecs of its picture and its one audio track.

    Of several audio tracks a browser may play another one than the one that is translated.
    """
    suffix = path.suffix.lower()
    try:
        with open_container(path) as file:
            sound = [_codec(track) for track in file.streams.audio]
            pictures = [_codec(track) for track in file.streams.video if not _is_cover(track)]
    except AudioError:
        return False
    codecs = WAV_CODECS if suffix == ".wav" else AUDIO_CODECS
    return suffix in SUFFIXES and len(sound) == 1 and sound[0] in codecs and set(pictures) <= set(PICTURE_CODECS)


def _codec(track: "av.stream.Stream") -> str:
    """FFmpeg's name of a codec; empty for one that it does not know."""
    return track.codec_context.codec.canonical_name if track.codec_context else ""


def _is_cover(track: "av.stream.Stream") -> bool:
    """Whether a track is a still picture beside the sound."""
    import av

    return bool(track.disposition & av.stream.Disposition.attached_pic)
