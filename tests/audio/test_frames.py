"""The length of a frame by its header is the distance to the next frame."""

import av
import pytest
from containers import muxed
from helpers import voiced

from thesis_lib.audio.frames import FRAME_BYTES


@pytest.mark.parametrize(
    ("suffix", "codec", "rate"),
    [("mp3", "libmp3lame", 48_000), ("mp3", "libmp3lame", 22_050), ("mp3", "libmp3lame", 8_000), ("mp2", "mp2", 44_100),
     ("mp2", "mp2", 16_000), ("aac", "aac", 16_000), ("ac3", "ac3", 48_000), ("ac3", "ac3", 44_100),
     ("ac3", "ac3", 32_000), ("eac3", "eac3", 44_100)],
)  # fmt: skip
def test_the_length_of_every_frame(tmp_path, suffix, codec, rate):
    path = muxed(tmp_path / f"a.{suffix}", voiced(0.5, rate), codec, rate)
    data = path.read_bytes()
    with av.open(str(path)) as container:
        place = next(packet.pos for packet in container.demux() if packet.size)
    count = 0
    while place < len(data):
        place += FRAME_BYTES[suffix](data[place : place + 8])
        count += 1
    assert place == len(data)
    assert count > 5


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("mp3", "fffb"), ("mp3", "fffbf064"), ("mp3", "fffb0064"), ("mp3", "fffb9c64"), ("mp3", "ffffb064"),
        ("mp3", "ffeb9064"), ("mp3", "54414700"), ("aac", "fff1ff80201ffc"), ("aac", "fff15080001ffc"),
        ("aac", "fff150"), ("ac3", "0b77000040"), ("ac3", "0b770000c040"), ("ac3", "0b7700002640"),
        ("ac3", "0b770000ff80"), ("eac3", "0b7700003f40"), ("eac3", "0b77000000ff"), ("eac3", "0b78000000ff"),
    ],
)  # fmt: skip
def test_what_is_no_header_has_no_length(name, head):
    assert FRAME_BYTES[name](bytes.fromhex(head)) is None
