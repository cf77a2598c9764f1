"""A cut file of compressed audio or video is called truncated; a whole one, and one with something after it, is not."""

import pytest
from containers import RATE, muxed
from films import film
from helpers import voiced

from thesis_lib.audio.errors import AudioError
from thesis_lib.audio.files import read_audio, survey
from thesis_lib.audio.truncation import is_shorter_than_declared

CUT = [
    ("mp2", "mp2"), ("ac3", "ac3"), ("eac3", "eac3"), ("flv", "aac"), ("flv", "libmp3lame"), ("mpg", "mp2"),
    ("mpg", "ac3"), ("ts", "aac"), ("ts", "mp2"), ("m2ts", "ac3"), ("wma", "wmav2"), ("tta", "tta"),
]  # fmt: skip


@pytest.mark.parametrize(("suffix", "codec"), CUT)
def test_a_cut_file_is_told_from_a_whole_one(tmp_path, suffix, codec):
    path = muxed(tmp_path / f"a.{suffix}", voiced(2.0, 44_100), codec, 44_100)
    data = path.read_bytes()
    assert survey(path).seconds == pytest.approx(2.0, abs=0.1)
    for after in (b"TAG" + b"a title".ljust(125, b"\0"), bytes(5000)):
        path.write_bytes(data + after)
        assert not is_shorter_than_declared(path)
        if suffix not in ("ts", "m2ts"):  # FFmpeg stops where no packet follows
            assert survey(path).seconds == pytest.approx(2.0, abs=0.1)
    for share in (0.43, 0.71):
        path.write_bytes(data[: int(share * len(data)) + 1])
        for read in (survey, read_audio):
            with pytest.raises(AudioError, match=rf"a\.{suffix}: (truncated|undecodable; .*damaged)"):
                read(path)


@pytest.mark.parametrize("suffix", ["flv", "mpg", "ts", "m2ts"])
def test_a_film_that_is_cut_in_its_picture_is_truncated(tmp_path, suffix):
    """The last packet of its audio is whole."""
    picture, audio = ("flv1", "aac") if suffix == "flv" else ("mpeg2video", "mp2")
    path = film(tmp_path / f"a.{suffix}", seconds=1.0, picture=picture, audio=audio)
    data = path.read_bytes()
    survey(path)
    found = []
    for cut in range(len(data) // 2, len(data) // 2 + 4000, 97):
        path.write_bytes(data[:cut])
        found.append(is_shorter_than_declared(path))
    assert sum(found) >= 0.9 * len(found), "but at the end of a packet"


@pytest.mark.parametrize("data", [b"", b"G", b"G" + bytes(1000), b"FLV\1", bytes(2000), b"\0\0\1", b"\x0b\x77"])
def test_a_few_bytes_declare_no_end(tmp_path, data):
    path = tmp_path / "a"
    path.write_bytes(data)
    assert not is_shorter_than_declared(path)


def test_a_pack_of_mpeg_1_has_a_shorter_header(tmp_path):
    path = tmp_path / "a.mpg"
    pack, audio = bytes.fromhex("000001ba2100010001800001"), b"\0\0\1\xc0" + (100).to_bytes(2, "big") + bytes(100)
    for after, is_cut in ((b"", False), (b"\0\0\1\xb9", False), (audio[:-2], True), (audio[:20], True)):
        path.write_bytes(pack + audio + pack + audio + after)
        assert is_shorter_than_declared(path) is is_cut


def test_a_film_of_a_live_source_declares_no_size(tmp_path):
    path = muxed(tmp_path / "a.wma", voiced(1.0, RATE), "wmav2")
    data = bytearray(path.read_bytes())
    place = data.find(bytes.fromhex("3626b2758e66cf11")) + 16
    for size in (0, 2**64 - 1):
        data[place : place + 8] = size.to_bytes(8, "little")
        path.write_bytes(data)
        assert not is_shorter_than_declared(path)
