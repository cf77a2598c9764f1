"""A file on stdin is recognised by its first bytes; anything else is raw samples."""

import io

import numpy as np
import pytest
import soundfile
from containers import encoded, muxed
from helpers import voiced

from thesis_lib.audio.errors import AudioError
from thesis_lib.audio.files import check_speech
from thesis_lib.audio.repair import MIN_SLICE
from thesis_lib.audio.streams import FRAMED, SEARCHED_BYTES, _first_frame, stream_blocks
from thesis_lib.audio.trailing import BLOCK_BYTES

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


@pytest.mark.parametrize(
    ("suffix", "codec", "rate"),
    [("aac", "aac", 16_000), ("mp2", "mp2", 16_000), ("mp2", "mp2", 48_000), ("ac3", "ac3", 44_100),
     ("eac3", "eac3", 48_000)],
)  # fmt: skip
def test_a_stream_of_frames_is_recognised(tmp_path, suffix, codec, rate):
    wav = voiced(2.0, rate)
    path = muxed(tmp_path / f"a.{suffix}", wav, codec, rate)
    found, blocks = stream_blocks(Pipe(path.read_bytes()), 12_345, 0.25)
    read = np.concatenate(list(blocks))
    assert found == rate
    assert len(read) / rate == pytest.approx(2.0, abs=0.2)
    assert np.sqrt(np.mean(read**2)) == pytest.approx(np.sqrt(np.mean(wav**2)), rel=0.1)


@pytest.mark.parametrize(
    ("suffix", "codec"), [("mp3", "libmp3lame"), ("mp2", "mp2"), ("aac", "aac"), ("ac3", "ac3"), ("eac3", "eac3")]
)
@pytest.mark.parametrize("start", [50, 1001])
def test_a_stream_that_begins_in_the_middle_of_a_frame_is_recognised(tmp_path, suffix, codec, start):
    wav = voiced(3.0, 44_100)
    data = muxed(tmp_path / f"a.{suffix}", wav, codec, 44_100).read_bytes()
    notes = []
    found, blocks = stream_blocks(Pipe(data[5000 + start :]), 12_345, 0.25, notes.append)
    read = np.concatenate(list(blocks))
    assert found == 44_100
    assert len(read) / found == pytest.approx(3.0 * (1 - (5000 + start) / len(data)), abs=0.2)
    assert np.sqrt(np.mean(read**2)) == pytest.approx(np.sqrt(np.mean(wav**2)), rel=0.15)
    assert "before the first whole frame" in notes[0]


def test_a_transport_stream_that_begins_in_the_middle_of_a_packet_is_refused(tmp_path):
    data = muxed(tmp_path / "a.ts", voiced(3.0, 44_100), "aac", 44_100).read_bytes()
    with pytest.raises(AudioError, match="it is MPEG-TS: save it to a file"):
        stream_blocks(Pipe(data[100:]), RATE, 0.25)


@pytest.mark.parametrize("magic", [b"RF64", b"BW64"])
def test_a_wav_of_64_bit_sizes_is_recognised(tmp_path, magic):
    path, wav = tmp_path / "a.wav", voiced(1.0, RATE)
    soundfile.write(path, wav, RATE, format="RF64", subtype="PCM_16")
    data = path.read_bytes()
    rate, blocks = stream_blocks(Pipe(magic + data[4:]), 12_345, 0.25)
    assert rate == RATE
    assert np.concatenate(list(blocks)) == pytest.approx(wav, abs=1e-4)


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
     ("mpg", "mp2", "MPEG"), ("ts", "aac", "MPEG-TS"), ("m2ts", "ac3", "M2TS"), ("wv", "wavpack", "WavPack"),
     ("tta", "tta", "TTA"), ("mxf", "pcm_s16le", "MXF")],
)  # fmt: skip
def test_a_file_that_cannot_be_streamed_is_refused_and_not_played_as_samples(tmp_path, suffix, codec, name):
    rate = 48_000 if suffix == "mxf" else 44_100
    data = muxed(tmp_path / f"a.{suffix}", voiced(1.0, rate), codec, rate).read_bytes()
    with pytest.raises(AudioError, match=f"stdin: cannot be streamed; it is {name}: save it to a file"):
        stream_blocks(Pipe(data), RATE, 0.25)
    with pytest.raises(AudioError, match="it is RIFX"):
        stream_blocks(Pipe(b"RIFX\0\0\0\x24WAVEfmt " + bytes(50)), RATE, 0.25)
    with pytest.raises(AudioError, match="it is AMR"):
        stream_blocks(Pipe(b"#!AMR\n" + bytes(50)), RATE, 0.25)


