"""Choose the audio track of a file: a Spanish one, by its tag, and no silent one where another has sound.

Shapes: n samples, C channels.
"""

import functools
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from thesis_lib.audio.containers import frame_samples, open_container, packets_of
from thesis_lib.audio.errors import AudioError

if TYPE_CHECKING:
    import av

SPANISH_TAGS = ("spa", "es")  # ISO 639-2 and 639-1; a region may follow, as in es-MX
SEARCHED_SECONDS = 120.0  # of a file, for sound
MIN_SOUND_PEAK = 1e-4  # -80 dBFS


def audio_track(container: "av.container.InputContainer", path: object) -> "av.AudioStream":
    """Of the audio tracks with a decoder, FFmpeg's main one; where that is not in Spanish, the first that is.

    Where none is marked as Spanish, and the main one of a file is silent, the first that has sound. Raises AudioError
    where there is none.
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
    spanish = next((track for track in (main, *decoded) if _is_spanish(track)), None)
    if spanish is not None or len(decoded) == 1 or not isinstance(path, Path):
        return spanish or main
    state = path.stat()
    ordered = [main, *(track for track in decoded if track is not main)]
    audible = _with_sound(path.resolve(), (state.st_mtime_ns, state.st_size), tuple(track.index for track in ordered))
    return next((track for track in ordered if track.index in audible), main)


def track_note(container: "av.container.InputContainer", track: "av.AudioStream") -> str:
    """Which of several audio tracks is read; empty where there is only one."""
    tracks = list(container.streams.audio)
    if len(tracks) == 1:
        return ""
    language = f" ({track.language})" if track.language else ""
    return f"of {len(tracks)} audio tracks, track {tracks.index(track) + 1}{language} is read"


def _is_spanish(track: "av.AudioStream") -> bool:
    return (track.language or "").lower().split("-")[0] in SPANISH_TAGS


@functools.lru_cache(maxsize=64)
def _with_sound(path: Path, state: tuple[int, int], tracks: tuple[int, ...]) -> frozenset[int]:
    """The indices of the tracks with sound before ``SEARCHED_SECONDS``; the search ends where the first one has."""
    import av

    found = set[int]()
    with open_container(path) as container:
        chosen = [stream for stream in container.streams.audio if stream.index in tracks]
        for packet in packets_of(container, chosen, path):
            start = packet.stream.start_time or 0
            if packet.pts is not None and float((packet.pts - start) * packet.time_base) > SEARCHED_SECONDS:
                break
            if packet.stream.index in found:
                continue
            try:
                frames = cast("list[av.AudioFrame]", packet.decode())
            except (av.error.FFmpegError, ValueError):
                continue
            if any(np.abs(frame_samples(frame)).max(initial=0.0) > MIN_SOUND_PEAK for frame in frames):
                found.add(packet.stream.index)
            if tracks[0] in found:
                break
    return frozenset(found)
