"""Audio from a stream, such as stdin: raw 16-bit mono samples, or a file in one of the formats that can be streamed.

Shapes: n samples.
"""

from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from thesis_lib.audio.decoding import at_one_rate, audio_track, frame_samples
from thesis_lib.audio.errors import AudioError
from thesis_lib.audio.files import raw_blocks

HEAD_BYTES = 12
# The first bytes of a file, and FFmpeg's name of its format.
MAGIC = {b"RIFF": "wav", b"RF64": "wav", b"fLaC": "flac", b"OggS": "ogg", b"ID3": "mp3", b"\x1aE\xdf\xa3": "matroska"}
# FFmpeg examines so many bytes, and reads so many at a time, so that live input is not held up. Before the first sample
# of a WAV stream it reads 64 KiB whatever is asked, in search of compressed audio.
PROBED_BYTES, READ_BYTES = 4096, 4096


class Headed:
    """A stream with the bytes that were read ahead put back."""

    def __init__(self, head: bytes, stream: BinaryIO) -> None:
        self._head, self._stream = head, stream

    def read(self, size: int) -> bytes:
        """Read up to ``size`` bytes."""
        if not self._head:
            return self._stream.read(size)
        part, self._head = self._head[:size], self._head[size:]
        return part


def stream_blocks(stream: BinaryIO, sample_rate: int, seconds: float) -> tuple[int, Iterator[np.ndarray]]:
    """The rate of a stream in Hz and its mono blocks (n,), of about ``seconds``, as they arrive.

    A WAV, FLAC, Ogg, MP3 or Matroska stream has its own rate; anything else is raw 16-bit mono samples at
    ``sample_rate``. Raises AudioError for a stream that begins like a file and is none.
    """
    head = b""
    while len(head) < HEAD_BYTES and (more := stream.read(HEAD_BYTES - len(head))):
        head += more
    name = next((name for magic, name in MAGIC.items() if head.startswith(magic)), None)
    if name is None or (name == "wav" and head[8:12] != b"WAVE"):
        return sample_rate, raw_blocks(Headed(head, stream), sample_rate, seconds)  # type: ignore[arg-type]
    blocks = _decoded(Headed(head, stream), name)
    return next(blocks), blocks  # type: ignore[return-value]  # the rate comes before the blocks


def _decoded(stream: Headed, name: str) -> Iterator[int | np.ndarray]:
    """First the rate in Hz, then the samples (n,) of each packet."""
    import av

    options = {"probesize": str(PROBED_BYTES), "analyzeduration": "1"}
    try:
        with av.open(stream, "r", format=name, buffer_size=READ_BYTES, options=options) as container:
            track = audio_track(container, "stdin")
            yield track.rate
            frames = ((frame_samples(frame), frame.sample_rate) for frame in container.decode(track))
            for frame in at_one_rate(frames, track.rate):
                yield frame.mean(axis=1)
    except av.error.FFmpegError as error:
        raise AudioError("undecodable", "stdin", f"it begins like {name} ({error.strerror}): send it whole") from error
