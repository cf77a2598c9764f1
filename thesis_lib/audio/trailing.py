"""What a file holds after the end that its header declares: a second recording, or samples that no decoder reads.

libsndfile and FFmpeg stop at that end: of two files that `cat` has joined they read the first, and of a recording with
an earlier length in its header the beginning.
"""

import mmap
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from thesis_lib.audio.truncation import (
    ASF_HEADER,
    CHUNKS,
    DECLARED_ENDS,
    HEAD_BYTES,
    SAMPLE_CHUNKS,
    W64_RIFF,
    chunks_of,
    mp4_boxes,
)

# The beginning of a file of each format that a decoder reads alone; it is long enough to occur nowhere else by chance.
BEGINNINGS = [
    re.compile(pattern, re.DOTALL)
    for pattern in (
        rb"RIFF.{4}WAVE", rb"RIFX.{4}WAVE", rb"RF64.{4}WAVEds64", rb"BW64.{4}WAVEds64", rb"FORM.{4}AIF[FC]",
        rb"\.snd\x00.{7}\x00\x00\x00.\x00.{3}\x00\x00\x00", rb"caff\x00\x01\x00\x00desc", re.escape(ASF_HEADER),
        rb"FLV\x01[\x01\x04\x05]\x00\x00\x00\x09\x00\x00\x00\x00", rb"TTA1[\x01-\x03]\x00.\x00.\x00",
        rb"MAC .{2}\x00\x00\x34\x00\x00\x00",
    )
]  # fmt: skip


MIN_UNREAD_BYTES = 4096  # fewer may be a tag or padding
UNREAD = "{:,} bytes after the end that its header declares are not read: if speech is missing, export it anew"
TAGS = (b"TAG", b"ID3", b"LYRICSBEGIN", b"APETAGEX")
BLOCK_BYTES = 2**20


def is_joined(path: Path) -> bool:
    """Whether a file is several files joined, in a format of which decoders read only the first."""
    with open(path, "rb") as stream:
        if [kind for kind, _ in mp4_boxes(stream)].count(b"moov") > 1:
            return True
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return any(begins.match(data) and begins.search(data, 1) for begins in BEGINNINGS)


def unread_bytes(path: Path) -> int:
    """The number of bytes after the last chunk of a WAV, RF64, AIFF, AU or CAF file that may be samples."""
    with open(path, "rb") as stream:
        end = _end_of_chunks(stream)
        if end is None:
            return 0
        stream.seek(end)
        return _samples_in(_blocks(stream), path.stat().st_size - end)


def unread_after(end: int, following: bytes, size: int) -> int:
    """The number of bytes of a WAV stream that may be samples, and that lie after the chunks after its samples.

    The samples end at byte ``end`` of ``size``; ``following`` has the bytes after it, or as many as were kept.
    """
    layout = CHUNKS[b"RIFF"]
    place = end + end % 2
    while place + layout.head_bytes <= end + len(following):
        kind, length = following[place - end :][:4], following[place - end :][4 : layout.head_bytes]
        stop = place + layout.head_bytes + int.from_bytes(length, layout.order)
        begins_anew = any(begins.match(following, place - end) for begins in BEGINNINGS)
        if not _is_name(kind) or kind in SAMPLE_CHUNKS or begins_anew or stop > size + 1:
            break
        place = stop + stop % 2
    return _samples_in(iter([following[place - end :]]), size - place)


def _samples_in(blocks: Iterator[bytes], count: int) -> int:
    """``count``, the number of bytes in the blocks; 0 where they are few, a tag, or padding of one value.

    Without a first block the bytes are unknown, and may be samples.
    """
    if count < MIN_UNREAD_BYTES:
        return 0
    first = next(blocks, b"")
    is_padding = bool(first) and not first.strip(first[:1]) and not any(block.strip(first[:1]) for block in blocks)
    return 0 if is_padding or first.startswith(TAGS) else count


def _is_name(kind: bytes) -> bool:
    return kind.isascii() and kind.decode().isprintable()


def _blocks(stream: BinaryIO) -> Iterator[bytes]:
    return iter(lambda: stream.read(BLOCK_BYTES), b"")


def _end_of_chunks(stream: BinaryIO) -> int | None:
    """The end of the last known chunk; None where the samples last to the end of the file, and for other formats."""
    head, size = stream.read(HEAD_BYTES), stream.seek(0, os.SEEK_END)
    if head[:4] == b".snd":
        return DECLARED_ENDS[b".snd"](head, stream)
    if head[:4] not in CHUNKS or head[8:12] == b"AVI " or head.startswith(W64_RIFF):
        return None
    place, has_samples = 0, False
    for kind, begin, end in chunks_of(head, stream):
        if not _is_name(kind) or end > size + 1 or (kind in SAMPLE_CHUNKS and begin == end):
            break
        has_samples |= kind in SAMPLE_CHUNKS
        place = end + -end % CHUNKS[head[:4]].alignment
    return place if has_samples else None
