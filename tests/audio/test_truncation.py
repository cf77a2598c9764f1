"""A file that lacks samples is called truncated; one with a wrong size, or with something after them, is not."""

import pytest
import soundfile
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


SIZED = [("WAV", 4, "little"), ("AIFF", 4, "big"), ("RF64", 20, "little"), ("W64", 16, "little")]


@pytest.mark.parametrize(("kind", "place", "order"), SIZED)
@pytest.mark.parametrize("more", [2, 8, 36, 44, 100, 100_000])
def test_a_wrong_size_of_the_whole_file_is_no_truncation(tmp_path, kind, place, order, more):
    """As of a writer that counts the header twice."""
    path = tmp_path / "a.wav"
    soundfile.write(path, voiced(1.0, RATE), RATE, format=kind, subtype="PCM_16")
    data, field = bytearray(path.read_bytes()), slice(place, place + 4)
    data[field] = (int.from_bytes(data[field], order) + more).to_bytes(4, order)
    path.write_bytes(data)
    assert survey(path).seconds == 1.0
    assert survey(path).notes("a") == []
    path.write_bytes(data[:-200])
    with pytest.raises(AudioError, match=r"a\.wav: truncated"):
        survey(path)


def test_a_wrong_size_of_the_samples_in_a_whole_file_is_no_truncation(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, voiced(1.0, RATE), RATE)
    data = bytearray(path.read_bytes())
    data[40:44] = (2 * RATE + 1000).to_bytes(4, "little")
    path.write_bytes(data)
    assert survey(path).seconds == 1.0
    data[4:8] = (36 + 2 * RATE + 1000).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(AudioError, match=r"a\.wav: truncated"):
        survey(path)


def test_a_wav_that_is_cut_in_the_tags_after_its_samples_is_whole(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, voiced(1.0, RATE), RATE)
    data, tags = bytearray(path.read_bytes()), b"LIST" + (400).to_bytes(4, "little") + b"INFO" + bytes(396)
    data[4:8] = (36 + 2 * RATE + len(tags)).to_bytes(4, "little")
    for missing in (1, 300, len(tags)):
        path.write_bytes((data + tags)[:-missing])
        assert survey(path).seconds == 1.0


@pytest.mark.parametrize(
    ("suffix", "codec", "index"),
    [("mkv", "aac", bytes.fromhex("1c53bb6b")), ("webm", "libopus", bytes.fromhex("1c53bb6b")),
     ("avi", "pcm_s16le", b"idx1")],
)  # fmt: skip
def test_a_film_that_is_cut_in_its_index_is_whole(tmp_path, suffix, codec, index):
    path = muxed(tmp_path / f"a.{suffix}", voiced(2.0, RATE), codec, picture=suffix != "webm")
    data = path.read_bytes()
    place = data.rindex(index)
    seconds = survey(path).seconds
    for end in (place + 8, (place + len(data)) // 2, len(data) - 1):
        path.write_bytes(data[:end])
        assert survey(path).seconds == seconds
    path.write_bytes(data[: place - 60])
    with pytest.raises(AudioError, match="truncated"):
        survey(path)


@pytest.mark.parametrize("suffix", ["mp4", "mov"])
def test_an_mp4_that_is_cut_in_a_free_box_is_whole_unless_samples_are_to_follow(tmp_path, suffix):
    path = muxed(tmp_path / f"a.{suffix}", voiced(1.0, RATE), "aac")
    data, free = path.read_bytes(), b"\0\0\x04\0free" + bytes(500)
    path.write_bytes(data + free)
    assert survey(path).seconds == pytest.approx(1.0, abs=0.1)
    path.write_bytes(data[: data.index(b"moov") - 4] + free)
    with pytest.raises(AudioError, match="truncated"):
        survey(path)


@pytest.mark.parametrize("size", [2**40, 2**60, 2**63 - 1, 2**64 - 2])
def test_a_size_beyond_any_file_is_no_error_of_the_system(tmp_path, size):
    """A place at which no file system has a byte."""
    path = tmp_path / "a"
    for head, order in (
        (b"caff\0\1\0\0desc", "big"), (b"\0\0\0\1free", "big"),
        (bytes.fromhex("726966662e91cf11a5d628db04c10000") + bytes(24) + b"junk".ljust(16, b"\0"), "little"),
        (bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"), "little"),
        (bytes.fromhex("1a45dfa380185380670aec01"), "big"),
    ):  # fmt: skip
        path.write_bytes(head + size.to_bytes(8, order) + bytes(100))
        is_shorter_than_declared(path)
