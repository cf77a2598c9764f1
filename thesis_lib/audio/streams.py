"""Audio from a stream, such as stdin: raw 16-bit mono samples, or a file in one of the formats that can be streamed.

Shapes: n samples.
"""

import io
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, BinaryIO, cast

import numpy as np

from thesis_lib.audio.containers import message_of, packets_of
from thesis_lib.audio.decoding import at_one_rate, decoded_frames, joined_blocks, packet_is_cut
from thesis_lib.audio.errors import AudioError
from thesis_lib.audio.files import raw_blocks
from thesis_lib.audio.frames import FRAME_BYTES, m2ts_packet_bytes, ts_packet_bytes
from thesis_lib.audio.gaps import Gaps
from thesis_lib.audio.repair import repaired_stream
from thesis_lib.audio.tracks import audio_track
from thesis_lib.audio.trailing import BLOCK_BYTES, UNREAD, unread_after
from thesis_lib.audio.truncation import DECLARED_ENDS, MAX_PADDING_BYTES, ogg_page_is_cut

if TYPE_CHECKING:
    import av

HEAD_BYTES = 12
FULL_SCALE = 32768  # of raw samples
# The first bytes of a file, and FFmpeg's name of its format.
MAGIC = {
    b"RIFF": "wav", b"RF64": "wav", b"BW64": "wav", b"fLaC": "flac", b"OggS": "ogg", b"ID3": "mp3",
    b"\x1aE\xdf\xa3": "matroska",
}  # fmt: skip
# Formats with an index at the end, formats that are rare on a pipe, and RIFX, of which FFmpeg does not swap the bytes:
# (place of the bytes, bytes) -> name.
FILES_ONLY = {
    (4, b"ftyp"): "MP4", (0, b"FORM"): "AIFF", (0, bytes.fromhex("3026b2758e66cf11")): "WMA", (0, b"caff"): "CAF",
    (0, b"FLV\1"): "FLV", (0, b"#!AMR"): "AMR", (0, b".snd"): "AU", (0, b"riff.\x91\xcf\x11"): "W64",
    (0, b"\0\0\1\xba"): "MPEG", (8, b"AVI "): "AVI", (0, b"wvpk"): "WavPack", (0, b"MAC "): "APE",
    (0, b"TTA1"): "TTA", (0, b"RIFX"): "RIFX", (0, bytes.fromhex("060e2b3402050101")): "MXF",
    **{(4, box): "MOV" for box in (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")},
}  # fmt: skip
# Formats without a first mark -> the length of a frame by its header. Samples may look like one header, not like two.
FRAMED: dict[str, Callable[[bytes], int | None]] = {
    **{name: FRAME_BYTES[name] for name in ("mp3", "aac", "ac3", "eac3")},  # "mp3" is FFmpeg's name of all layers
    "MPEG-TS": ts_packet_bytes, "M2TS": m2ts_packet_bytes,
}  # fmt: skip
# Where a stream has begun in the middle of a frame, as that of a radio station.
SEARCHED_BYTES, FRAMES_IN_A_ROW = 16_384, 3  # of four frames; the longest, of AC-3 and E-AC-3, have 4096 bytes
# Bytes that FFmpeg examines, and reads at a time: few, so that live input is not held up. Before the first sample of a
# WAV stream it reads 64 KiB whatever is asked, in search of compressed audio.
PROBED_BYTES, READ_BYTES = 4096, 4096


class PrependedStream:
    """A stream with the bytes that were read ahead put back; ``kept`` has bytes that were read."""

    def __init__(self, head: bytes, stream: BinaryIO) -> None:
        self._head, self._stream, self.count = head, stream, 0
        self.kept, self.kept_from = bytearray(), 0  # at most BLOCK_BYTES, and the place of the first

    def read(self, size: int) -> bytes:
        """Read up to ``size`` bytes."""
        part, self._head = self._head[:size], self._head[size:]
        part = part or self._stream.read(size)
        self.count += len(part)
        self.kept += part[: BLOCK_BYTES - len(self.kept)]
        return part

    def forget_before(self, place: int) -> None:
        """Keep no byte before ``place``, a number of bytes from the beginning."""
        if place > self.kept_from + len(self.kept):  # more was read than is kept
            place = self.count
        if place > self.kept_from:
            del self.kept[: place - self.kept_from]
            self.kept_from = place


def stream_blocks(
    stream: BinaryIO, sample_rate: int, seconds: float, note: Callable[[str], None] = lambda text: None
) -> tuple[int, Iterator[np.ndarray]]:
    """The rate of a stream in Hz and its mono blocks (n,), of about ``seconds``, as they arrive.

    A WAV, FLAC, Ogg, MP2, MP3, AAC (ADTS), AC-3 or Matroska stream has its own rate; anything else is raw 16-bit mono
    samples at ``sample_rate``. Both are repaired as files are, and ``note`` is called with what was done. The first
    part of a frame is left out, with a note. A stream may be damaged or break off: a note at its end says so. Raises
    AudioError for a stream that begins like a file and is none, and for a format that cannot be streamed.
    """
    head, name = _recognised(stream)

    def say(text: str) -> None:
        note(f"stdin: {text}")

    if name is None:
        head, name, skipped = _recognised_inside(stream, head)
        if name:
            say(f"{skipped:,} bytes before the first whole frame ({name}) are left out")
    whole = PrependedStream(head, stream)
    if name is None:
        return sample_rate, _raw(whole, sample_rate, seconds, say)
    blocks = _decoded(whole, name, seconds, say)
    return next(blocks), blocks  # type: ignore[return-value]  # the rate comes before the blocks


def _recognised(stream: BinaryIO) -> tuple[bytes, str | None]:
    """The bytes that were read, and FFmpeg's name of the format; None for raw samples."""
    head = _more(stream, b"", HEAD_BYTES)
    for (place, magic), kind in FILES_ONLY.items():
        if head[place:].startswith(magic):
            raise _not_streamed(kind)
    if (name := next((name for magic, name in MAGIC.items() if head.startswith(magic)), None)) is not None:
        return head, None if name == "wav" and head[8:12] != b"WAVE" else name
    for kind, frame_bytes in FRAMED.items():
        if length := frame_bytes(head):
            head = _more(stream, head, length + length % 2 + HEAD_BYTES)  # whole samples
            if frame_bytes(head[length:]):
                if kind not in FRAME_BYTES:
                    raise _not_streamed(kind)
                return head, kind
    return head, None


def _recognised_inside(stream: BinaryIO, head: bytes) -> tuple[bytes, str | None, int]:
    """The bytes from the first whole frame on, FFmpeg's name of the format, and the number of bytes before that frame.

    All bytes, None and 0 for raw samples: they do not look like several frames that follow each other.
    """
    head = _more(stream, head, SEARCHED_BYTES)
    for kind, frame_bytes in FRAMED.items():
        if (start := _first_frame(head, frame_bytes)) is not None:
            if kind not in FRAME_BYTES:
                raise _not_streamed(kind)
            return head[start:], kind, start
    return head, None, 0


def _first_frame(head: bytes, frame_bytes: Callable[[bytes], int | None]) -> int | None:
    """The place of the first of some frames that follow each other; None where there are none."""
    for start in range(len(head)):
        place = start
        for _ in range(FRAMES_IN_A_ROW):
            length = frame_bytes(head[place : place + HEAD_BYTES])
            if not length:
                break
            place += length
        else:
            return start
    return None


def _not_streamed(kind: str) -> AudioError:
    return AudioError("cannot be streamed", "stdin", f"it is {kind}: save it to a file, and name the file")


def _raw(stream: PrependedStream, rate: int, seconds: float, note: Callable[[str], None]) -> Iterator[np.ndarray]:
    """The int16 samples (n,) of a raw stream."""
    blocks = raw_blocks(stream, rate, seconds)  # type: ignore[arg-type]
    frames = (block[:, None] / np.float32(FULL_SCALE) for block in blocks)
    for wav in repaired_stream(frames, rate, False, note):
        yield np.rint(wav * FULL_SCALE).clip(-FULL_SCALE, FULL_SCALE - 1).astype(np.int16)


def _more(stream: BinaryIO, head: bytes, size: int) -> bytes:
    """The first ``size`` bytes, or fewer where the stream ends, of which ``head`` was read before."""
    while len(head) < size and (more := stream.read(size - len(head))):
        head += more
    return head


def _decoded(
    stream: PrependedStream, name: str, seconds: float, note: Callable[[str], None]
) -> Iterator[int | np.ndarray]:
    """First the rate in Hz, then the samples (n,), joined to blocks of ``seconds``."""
    import av

    options, gaps = {"probesize": str(PROBED_BYTES), "analyzeduration": "1"}, Gaps()
    try:
        with av.open(
            stream, "r", format=name, buffer_size=READ_BYTES, options=options, metadata_errors="replace"
        ) as container:
            track = audio_track(container, "stdin")
            yield track.rate
            packets = _noted(_resumed(container, track, stream, gaps), stream, name, gaps, note)
            filled = gaps.filled(decoded_frames(packets, gaps))
            blocks = joined_blocks(at_one_rate(filled, track.rate), max(1, int(seconds * track.rate)))
            yield from repaired_stream(blocks, track.rate, track.codec_context.name.startswith("pcm_f"), note)
    except (av.error.FFmpegError, IndexError) as error:
        raise _undecodable(name, error) from error
    for text in gaps.notes:
        note(text)


def _undecodable(name: str, error: Exception | None) -> AudioError:
    reason = message_of(error) if error else "it breaks off"
    remedy = f"it begins as a {name} file does, but cannot be decoded ({reason}): send the complete file"
    return AudioError("undecodable", "stdin", remedy)


def _resumed(
    container: "av.container.InputContainer", track: "av.AudioStream", stream: PrependedStream, gaps: Gaps
) -> Iterator["av.Packet"]:
    """The packets; bytes in which FFmpeg finds no frame count as a damaged packet, and those after them are read."""
    import av

    place = -1
    while True:
        try:
            yield from packets_of(container, [track], "stdin")
            return
        except AudioError as error:
            if stream.count == place or not isinstance(error.__cause__, av.error.InvalidDataError):
                raise
        place, gaps.packets, gaps.damaged = stream.count, gaps.packets + 1, gaps.damaged + 1


def _noted(
    packets: Iterator["av.Packet"], stream: PrependedStream, name: str, gaps: Gaps, note: Callable[[str], None]
) -> Iterator["av.Packet"]:
    """The packets; after the last one, a note where the stream ends too early or goes on.

    Raises AudioError where it ends too early, and no packet could be decoded.
    """
    declared, last, end, stop = _declared_end(bytes(stream.kept)), None, 0, None
    try:
        for packet in packets:
            if packet.size and packet.pos is not None:
                last, end = packet, packet.pos + packet.size
                stream.forget_before(packet.pos if name == "ogg" else end)  # of Ogg the place of the page
            yield packet
    except AudioError as error:
        stop = cast("Exception", error.__cause__)
    found = "" if stop else _early_end(stream, name, declared, last, gaps)
    if gaps.damaged == gaps.packets and (stop or found or gaps.damaged):
        raise _undecodable(name, stop) from stop
    if stop:
        note(f"FFmpeg stops inside it ({message_of(stop)}): what follows is not read")
    elif found:
        note(f"the stream ends {found}: its last part is missing")
    elif name == "wav" and (unread := unread_after(end, bytes(stream.kept), stream.count)):
        note(UNREAD.format(unread))


def _declared_end(head: bytes) -> int | None:
    """The end in bytes that the header of a WAV or Matroska stream declares; None where it declares none."""
    find = DECLARED_ENDS.get(head[:4])
    return find(head, io.BytesIO(head)) if find else None


def _early_end(stream: PrependedStream, name: str, declared: int | None, last: "av.Packet | None", gaps: Gaps) -> str:
    """Where a stream that breaks off ends, in words; empty for a whole one."""
    if declared is not None and stream.count + MAX_PADDING_BYTES < declared:
        return "before the end that its header declares"
    if name == "ogg":
        found = ogg_page_is_cut(bytes(stream.kept))
    elif last is None or name == "wav":  # the last packet of a WAV stream without a declared end is of any length
        found = False
    else:
        found = gaps.last_is_damaged if (cut := packet_is_cut(last)) is None else cut
    return "in the middle of a packet" if found else ""
