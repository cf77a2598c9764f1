"""Audio tracks without a decoder, damage that FFmpeg stops at, and paths that are no files."""

import os

import numpy as np
import pytest
from containers import RATE, encoded, muxed
from films import film
from helpers import voiced

from thesis_lib.audio.containers import message_of, packets_of
from thesis_lib.audio.errors import AudioError
from thesis_lib.audio.files import header, read_audio, survey
from thesis_lib.audio.streams import stream_blocks

NO_DECODER = "undecodable; there is no decoder for the codec of its audio"


def without_decoder(path, number=None):
    """Give a track of a Matroska film a codec that FFmpeg does not know; None: all of its audio tracks."""
    parts = path.read_bytes().split(b"A_AAC")
    codecs = [b"A_AAC" if number not in (None, place) else b"A_XYZ" for place in range(len(parts) - 1)]
    path.write_bytes(b"".join(part + codec for part, codec in zip(parts, [*codecs, b""], strict=True)))
    return path


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("languages", [("eng", "spa"), ("spa", "eng")])
def test_of_two_tracks_the_one_with_a_decoder_is_read(tmp_path, number, languages):
    tones = [voiced(1.0, RATE, 140.0), voiced(1.0, RATE, 180.0)]
    path = without_decoder(film(tmp_path / "a.mkv", tones, seconds=0.2, languages=languages), number)
    spectrum = np.abs(np.fft.rfft(read_audio(path)[0][:RATE]))
    assert abs(spectrum.argmax() - (180 if number == 0 else 140)) <= 2
    [note] = survey(path).notes(path)
    assert f"of 2 audio tracks, track {2 - number} ({languages[1 - number]}) is read" in note


def test_a_film_without_any_decoder_is_one_clear_error(tmp_path):
    path = without_decoder(film(tmp_path / "a.mkv", [voiced(1.0, RATE)] * 2, seconds=0.2))
    for read in (survey, header, read_audio):
        with pytest.raises(AudioError, match=rf"a\.mkv: {NO_DECODER}") as error:
            read(path)
        assert error.value.reason == "undecodable"


def test_a_wav_with_an_unknown_codec_is_one_clear_error(tmp_path):
    path = tmp_path / "a.wav"
    data = bytearray(encoded(path, voiced(1.0, RATE)))
    data[20:22] = b"\x34\x12"
    path.write_bytes(data)
    with pytest.raises(AudioError, match=rf"a\.wav: {NO_DECODER}"):
        survey(path)
    with open(path, "rb") as stream, pytest.raises(AudioError, match=f"stdin: {NO_DECODER}"):
        stream_blocks(stream, RATE, 0.25)


def damaged(path, codec, place, byte):
    data = bytearray(muxed(path, voiced(1.0, RATE), codec).read_bytes())
    data[place] = byte
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(("suffix", "codec", "place", "byte"), [("wma", "wmav2", 46, 127), ("m4a", "aac", 3, 1)])
def test_a_size_in_a_damaged_header_is_no_error_of_the_system(tmp_path, capfd, suffix, codec, place, byte):
    path = damaged(tmp_path / f"a.{suffix}", codec, place, byte)
    for read in (survey, header, read_audio):
        with pytest.raises(AudioError, match=rf"a\.{suffix}: (undecodable|truncated)"):
            read(path)
    assert "Traceback" not in capfd.readouterr().err


def test_a_damaged_chunk_beside_the_samples_loses_none(tmp_path):
    path = damaged(tmp_path / "a.caf", "pcm_s16le", 56, 1)  # the size of the chunk that describes the channels
    assert read_audio(path)[0] == pytest.approx(voiced(1.0, RATE), abs=1e-4)


class Container:
    """Yields a packet, then stops with an error."""

    def __init__(self, error):
        self.error = error

    def demux(self, streams):
        yield "packet"
        raise self.error


@pytest.mark.parametrize("error", [OSError(22, "Invalid argument"), OSError(5, "Input/output error"), ValueError("x")])
def test_an_error_between_packets_names_the_file(tmp_path, error):
    with pytest.raises(AudioError, match=rf"a\.ts: undecodable; FFmpeg stops inside it \({message_of(error)}\)"):
        list(packets_of(Container(error), [], tmp_path / "a.ts"))


def test_a_track_that_begins_late_does_not_end_the_others(tmp_path):
    """At the end PyAV looks for it among the tracks that were there at the beginning: IndexError."""
    assert list(packets_of(Container(IndexError("list index out of range")), [], tmp_path / "a.ts")) == ["packet"]


def test_a_file_that_may_not_be_read_has_the_message_of_the_system(tmp_path, monkeypatch):
    path = muxed(tmp_path / "a.m4a", voiced(0.5, RATE), "aac")

    def forbidden(*_):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("thesis_lib.audio.containers._File", forbidden)
    with pytest.raises(PermissionError, match=r"Permission denied: .*a\.m4a"):
        survey(path)


def test_a_pipe_and_a_device_are_not_called_empty(tmp_path):
    path = tmp_path / "a.wav"
    os.mkfifo(path)
    for read in (survey, header, read_audio):
        with pytest.raises(AudioError, match=r"a\.wav: is a pipe or a device; .* name - to read standard input"):
            read(path)
    with pytest.raises(AudioError, match="/dev/null: is a pipe or a device"):
        survey("/dev/null")
