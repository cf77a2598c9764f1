"""Audio from a stream, such as stdin: raw 16-bit mono samples, or a file in one of the formats that can be streamed.

Shapes: n samples.
"""

from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from thesis_lib.audio.containers import audio_track
from thesis_lib.audio.decoding import at_one_rate, frame_samples, joined_blocks
from thesis_lib.audio.errors import AudioError
from thesis_lib.audio.files import raw_blocks
from thesis_lib.audio.frames import FRAME_BYTES
from thesis_lib.audio.gaps import Gaps

HEAD_BYTES = 12
# The first bytes of a file, and FFmpeg's name of its format.
MAGIC = {b"RIFF": "wav", b"RF64": "wav", b"fLaC": "flac", b"OggS": "ogg", b"ID3": "mp3", b"\x1aE\xdf\xa3": "matroska"}
# Formats with an index at the end, and formats that are rare on a pipe: (place of the bytes, bytes) -> name.
FILES_ONLY = {
    (4, b"ftyp"): "MP4", (0, b"FORM"): "AIFF", (0, bytes.fromhex("3026b2758e66cf11")): "WMA", (0, b"caff"): "CAF",
    (0, b"FLV\1"): "FLV", (0, b"#!AMR"): "AMR", (0, b".snd"): "AU", (0, b"riff.\x91\xcf\x11"): "W64",
    (0, b"\0\0\1\xba"): "MPEG", (8, b"AVI "): "AVI",
}  # fmt: skip
# Bytes that FFmpeg examines, and reads at a time: few, so that live input is not held up. Before the first sample of a
# WAV stream it reads 64 KiB whatever is asked, in search of compressed audio.
PROBED_BYTES, READ_BYTES = 4096, 4096


class PrependedStream:
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

    A WAV, FLAC, Ogg, MP3, AAC (ADTS) or Matroska stream has its own rate; anything else is raw 16-bit mono samples at
    ``sample_rate``. Raises AudioError for a stream that begins like a file and is none, and for a format that cannot be
    streamed.
    """
    head = _more(stream, b"", HEAD_BYTES)
    for (place, magic), kind in FILES_ONLY.items():
        if head[place:].startswith(magic):
            raise AudioError("cannot be streamed", "stdin", f"it is {kind}: save it to a file, and name the file")
    name = next((name for magic, name in MAGIC.items() if head.startswith(magic)), None)
    for framed in ("mp3", "aac"):
        frame_bytes = FRAME_BYTES[framed]
        if name is None and (length := frame_bytes(head)):  # samples may look so too: two headers in a row do not
            head = _more(stream, head, length + length % 2 + HEAD_BYTES)  # whole samples
            name = framed if frame_bytes(head[length:]) else None
    if name is None or (name == "wav" and head[8:12] != b"WAVE"):
        return sample_rate, raw_blocks(PrependedStream(head, stream), sample_rate, seconds)  # type: ignore[arg-type]
    blocks = _decoded(PrependedStream(head, stream), name, seconds)
    return next(blocks), blocks  # type: ignore[return-value]  # the rate comes before the blocks


def _more(stream: BinaryIO, head: bytes, size: int) -> bytes:
    """The first ``size`` bytes, or fewer where the stream ends, of which ``head`` was read before."""
    while len(head) < size and (more := stream.read(size - len(head))):
        head += more
    return head


def _decoded(stream: PrependedStream, name: str, seconds: float) -> Iterator[int | np.ndarray]:
    """First the rate in Hz, then the samples (n,), joined to blocks of ``seconds``."""
    import av

    options = {"probesize": str(PROBED_BYTES), "analyzeduration": "1"}
    try:
        with av.open(stream, "r", format=name, buffer_size=READ_BYTES, options=options) as container:
            track = audio_track(container, "stdin")
            yield track.rate
            frames = ((frame_samples(frame), frame.sample_rate, frame.time) for frame in container.decode(track))
            for block in joined_blocks(
                at_one_rate(Gaps().filled(frames), track.rate), max(1, int(seconds * track.rate))
            ):
                yield block.mean(axis=1)
    except av.error.FFmpegError as error:
        reason = f"it begins as a {name} file does, but cannot be decoded ({error.strerror}): send the complete file"
        raise AudioError("undecodable", "stdin", reason) from error