@pytest.mark.parametrize("box", [b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"])
def test_a_mov_without_a_file_type_is_refused(box):
    with pytest.raises(AudioError, match="it is MOV: save it to a file"):
        stream_blocks(Pipe(b"\0\0\0\x08" + box + bytes(100)), RATE, 0.25)


def noted(data, rate=RATE, seconds=0.25):
    """The samples, and the notes."""
    notes = []
    blocks = stream_blocks(Pipe(data), rate, seconds, notes.append)[1]
    return np.concatenate(list(blocks)), notes


def wav_bytes(path, wav, rate=RATE, subtype="FLOAT"):
    soundfile.write(path, wav, rate, subtype=subtype)
    return path.read_bytes()


@pytest.mark.parametrize("seconds", [0.01, 0.25, 1.0])
@pytest.mark.parametrize("start", [0.0, 3.0])
def test_a_stream_with_inverted_phase_is_not_silent(tmp_path, start, seconds):
    """From the beginning, and from the middle on; of the second, blocks that are too short to be judged are lost."""
    left = voiced(6.0, RATE)
    right = np.where(np.arange(len(left)) < start * RATE, left, -left)
    read, notes = noted(wav_bytes(tmp_path / "a.wav", np.stack([left, right], 1)), seconds=seconds)
    lost = np.flatnonzero(read != left)
    assert len(lost) == 0 or (start and seconds < 0.1 and len(lost) <= 2 * MIN_SLICE and lost[0] >= start * RATE)
    assert any(note.startswith("stdin: the channels cancel each other (inverted phase)") for note in notes)
    assert len(notes) == len(set(notes)) <= 2


@pytest.mark.parametrize("length", [1.0, 6.0])
def test_a_stream_with_an_offset_and_one_above_full_scale_are_repaired(tmp_path, length):
    wav = voiced(length, RATE)
    read, notes = noted(wav_bytes(tmp_path / "a.wav", wav + 0.3, subtype="PCM_16"))
    assert read == pytest.approx(wav, abs=0.01)
    assert notes == ["stdin: the samples have an offset of +0.30, which was subtracted"]
    read, notes = noted(wav_bytes(tmp_path / "a.wav", 30 * wav))
    check_speech(read, RATE, "stdin")
    assert np.corrcoef(read, wav)[0, 1] > 0.9999
    assert len(notes) == 1
    assert "floating-point samples exceed full scale" in notes[0]


def test_an_offset_of_raw_samples_is_subtracted():
    samples = (1000 * voiced(3.0, RATE) + 8000).astype("<i2")
    read, notes = noted(samples.tobytes())
    assert read.dtype == np.int16
    assert abs(read.mean()) < 10
    assert notes == ["stdin: the samples have an offset of +0.24, which was subtracted"]


def test_a_stream_in_order_is_neither_changed_nor_held_back(tmp_path):
    wav = np.stack([voiced(4.0, RATE), voiced(4.0, RATE, 170.0, seed=1)], 1)
    data = wav_bytes(tmp_path / "a.wav", wav)
    read, notes = noted(data)
    assert np.array_equal(read, wav.mean(axis=1))
    assert notes == []
    pipe = Pipe(data)
    next(stream_blocks(pipe, RATE, 0.25)[1])
    assert pipe.tell() < 2**17


@pytest.mark.parametrize("share", [0.2, 0.5])
def test_a_wav_stream_that_goes_on_after_its_declared_end_is_noted(tmp_path, share):
    """A header of an earlier time, and two files that `cat` has joined."""
    path, wav = tmp_path / "a.wav", voiced(4.0, RATE)
    data = wav_bytes(path, wav, subtype="PCM_16")
    first = wav_bytes(path, wav[: int(share * len(wav))], subtype="PCM_16")
    for given in (first + data[len(first) :], first + data):
        read, notes = noted(given)
        assert len(read) == int(share * len(wav))
        assert len(notes) == 1
        assert f"{len(given) - len(first):,} bytes after the end that its header declares are not read" in notes[0]
    assert noted(data)[1] == []


@pytest.mark.parametrize("size", [9000, 9001, 2 * BLOCK_BYTES])
@pytest.mark.parametrize("count", [4800, 4801])
def test_chunks_after_the_samples_of_a_wav_stream_are_known(tmp_path, size, count):
    """Chunks of any size, also after an odd number of samples of a byte; what lies after them is noted."""
    data = wav_bytes(tmp_path / "a.wav", voiced(1.0, RATE)[:count], subtype="PCM_U8")
    text = bytes(range(256)) * (2 * BLOCK_BYTES // 256)
    chunk = b"LIST" + size.to_bytes(4, "little") + text[:size] + b"\0" * (size % 2)
    for given in (data + chunk, data + chunk * (2 if size < BLOCK_BYTES else 1)):
        assert noted(given)[1] == []
        for more in (data * 2, text[1:9001]):
            [note] = noted(given + more)[1]
            assert f"{len(more):,} bytes after the end" in note
        if size < BLOCK_BYTES:
            assert noted(given + b"\0" * 9000)[1] == []
            assert noted(given + b"ID3" + text[:9000])[1] == []


@pytest.mark.parametrize("scale", [1, 30, 1000, 3000, 12_000])
def test_samples_do_not_look_like_frames_that_follow_each_other(scale):
    samples = (
        (np.random.default_rng(scale).normal(size=50 * SEARCHED_BYTES) * scale).clip(-32_768, 32_767).astype("<i2")
    )
    data = samples.tobytes()
    for start in range(0, len(data), SEARCHED_BYTES):
        part = data[start : start + SEARCHED_BYTES]
        assert all(_first_frame(part, frame_bytes) is None for frame_bytes in FRAMED.values())


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


STREAMED = [
    ("wav", None), ("flac", None), ("mp3", None), ("ogg", None), ("opus", None), ("aac", "aac"), ("mkv", "aac"),
    ("webm", "libopus"), ("ac3", "ac3"), ("mp2", "mp2"),
]  # fmt: skip


def stream_bytes(folder, suffix, codec, seconds=6.0):
    path, wav = folder / f"a.{suffix}", voiced(seconds, 48_000)
    return muxed(path, wav, codec, 48_000).read_bytes() if codec else encoded(path, wav, 48_000)


@pytest.mark.parametrize(("suffix", "codec"), STREAMED)
def test_a_stream_that_breaks_off_is_read_so_far_and_noted(tmp_path, suffix, codec):
    """A tag after a whole one is no break."""
    data = stream_bytes(tmp_path, suffix, codec)
    read, notes = noted(data)
    assert notes == []
    assert len(read) / 48_000 == pytest.approx(6.0, abs=0.1)
    if suffix != "ac3":  # of which FFmpeg takes the tag for the end of the last frame
        assert noted(data + b"TAG" + bytes(125))[1] == []
    read, notes = noted(data[: 6 * len(data) // 10 + 5])
    assert len(read) / 48_000 == pytest.approx(3.6, abs=1.1)
    where = (
        "before the end that its header declares" if suffix in ("wav", "mkv", "webm") else "in the middle of a packet"
    )
    assert notes[0] == f"stdin: the stream ends {where}: its last part is missing"
    assert len(notes) == 1 or "1 of" in notes[1]


@pytest.mark.parametrize(("suffix", "codec"), STREAMED[1:])
def test_a_damaged_packet_of_a_stream_is_left_out_and_noted(tmp_path, suffix, codec):
    """Where packets have times, silence takes its place."""
    data = bytearray(stream_bytes(tmp_path, suffix, codec))
    place, length = int(0.45 * len(data)), int(0.02 * len(data))
    data[place : place + length] = np.random.default_rng(1).bytes(length)
    read, notes = noted(bytes(data))
    assert len(read) / 48_000 == pytest.approx(6.0, abs=0.3 if suffix in ("mp3", "aac", "ac3", "mp2") else 0.1)
    if suffix not in ("mp3", "aac", "ac3", "mp2"):
        assert any("gap(s)" in note and "filled with silence" in note for note in notes)
    else:
        assert any("cannot be decoded and are left out" in note for note in notes)


@pytest.mark.parametrize(
    ("suffix", "codec", "size"),
    [("wav", None, 44), ("flac", None, 60), ("ogg", None, 60), ("mkv", "aac", 300), ("webm", "libopus", 300)],
)
def test_a_stream_that_breaks_off_in_its_header_is_an_error(tmp_path, suffix, codec, size):
    data = stream_bytes(tmp_path, suffix, codec)
    with pytest.raises(AudioError, match=r"stdin: (undecodable; .*send the complete file|no audio)"):
        noted(data[:size])


@pytest.mark.parametrize("off", [8, 36, 44])
def test_a_wav_stream_with_a_wrong_size_of_the_whole_file_is_whole(tmp_path, off):
    data = bytearray(wav_bytes(tmp_path / "a.wav", voiced(1.0, RATE)))
    data[4:8] = (int.from_bytes(data[4:8], "little") + off).to_bytes(4, "little")
    assert noted(bytes(data))[1] == []


def test_an_error_of_ffmpeg_between_two_packets_ends_the_stream_with_a_note(tmp_path):
    data = encoded(tmp_path / "a.ogg", voiced(2.0, RATE), RATE) + encoded(
        tmp_path / "a.ogg", voiced(2.0, 22_050), 22_050
    )
    read, notes = noted(data)
    assert len(read) / RATE == pytest.approx(2.0, abs=0.1)
    assert len(notes) == 1
    assert notes[0].startswith("stdin: FFmpeg stops inside it (")


def test_a_tag_that_is_not_utf8_is_no_error(tmp_path):
    path = tmp_path / "a.flac"
    with soundfile.SoundFile(path, "w", RATE, 1) as stream:
        stream.title = "ma#ana"
        stream.write(voiced(1.0, RATE))
    read, notes = noted(path.read_bytes().replace(b"ma#ana", b"ma\xf1ana"))
    assert len(read) == RATE
    assert notes == []


def test_bytes_without_a_frame_do_not_end_a_stream_of_aac(tmp_path):
    """FFmpeg looks for the next frame in 4096 bytes, and stops."""
    data = bytearray(stream_bytes(tmp_path, "aac", "aac"))
    data[30_000:40_000] = bytes(10_000)
    read, notes = noted(bytes(data))
    assert len(read) / 48_000 == pytest.approx(6.0 * (1 - 10_000 / len(data)), abs=0.2)
    assert len(notes) == 1
    assert "cannot be decoded and are left out" in notes[0]
