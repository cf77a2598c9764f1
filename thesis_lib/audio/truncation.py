"""Whether the samples of a file end before the end that its header or its last page declares, as in a cut copy.

Uncompressed samples have no packet that could be broken, and Matroska ends cleanly at any block: only the declared
size tells. So do the last tag, pack or packet of FLV, MPEG-PS and MPEG-TS. A size that a writer to a pipe leaves,
because it cannot go back, declares nothing. A wrong size of the whole file, and an index or a tag that is cut after
the samples, lose nothing.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Literal

from thesis_lib.audio.frames import M2TS_BYTES, TS_BYTES, TS_SYNC

MAX_OGG_PAGE = 65_307  # bytes
MAX_PACK = 2**18  # bytes at the end of a file that hold the last pack
MAX_PADDING_BYTES = 1  # of a chunk with an odd size, which some writers leave out
# Sizes in bytes that writers to a pipe leave: SoX 0x7F000000 (AIFF) and 0x7FFFF000 (WAV), others 0xFFFFFFFF.
UNKNOWN_SIZES = (range(0x7F000000, 0x80000100), range(0xFFFFF000, 0x100000000))
# Boxes of MP4 and MOV that may stand at the top level.
MP4_BOXES = (
    b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"uuid", b"meta", b"pdin", b"styp", b"sidx",
    b"ssix", b"moof", b"mfra", b"emsg", b"prft",
)  # fmt: skip
SAMPLE_BOXES = (b"mdat", b"moov", b"moof")
EBML_HEADER, MATROSKA_SEGMENT = bytes.fromhex("1a45dfa3"), bytes.fromhex("18538067")
MATROSKA_CLUSTER = bytes.fromhex("1f43b675")
# Matroska elements: once one of them follows a cluster, no cluster comes after it (cues, tags, attachments, chapters).
AFTER_CLUSTERS = tuple(bytes.fromhex(name) for name in ("1c53bb6b", "1254c367", "1941a469", "1043a770"))
ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
ASF_DATA = bytes.fromhex("3626b2758e66cf11a6d900aa0062ce6c")
FLV_TAGS = (8, 9, 18)  # audio, video, script data
PACK_HEADER = bytes.fromhex("000001ba")  # of an MPEG program stream
MIN_SYSTEM_CODE = 0xBB  # start codes from here on have a length (ISO/IEC 13818-1, table 2-22)
PACKET_SYNCS = {TS_BYTES: 0, M2TS_BYTES: 4}  # length of a transport packet -> place of its synchronisation byte
MIN_PACKETS = 3  # that a transport stream is recognised by
W64_RIFF = bytes.fromhex("726966662e91cf11a5d628db04c10000")


@dataclass(frozen=True)
class Chunks:
    """How the chunks of a format are written."""

    first: int  # place of the first one in bytes
    head_bytes: int  # of the name and the size
    order: Literal["little", "big"]  # of the bytes of the size
    size_at: int = 4  # place of the size in a chunk
    alignment: int = 2  # bytes, of the beginning of a chunk
    head_is_counted: bool = False  # in the size


CHUNKS = {
    b"RIFF": Chunks(12, 8, "little"), b"RIFX": Chunks(12, 8, "big"), b"RF64": Chunks(12, 8, "little"),
    b"BW64": Chunks(12, 8, "little"), b"FORM": Chunks(12, 8, "big"), b"caff": Chunks(8, 12, "big", alignment=1),
    b"riff": Chunks(40, 24, "little", size_at=16, alignment=8, head_is_counted=True),
}  # fmt: skip
SAMPLE_CHUNKS = (b"data", b"SSND", b"movi")  # of WAV and CAF, AIFF, AVI
HEAD_BYTES = 36  # of a file, that have its size
UNKNOWN_SIZE = 0xFFFFFFFF  # of RF64, which has the size of its samples elsewhere


def is_shorter_than_declared(path: Path) -> bool:
    """Whether the samples of a file end before the size in its header, or within its last tag, pack or packet.

    Of WAV, RF64, W64, AIFF, AVI, AU, CAF, Matroska, MP4, MOV, ASF, FLV, MPEG-PS and MPEG-TS.
    """
    with open(path, "rb") as stream:
        head = stream.read(HEAD_BYTES)
        find = next((find for magic, find in DECLARED_ENDS.items() if head.startswith(magic)), _transport_stream)
        end = (_mp4 if head[4:8] in MP4_BOXES else find)(head, stream)
    return end is not None and end > path.stat().st_size + MAX_PADDING_BYTES


def chunks_of(head: bytes, stream: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """The name of each chunk, of a list its kind, and the places in bytes where its content begins and ends."""
    layout = CHUNKS[head[:4]]
    place = layout.first
    while len(chunk := _bytes(stream, place, layout.head_bytes + 4)) >= layout.head_bytes:
        kind, length = chunk[:4], int.from_bytes(chunk[layout.size_at : layout.head_bytes], layout.order)
        if kind == b"data" and length == UNKNOWN_SIZE and head[12:16] == b"ds64":
            length = int.from_bytes(head[28:36], "little")
        length = max(0, length - layout.head_bytes * layout.head_is_counted)
        begin = place + layout.head_bytes
        yield chunk[-4:] if kind == b"LIST" else kind, begin, begin + length
        place = begin + length
        place += -place % layout.alignment


def mp4_is_cut(path: Path) -> bool:
    """Whether a file begins as an MP4 or MOV file does, and ends within a box."""
    with open(path, "rb") as stream:
        begins = stream.read(8)[4:] in MP4_BOXES
    return begins and is_shorter_than_declared(path)


def ogg_is_cut(path: Path) -> bool:
    """Whether the last page of an Ogg file is longer than the rest of the file."""
    with open(path, "rb") as stream:
        if stream.read(4) != b"OggS":
            return False
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, size - MAX_OGG_PAGE))
        return ogg_page_is_cut(stream.read())


def ogg_page_is_cut(tail: bytes) -> bool:
    """Whether the last page that begins in the last bytes of a file ends after them (RFC 3533, section 6)."""
    if (start := tail.rfind(b"OggS")) < 0:
        return False
    page = tail[start:]
    return len(page) < 27 or len(page) < 27 + page[26] + sum(page[27 : 27 + page[26]])


def _known(size: int) -> int | None:
    return size if 0 < size < 2**63 and not any(size in sizes for sizes in UNKNOWN_SIZES) else None


def _chunked(head: bytes, stream: BinaryIO) -> int | None:
    """The earlier one of the ends that the header and the chunk of samples declare: writers leave one of them wrong."""
    if head.startswith(W64_RIFF):
        size = _known(int.from_bytes(head[16:24], "little") - 8)
    elif head[12:16] == b"ds64":  # EBU Tech 3306
        size = _known(int.from_bytes(head[20:28], "little"))
    else:
        size = _known(int.from_bytes(head[4:8], CHUNKS[head[:4]].order))
    ends = [None if size is None else size + 8, _end_of_samples(head, stream)]
    return min((end for end in ends if end is not None), default=None)


def _end_of_samples(head: bytes, stream: BinaryIO) -> int | None:
    """The end of the first chunk of samples; its size is unknown while it is being written."""
    for kind, begin, end in chunks_of(head, stream):
        if kind in SAMPLE_CHUNKS:
            return None if _known(end - begin) is None else end
    return None


def _au(head: bytes, stream: BinaryIO) -> int | None:
    size = _known(int.from_bytes(head[8:12], "big"))
    return size and size + int.from_bytes(head[4:8], "big")


def _mp4(head: bytes, stream: BinaryIO) -> int | None:
    """The end of the last box of samples or of their index; of any known type where one of the two is missing."""
    boxes = list(mp4_boxes(stream))
    kinds = {kind for kind, _ in boxes}
    is_complete = b"moov" in kinds and not kinds.isdisjoint((b"mdat", b"moof"))
    return max((end for kind, end in boxes if kind in SAMPLE_BOXES or not is_complete), default=0)


def mp4_boxes(stream: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """The type of each box of an MP4 or MOV file, and its end in bytes (ISO/IEC 14496-12, section 4.2).

    A box of size 0 lasts to the end of the file and is left out.
    """
    place = 0
    while box := _bytes(stream, place, 16):
        size = int.from_bytes(box[:4], "big")
        if size == 1:  # the size is in the next 8 bytes
            size = int.from_bytes(box[8:16], "big")
        if box[4:8] not in MP4_BOXES or not 8 <= size < 2**63:
            return
        place += size
        yield box[4:8], place


def _asf(head: bytes, stream: BinaryIO) -> int | None:
    """The end of the data object, which follows the header object."""
    place = int.from_bytes(head[16:24], "little")
    data = _bytes(stream, place, 24)
    size = int.from_bytes(data[16:], "little")
    return place + size if data[:16] == ASF_DATA and 0 < size < 2**63 else None


def _flv(head: bytes, stream: BinaryIO) -> int | None:
    """The end of the last tag; four bytes are between two of them (Adobe Flash Video File Format 10.1, annex E)."""
    place = int.from_bytes(head[5:9], "big") + 4
    while True:
        tag = _bytes(stream, place, 4)
        if len(tag) < 4 or tag[0] not in FLV_TAGS:
            return place - 4
        place += 11 + int.from_bytes(tag[1:], "big") + 4


def _program_stream(head: bytes, stream: BinaryIO) -> int | None:
    """The end of the last pack (ISO/IEC 13818-1, section 2.5; a pack of MPEG-1 has a shorter header)."""
    first = max(0, stream.seek(0, os.SEEK_END) - MAX_PACK)
    stream.seek(first)
    tail = stream.read()
    place = tail.rfind(PACK_HEADER)
    while place >= 0:
        code, fields = tail[place : place + 4], tail[place + 4 : place + 14].ljust(10, b"\0")
        if code == PACK_HEADER:
            place += 14 + (fields[9] & 7) if fields[0] >> 6 == 1 else 12
        elif code[:3] == PACK_HEADER[:3] and code[3:] >= bytes([MIN_SYSTEM_CODE]):
            place += 6 + int.from_bytes(fields[:2], "big")
        else:
            return first + place
    return None


def _transport_stream(head: bytes, stream: BinaryIO) -> int | None:
    """The end of the last packet; None for a file of any other format."""
    size = stream.seek(0, os.SEEK_END)
    for packet, sync in PACKET_SYNCS.items():
        last = size // packet
        places = [sync + packet * number for number in (*range(MIN_PACKETS), last)]
        if last >= MIN_PACKETS and all(_bytes(stream, place, 1) == bytes([TS_SYNC]) for place in places):
            return packet * (last + 1)
    return None


def _matroska(head: bytes, stream: BinaryIO) -> int | None:
    """The end of the segment, which follows the EBML header; of its last cluster where what follows has begun."""
    segment = list(islice(_elements(stream, 0), 2))[-1:]
    if not segment or segment[0][0] != MATROSKA_SEGMENT or segment[0][2] is None:
        return None
    _, begin, end = segment[0]
    clusters = None
    for name, _, element_end in _elements(stream, begin):
        if name == MATROSKA_CLUSTER:
            clusters = element_end
        elif clusters is not None and name in AFTER_CLUSTERS:
            return clusters
    return end


def _elements(stream: BinaryIO, place: int) -> Iterator[tuple[bytes, int, int | None]]:
    """The name of each EBML element, and where its content begins and ends (RFC 8794, section 6).

    A size with all bits set is unknown: the end is None, and the element is the last one.
    """
    while head := _bytes(stream, place, 12):
        name, rest = head[: _field_bytes(head)], head[_field_bytes(head) :]
        if not rest or len(rest) < (length := _field_bytes(rest)):
            return
        begin, largest = place + len(name) + length, 2 ** (7 * length) - 1
        size = int.from_bytes(rest[:length], "big") & largest
        yield name, begin, None if size == largest else begin + size
        if size == largest:
            return
        place = begin + size


def _field_bytes(field: bytes) -> int:
    """The length of an EBML number: one byte more for each leading zero bit."""
    return 9 - field[0].bit_length()


def _bytes(stream: BinaryIO, place: int, count: int) -> bytes:
    """The bytes at a place; none after the end of the file, where a system may refuse to seek."""
    try:
        stream.seek(place)
    except (OSError, ValueError, OverflowError):
        return b""
    return stream.read(count)


# First bytes of a file -> the function that finds the end that it declares in bytes, None where it declares none.
DECLARED_ENDS: dict[bytes, Callable[[bytes, BinaryIO], int | None]] = {
    b"RIFF": _chunked, b"RIFX": _chunked, b"RF64": _chunked, b"BW64": _chunked, W64_RIFF: _chunked, b"FORM": _chunked,
    b".snd": _au, b"caff": _end_of_samples, EBML_HEADER: _matroska, ASF_HEADER: _asf, b"FLV\1": _flv,
    PACK_HEADER: _program_stream,
}  # fmt: skip
