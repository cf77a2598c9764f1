"""A file on stdin is recognised by its first bytes; anything else is raw samples."""

import io

import numpy as np
import pytest
import soundfile
from containers import encoded, muxed
from helpers import voiced

from thesis_lib.audio.errors import AudioError
from thesis_lib.audio.streams import stream_blocks

RATE = 16_000


class Pipe(io.BytesIO):
    """A stream that cannot seek; ``tell`` says how many bytes were read."""

    def seekable(self):
        return False

    def seek(self, *_):
        raise OSError("a pipe cannot seek")


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "opus", "mp3"])
def test_a_file_on_stdin_has_its_own_rate_and_length(tmp_path, suffix):
    wav = voiced(7.0, 48_000)
    data = encoded(tmp_path / f"a.{suffix}", wav, 48_000)
    rate, blocks = stream_blocks(Pipe(data), RATE, 0.25)
    found = list(blocks)
    read = np.concatenate(found)
    assert rate == 48_000
    assert {len(block) for block in found[:-1]} == {12_000}, "the voice activity detector runs once a block"
    assert len(read) / rate == pytest.approx(7.0, abs=0.1)
    assert np.sqrt(np.mean(read**2)) == pytest.approx(np.sqrt(np.mean(wav**2)), rel=0.05)


def test_a_wav_stream_without_a_length_arrives_at_once(tmp_path):
    data = bytearray(encoded(tmp_path / "a.wav", voiced(7.0, RATE), RATE))
    place = data.find(b"data") + 4
    data[4:8] = data[place : place + 4] = b"\xff\xff\xff\xff"  # what a recorder writes to a pipe
    pipe = Pipe(bytes(data))
    rate, blocks = stream_blocks(pipe, 22_050, 0.25)
    first = next(blocks)
    assert pipe.tell() <= 2**16 + 8192, "after what FFmpeg examines"
    next(blocks)
    assert pipe.tell() <= 2**16 + 12_288, "not at the end of the stream"
    assert (2 * len(first) + sum(map(len, blocks))) / rate == pytest.approx(7.0, abs=0.01)


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000])
@pytest.mark.parametrize("tag", [b"", b"ID3\x04\0\0\0\0\0\0"])
def test_an_mp3_is_recognised_with_and_without_a_tag(tmp_path, rate, tag):
    found, blocks = stream_blocks(Pipe(tag + encoded(tmp_path / "a.mp3", voiced(2.0, rate), rate)), 12_345, 0.25)
    assert found == rate
    assert sum(map(len, blocks)) / rate == pytest.approx(2.0, abs=0.2)


def test_an_aac_stream_is_recognised(tmp_path):
    path = muxed(tmp_path / "a.aac", voiced(2.0, RATE), "aac", RATE)
    found, blocks = stream_blocks(Pipe(path.read_bytes()), 12_345, 0.25)
    assert found == RATE
    assert sum(map(len, blocks)) / RATE == pytest.approx(2.0, abs=0.2)


def test_samples_that_begin_like_a_frame_are_raw():
    for head in (b"\xff\xfb\x90\x64", b"\xff\xf1\x50\x80\x20\x1f\xfc"):
        data = head + bytes(5000 - len(head))
        rate, blocks = stream_blocks(Pipe(data), RATE, 0.25)
        assert rate == RATE
        assert np.concatenate(list(blocks)).tobytes() == data
        assert np.concatenate(list(stream_blocks(Pipe(data[:20]), RATE, 0.25)[1])).tobytes() == data[:20]


@pytest.mark.parametrize(
    ("suffix", "codec", "name"),
    [("m4a", "aac", "MP4"), ("aiff", "pcm_s16be", "AIFF"), ("wma", "wmav2", "WMA"), ("avi", "pcm_s16le", "AVI"),
     ("caf", "pcm_s16le", "CAF"), ("w64", "pcm_s16le", "W64"), ("au", "pcm_s16be", "AU"), ("flv", "aac", "FLV"),
     ("mpg", "mp2", "MPEG")],
)  # fmt: skip
def test_a_file_that_cannot_be_streamed_is_refused_and_not_played_as_samples(tmp_path, suffix, codec, name):
    data = muxed(tmp_path / f"a.{suffix}", voiced(1.0, 44_100), codec, 44_100).read_bytes()
    with pytest.raises(AudioError, match=f"stdin: cannot be streamed; it is {name}: save it to a file"):
        stream_blocks(Pipe(data), RATE, 0.25)
    with pytest.raises(AudioError, match="it is AMR"):
        stream_blocks(Pipe(b"#!AMR\n" + bytes(50)), RATE, 0.25)


def test_raw_samples_stay_raw(tmp_path):
    samples = (1000 * voiced(1.0, RATE)).astype("<i2")
    rate, blocks = stream_blocks(Pipe(samples.tobytes() + b"x"), RATE, 0.25)
    assert rate == RATE
    assert np.array_equal(np.concatenate(list(blocks)), samples)
    assert [len(block) for block in stream_blocks(Pipe(b""), RATE, 0.25)[1]] == []


def test_two_channels_are_averaged(tmp_path):
    path = tmp_path / "a.flac"
    left = voiced(1.0, RATE)
    soundfile.write(path, np.stack([left, np.zeros(RATE)], 1), RATE)
    _, blocks = stream_blocks(Pipe(path.read_bytes()), RATE, 0.25)
    assert np.concatenate(list(blocks)) == pytest.approx(left / 2, abs=1e-4)


def test_a_stream_that_only_begins_like_a_file_is_one_clear_error():
    with pytest.raises(AudioError, match="stdin: undecodable; it begins as a flac file"):
        list(stream_blocks(Pipe(b"fLaC" + b"\0" * 50), RATE, 0.25)[1])
