"""The packets of a video that is written, each with its time in s, by which the tracks are merged.

Shapes: n samples.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soundfile

from thesis_lib.audio.containers import packets_of
from thesis_lib.audio.video_tracks import MILLISECOND

if TYPE_CHECKING:
    import av

Cue = tuple[float, float, str]  # start in s, end in s, text
Timed = tuple[float, "av.Packet"]
BLOCK_SAMPLES = 16_384  # read at a time


def copied(
    film: "av.container.InputContainer", tracks: dict, first: float, ends: list[float], source: Path
) -> Iterator[Timed]:
    """The packets of the copied tracks, ``first`` s earlier; ``ends`` gets the end of the picture.

    ``tracks``: index in the source -> track of the output.
    """
    last: dict[int, int] = {}
    for packet in packets_of(film, [film.streams[index] for index in tracks], source):
        if not packet.size:  # the end of the track
            continue
        index, track = packet.stream.index, tracks[packet.stream.index]
        dts = last[index] = _place(packet, track.time_base, first, last.get(index))
        if track.type == "video":
            ends[0] = max(ends[0], float(((packet.pts or 0) + (packet.duration or 0)) * packet.time_base))
        packet.stream = track
        yield float(dts * packet.time_base), packet


def _place(packet: "av.Packet", time_base: Fraction, first: float, last: int | None) -> int:
    """Set the times of a packet in the time base of its new track, ``first`` s earlier; return its decoding time.

    A muxer needs decoding times that increase (``last``: the one before), and none later than the time of display.
    """
    shift, scale = round(first / packet.time_base), packet.time_base / time_base
    pts, dts = (None if time is None else round((time - shift) * scale) for time in (packet.pts, packet.dts))
    if dts is None:
        dts = pts if pts is not None else (last or 0)
    if last is not None:
        dts = max(dts, last + 1)
    packet.time_base, packet.duration = time_base, round((packet.duration or 0) * scale)
    packet.pts, packet.dts = dts if pts is None else max(pts, dts), dts
    return dts


def encoded(track: "av.AudioStream", speech: soundfile.SoundFile, delay: float) -> Iterator[Timed]:
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
    """Blocks (n,) int16: ``samples`` samples of silence, then the speech."""
    for start in range(0, samples, BLOCK_SAMPLES):
        yield np.zeros(min(BLOCK_SAMPLES, samples - start), np.int16)
    while len(block := speech.read(BLOCK_SAMPLES, dtype="int16")):
        yield block


def _timed(packets: Sequence["av.Packet"]) -> Iterator[Timed]:
    for packet in packets:
        yield float((packet.dts or 0) * packet.time_base), packet


def texts(track: "av.stream.Stream", cues: Sequence[Cue]) -> Iterator[Timed]:
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
