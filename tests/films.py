"""Films with tracks of several languages, with delays and with gaps."""

from fractions import Fraction

import av
import numpy as np
from helpers import voiced

RATE = 48_000  # Hz, of the audio tracks
FRAME = 960  # samples


def film(
    path,
    wavs=None,
    seconds=3.0,
    *,
    picture="mpeg4",
    audio="aac",
    languages=(),
    roles=(),
    delay=0.0,
    gap=None,
    **container,
):
    """A moving picture of 25 frames a second (none: ``picture=None``) with audio tracks; times in s.

    The audio tracks begin ``delay`` s after the picture. ``gap``: (time in the samples, length) of a gap in them.
    ``container``: metadata.
    """
    wavs = [voiced(seconds, RATE)] if wavs is None else wavs
    with av.open(str(path), "w") as made:
        made.metadata.update(container)
        packets = []
        if picture:
            video = made.add_stream(picture, rate=25)
            video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        tracks = [made.add_stream(audio, rate=RATE, layout="mono") for _ in wavs]
        for track, language in zip(tracks, languages, strict=False):
            track.metadata["language"] = language
        for track, role in zip(tracks, roles, strict=False):
            track.disposition = role
        made.start_encoding()
        for number in range(round(25 * seconds) if picture else 0):
            image = np.full((48, 64, 3), 3 * number % 255, np.uint8)
            image[:, number % 64] = 255
            packets += video.encode(av.VideoFrame.from_ndarray(image))
        packets += video.encode(None) if picture else []
        for track, wav in zip(tracks, wavs, strict=True):
            samples = np.round(32767 * wav).astype(np.int16)[None]
            for start in range(0, samples.shape[1], FRAME):
                frame = av.AudioFrame.from_ndarray(
                    np.ascontiguousarray(samples[:, start : start + FRAME]), "s16", "mono"
                )
                frame.sample_rate, frame.time_base = RATE, Fraction(1, RATE)
                moved = gap[1] if gap and start >= gap[0] * RATE else 0.0
                frame.pts = start + round((delay + moved) * RATE)
                packets += track.encode(frame)
            packets += track.encode(None)
        for packet in sorted(packets, key=lambda p: p.dts * p.time_base):
            made.mux(packet)
    return path
