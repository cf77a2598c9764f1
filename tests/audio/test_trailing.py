"""A file with something after the end that its header declares: several recordings, samples, or a tag."""

import numpy as np
import pytest
import soundfile
from containers import RATE, encoded, muxed
from helpers import voiced

from thesis_lib.audio.errors import AudioError
from thesis_lib.audio.files import header, read_audio, survey

JOINED = [
    ("wav", "pcm_s16le"), ("aiff", "pcm_s16be"), ("au", "pcm_s16be"), ("caf", "pcm_s16le"), ("m4a", "aac"),
    ("mp4", "aac"), ("mov", "aac"), ("3gp", "aac"), ("wma", "wmav2"), ("flv", "aac"), ("tta", "tta"),
]  # fmt: skip
KINDS = [("WAV", "RIFF"), ("AIFF", "FORM"), ("AU", ".snd"), ("CAF", "caff"), ("RF64", "RF64")]


@pytest.mark.parametrize(("suffix", "codec"), JOINED)
def test_of_joined_files_the_second_is_not_lost_without_a_word(tmp_path, suffix, codec):
    first, second = (
        muxed(tmp_path / f"{length}.{suffix}", voiced(length, 44_100), codec, 44_100).read_bytes()
        for length in (0.3, 0.5)
    )
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(first + second)
    for read in (survey, header, read_audio):
        with pytest.raises(AudioError, match=rf"a\.{suffix}: several files joined to one; .* a file of its own"):
            read(path)


@pytest.mark.parametrize("suffix", ["mkv", "webm", "avi", "w64", "mp3", "ogg", "ac3", "mp2", "ts", "mpg"])
def test_joined_files_that_a_decoder_reads_to_the_end_are_not_refused(tmp_path, suffix):
    codec = {"mkv": "aac", "webm": "libopus", "mp3": "libmp3lame", "ogg": "libopus", "ac3": "ac3", "ts": "aac"}
    codec = codec.get(suffix, "mp2" if suffix in ("mp2", "mpg") else "pcm_s16le")
    path = muxed(tmp_path / f"a.{suffix}", voiced(1.0, RATE), codec)
    path.write_bytes(path.read_bytes() * 2)
    assert len(read_audio(path)[0]) / RATE == pytest.approx(2.0, abs=0.15)


def short(path, wav, kind, share=0.4):
    """Write a file with the header of its first part alone."""
    soundfile.write(path, wav[: int(share * len(wav))], RATE, format=kind, subtype="PCM_16")
    samples = (wav[int(share * len(wav)) :] * 32767).astype("<i2" if kind in ("WAV", "RF64") else ">i2")
    path.write_bytes(path.read_bytes() + samples.tobytes())
    return 2 * len(samples)


@pytest.mark.parametrize(("kind", "magic"), KINDS)
def test_samples_after_the_declared_end_are_noted(tmp_path, kind, magic):
    path = tmp_path / "a.wav"
    unread = short(path, voiced(1.0, RATE), kind)
    assert path.read_bytes().startswith(magic.encode())
    assert survey(path).seconds == pytest.approx(0.4, abs=0.01)
    [note] = survey(path).notes("a")
    assert note.startswith(f"a: {unread:,} bytes after the end that its header declares are not read")


def test_a_data_chunk_that_is_too_short_within_the_size_of_the_file(tmp_path):
    path = tmp_path / "a.wav"
    data = bytearray(encoded(path, voiced(1.0, RATE)))
    data[40:44] = (RATE // 2).to_bytes(4, "little")
    path.write_bytes(data)
    [note] = survey(path).notes("a")
    assert f"{2 * RATE - RATE // 2:,} bytes" in note
    data[4:8] = (36 + RATE // 2).to_bytes(4, "little")
    silent = np.zeros(9000, np.uint8)
    path.write_bytes(data[: 44 + RATE // 2] + silent.tobytes())
    assert survey(path).notes("a") == [], "nothing but silence is lost"
    silent[-1] = 1
    path.write_bytes(data[: 44 + RATE // 2] + silent.tobytes())
    assert len(survey(path).notes("a")) == 1


@pytest.mark.parametrize(("kind", "magic"), KINDS)
@pytest.mark.parametrize("after", [b"", b"ID3\4" + bytes(range(256)) * 50, b"TAG" + bytes(125), b"\xff" * 9000])
def test_a_tag_and_padding_are_no_samples(tmp_path, kind, magic, after):
    path = tmp_path / "a.wav"
    soundfile.write(path, voiced(0.3, RATE), RATE, format=kind, subtype="PCM_16")
    path.write_bytes(path.read_bytes() + after)
    assert survey(path).notes("a") == []


def test_chunks_after_the_samples_and_after_the_end_are_known(tmp_path):
    path = tmp_path / "a.wav"
    data = encoded(path, voiced(0.3, RATE))
    odd = b"bext" + (9001).to_bytes(4, "little") + bytes(range(256)) * 36
    path.write_bytes(data + odd[: 8 + 9001] + b"\0" + b"LIST" + (9000).to_bytes(4, "little") + odd[:9000])
    assert survey(path).notes("a") == []
