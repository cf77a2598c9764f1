"""Whether a file is shorter than its header or its last page declares, as after an interrupted copy.

Uncompressed samples have no packet that could be broken, and Matroska ends cleanly at any block: only the declared
size tells. So do the last tag, pack or packet of FLV, MPEG-PS and MPEG-TS. A size that a writer to a pipe leaves,
because it cannot go back, declares nothing.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

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
EBML_HEADER, MATROSKA_SEGMENT = bytes.fromhex("1a45dfa3"), bytes.fromhex("18538067")
ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
ASF_DATA = bytes.fromhex("3626b2758e66cf11a6d900aa0062ce6c")
FLV_TAGS = (8, 9, 18)  # audio, video, script data
PACK_HEADER = bytes.fromhex("000001ba")  # of an MPEG program stream
MIN_SYSTEM_CODE = 0xBB  # start codes from here on have a length (ISO/IEC 13818-1, table 2-22)
PACKET_SYNCS = {TS_BYTES: 0, M2TS_BYTES: 4}  # length of a transport packet -> place of its synchronisation byte
MIN_PACKETS = 3  # that a transport stream is recognised by
W64_RIFF = bytes.fromhex("726966662e91cf11a5d628db04c10000")


def is_shorter_than_declared(path: Path) -> bool:
    """Whether a file ends before the size in its header, or within its last tag, pack or packet.

    Of WAV, RF64, W64, AIFF, AU, CAF, Matroska, MP4, MOV, ASF, FLV, MPEG-PS and MPEG-TS.
    """
    with open(path, "rb") as stream:
        head = stream.read(32)
        find = next((find for magic, find in DECLARED_ENDS.items() if head.startswith(magic)), _transport_stream)
        end = (_mp4 if head[4:8] in MP4_BOXES else find)(head, stream)
    return end is not None and end > path.stat().st_size + MAX_PADDING_BYTES


def mp4_is_cut(path: Path) -> bool:
    """Whether a file begins as an MP4 or MOV file does, and ends within a box."""
    with open(path, "rb") as stream:
        begins = stream.read(8)[4:] in MP4_BOXES
    return begins and is_shorter_than_declared(path)


def ogg_is_cut(path: Path) -> bool:
    """Whether the last page of an Ogg file is longer than the rest of the file (RFC 3533, section 6)."""
    with open(path, "rb") as stream:
        if stream.read(4) != b"OggS":
            return False
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, size - MAX_OGG_PAGE))
        tail = stream.read()
    if (start := tail.rfind(b"OggS")) < 0:
        return False
    page = tail[start:]
    return len(page) < 27 or len(page) < 27 + page[26] + sum(page[27 : 27 + page[26]])


def _known(size: int) -> int | None:
    return size if size and not any(size in sizes for sizes in UNKNOWN_SIZES) else None


def _riff(head: bytes, stream: BinaryIO) -> int | None:
    size = _known(int.from_bytes(head[4:8], "little"))
    return size and size + 8


def _rf64(head: bytes, stream: BinaryIO) -> int | None:
    """The size is in the chunk ds64 (EBU Tech 3306)."""
    size = int.from_bytes(head[20:28], "little")
    return size + 8 if head[12:16] == b"ds64" and 0 < size < 2**63 else None


def _w64(head: bytes, stream: BinaryIO) -> int | None:
    size = int.from_bytes(head[16:24], "little")
    return size if 0 < size < 2**63 else None


def _iff(head: bytes, stream: BinaryIO) -> int | None:
    """Of AIFF and RIFX."""
    size = _known(int.from_bytes(head[4:8], "big"))
    return size and size + 8


def _au(head: bytes, stream: BinaryIO) -> int | None:
    size = _known(int.from_bytes(head[8:12], "big"))
    return size and size + int.from_bytes(head[4:8], "big")


def _caf(head: bytes, stream: BinaryIO) -> int | None:
    """The end of the chunk "data"; its size is -1 while it is being written."""
    place = 8
    while True:
        stream.seek(place)
        chunk = stream.read(12)
        size = int.from_bytes(chunk[4:], "big", signed=True)
        if len(chunk) < 12 or size < 0:
            return None
        place += 12 + size
        if chunk[:4] == b"data":
            return place


def _mp4(head: bytes, stream: BinaryIO) -> int | None:
    """The end of the last box of known type."""
    return max((end for _, end in mp4_boxes(stream)), default=0)


def mp4_boxes(stream: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """The type of each box of an MP4 or MOV file, and its end in bytes (ISO/IEC 14496-12, section 4.2).

    A box of size 0 lasts to the end of the file and is left out.
    """
    place = 0
    while True:
        stream.seek(place)
        box = stream.read(16)
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
    if place >= 2**63:
        return None
    stream.seek(place)
    data = stream.read(24)
    size = int.from_bytes(data[16:], "little")
    return place + size if data[:16] == ASF_DATA and 0 < size < 2**63 - place else None


def _flv(head: bytes, stream: BinaryIO) -> int | None:
    """The end of the last tag; four bytes are between two of them (Adobe Flash Video File Format 10.1, annex E)."""
    place = int.from_bytes(head[5:9], "big") + 4
    while True:
        stream.seek(place)
        tag = stream.read(4)
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
        if last >= MIN_PACKETS and all(_byte(stream, place) == bytes([TS_SYNC]) for place in places):
            return packet * (last + 1)
    return None


def _byte(stream: BinaryIO, place: int) -> bytes:
    stream.seek(place)
    return stream.read(1)


def _matroska(head: bytes, stream: BinaryIO) -> int | None:
    """The end of the segment, which follows the EBML header."""
    segment = _ebml_end(stream, len(EBML_HEADER))
    if segment is None:
        return None
    stream.seek(segment)
    if stream.read(len(MATROSKA_SEGMENT)) != MATROSKA_SEGMENT:
        return None
    return _ebml_end(stream, segment + len(MATROSKA_SEGMENT))


def _ebml_end(stream: BinaryIO, place: int) -> int | None:
    """The end of an EBML element from the place of its size (RFC 8794, section 6); all bits set: unknown."""
    stream.seek(place)
    field = stream.read(8)
    length = 9 - field[0].bit_length() if field else 9  # bytes: one more for each leading zero bit
    if len(field) < length:
        return None
    largest = 2 ** (7 * length) - 1
    size = int.from_bytes(field[:length], "big") & largest
    return None if size == largest else place + length + size


# First bytes of a file -> the function that finds the end that it declares in bytes, None where it declares none.
DECLARED_ENDS: dict[bytes, Callable[[bytes, BinaryIO], int | None]] = {
    b"RIFF": _riff, b"RIFX": _iff, b"RF64": _rf64, b"BW64": _rf64, W64_RIFF: _w64, b"FORM": _iff, b".snd": _au,
    b"caff": _caf, EBML_HEADER: _matroska, ASF_HEADER: _asf, b"FLV\1": _flv, PACK_HEADER: _program_stream,
}  # fmt: skip
