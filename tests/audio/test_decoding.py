"""Files with another length in the header than in their packets, files of every container, and cut files."""

import os
import re

import av
import numpy as np
import pytest
import soundfile
from containers import CODECS, FORMATS, RATE, encoded, muxed, without_first_frame
from films import film
from helpers import voiced

from thesis_lib.audio import decoding
from thesis_lib.audio.errors import AudioError
from thesis_lib.audio.files import header, read_audio, read_blocks, survey
from thesis_lib.audio.truncation import is_shorter_than_declared


@pytest.mark.parametrize("loud_start", [True, False])
def test_a_variable_rate_mp3_without_its_length_is_read_to_the_end(tmp_path, loud_start):
    """libsndfile extrapolates from the first frame: far too few samples, or so many that the file seems truncated."""
    rng = np.random.default_rng(0)
    noise, tone = 0.5 * rng.normal(size=RATE // 2).clip(-1.9, 1.9), 0.02 * voiced(9.0, RATE)
    wav = np.concatenate([noise, tone] if loud_start else [tone, noise])
    path = tmp_path / "a.mp3"
    data = encoded(path, wav, bitrate_mode="VARIABLE", compression_level=0.3)
    path.write_bytes(without_first_frame(data, path))
    assert abs(soundfile.info(path).duration - 9.5) > 1
    assert len(read_audio(path)[0]) / RATE == pytest.approx(9.5, abs=0.1)
    assert header(path)[1] == pytest.approx(9.5, abs=0.1)
    assert sum(map(len, read_blocks(path, 1.0))) / RATE == survey(path).seconds == pytest.approx(9.5, abs=0.1)


@pytest.mark.parametrize("suffix", ["mp3", "ogg", "opus", "flac"])
def test_joined_files_are_read_to_the_end_of_the_last(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    first, second = voiced(2.0, RATE, 140.0), voiced(3.0, RATE, 220.0)
    path.write_bytes(encoded(path, first) + encoded(path, second))
    wav = read_audio(path)[0]
    assert len(wav) / RATE == pytest.approx(5.0, abs=0.1)
    power = np.abs(np.fft.rfft(wav[-RATE:]))
    assert abs(power.argmax() - 220) <= 2, "the end is the second file's"


def test_joined_mp3_files_of_two_rates_keep_their_durations(tmp_path):
    path = tmp_path / "a.mp3"
    path.write_bytes(encoded(path, voiced(2.0, RATE)) + encoded(path, voiced(3.0, 44_100), 44_100))
    wav, rate = read_audio(path)
    assert rate == RATE
    assert len(wav) / rate == pytest.approx(5.0, abs=0.1)


def test_joined_mp3_files_of_two_rates_and_channel_counts_are_read(tmp_path):
    path, stereo = tmp_path / "a.mp3", tmp_path / "stereo.mp3"
    soundfile.write(stereo, np.stack([voiced(2.0, 44_100)] * 2, 1), 44_100)
    mono = encoded(path, voiced(2.0, 44_100, 220.0), 44_100)
    path.write_bytes(encoded(path, voiced(2.0, 22_050), 22_050) + stereo.read_bytes() + mono)
    wav, rate = read_audio(path)
    assert rate == 22_050
    assert len(wav) / rate == pytest.approx(6.0, abs=0.25)
    power = np.abs(np.fft.rfft(wav[-rate:]))
    assert abs(power.argmax() - 220) <= 2


def test_each_resampled_part_of_a_joined_file_is_whole():
    """Frames at 16 kHz, then 32 kHz twice as mono and stereo: every second has 16,000 samples."""
    tone = np.sin(2 * np.pi * 100 * np.arange(32_000) / 32_000).astype(np.float32)[:, None]
    frames = [(tone[::2], 16_000), (tone[:20_000], 32_000), (tone[20_000:], 32_000), (np.repeat(tone, 2, 1), 32_000)]
    found = list(decoding.at_one_rate(iter(frames), 16_000))
    assert sum(map(len, found)) == 3 * 16_000
    for channel in (0, -1):
        wav = np.concatenate([block[:, channel] for block in found])
        assert wav == pytest.approx(np.tile(tone[::2, 0], 3), abs=0.02)


def test_joined_ogg_files_of_two_rates_are_refused_rather_than_cut(tmp_path):
    path = tmp_path / "a.ogg"
    path.write_bytes(encoded(path, voiced(2.0, RATE)) + encoded(path, voiced(3.0, 22_050), 22_050))
    with pytest.raises(AudioError, match=r"a\.ogg: undecodable; .*convert it to WAV"):
        read_audio(path)


@pytest.mark.parametrize("suffix", ["flac", "wav"])
def test_a_stream_with_no_length_in_its_header_is_read(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    data = bytearray(encoded(path, voiced(2.0, RATE)))
    if suffix == "flac":
        data[21:26] = bytes([data[21] & 0xF0, 0, 0, 0, 0])  # 36 bits: the number of samples
    else:
        place = data.find(b"data") + 4
        data[4:8] = data[place : place + 4] = b"\0\0\0\0"
    path.write_bytes(data)
    assert header(path) == (RATE, 2.0)
    assert len(read_audio(path)[0]) == 2 * RATE


@pytest.mark.parametrize("suffix", ["mp3", "ogg", "opus", "flac", "wav"])
@pytest.mark.parametrize("share", [0.4, 0.7])
def test_a_cut_file_is_truncated_and_a_whole_one_with_something_after_it_is_not(tmp_path, suffix, share):
    path = tmp_path / f"a.{suffix}"
    data = encoded(path, voiced(6.0, RATE, seed=1))
    path.write_bytes(data[: int(share * len(data)) + 5])
    for read in (read_audio, survey, lambda path: next(read_blocks(path))):
        with pytest.raises(AudioError, match=rf"a\.{suffix}: truncated"):
            read(path)
    for more in (b"TAG" + b"a title".ljust(125, b"\0"), bytes(5000), b"\xff" * 100, b"LYRICSBEGIN and an end"):
        path.write_bytes(data + more)
        assert len(read_audio(path)[0]) / RATE == pytest.approx(6.0, abs=0.1)


@pytest.mark.parametrize("kind", ["AIFF", "CAF", "W64", "AU", "RF64"])
def test_a_cut_file_of_uncompressed_samples_is_truncated(tmp_path, kind):
    path = tmp_path / "a.wav"
    soundfile.write(path, voiced(2.0, RATE), RATE, format=kind, subtype="PCM_16")
    assert len(read_audio(path)[0]) == 2 * RATE
    data = path.read_bytes()
    path.write_bytes(data + b"something after it")
    assert len(read_audio(path)[0]) == pytest.approx(2 * RATE, abs=9)
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(AudioError, match=r"a\.wav: truncated"):
        read_audio(path)


@pytest.mark.parametrize(("suffix", "codec"), [("mkv", "aac"), ("webm", "libopus")])
def test_a_cut_matroska_file_is_truncated_and_a_live_one_without_a_size_is_not(tmp_path, suffix, codec):
    path = muxed(tmp_path / f"a.{suffix}", voiced(4.0, RATE), codec)
    data = bytearray(path.read_bytes())
    cut = int(0.6 * len(data))
    path.write_bytes(data[:cut])
    with pytest.raises(AudioError, match=rf"a\.{suffix}: truncated"):
        read_audio(path)
    place = data.find(bytes.fromhex("18538067")) + 4
    data[place : place + 8] = b"\x01" + b"\xff" * 7  # the size of a segment that is being written
    path.write_bytes(data)
    assert len(read_audio(path)[0]) / RATE == pytest.approx(4.0, abs=0.1)


@pytest.mark.parametrize("sizes", [(0x7FFFF024, 0x7FFFF000), (0xFFFFFFFF, 0xFFFFFFFF), (0, 0)])
def test_a_wav_from_a_pipe_is_whole(tmp_path, sizes):
    """SoX writes the first sizes, others the second and the third."""
    path = tmp_path / "a.wav"
    data = bytearray(encoded(path, voiced(2.0, RATE)))
    for place, size in zip((4, data.find(b"data") + 4), sizes, strict=True):
        data[place : place + 4] = size.to_bytes(4, "little")
    path.write_bytes(data)
    assert len(read_audio(path)[0]) == 2 * RATE


@pytest.mark.parametrize(("suffix", "codec"), [item for item in CODECS.items() if item[0] not in ("mp2", *FORMATS)])
def test_every_container_is_read(tmp_path, suffix, codec):
    wav = voiced(2.0, RATE)
    path = muxed(tmp_path / f"a.{suffix}", wav, codec, picture=suffix in ("mp4", "mkv", "avi", "mov"))
    assert f".{suffix}" in decoding.READ_SUFFIXES
    read, rate = read_audio(path)
    assert rate == RATE
    assert len(read) / RATE == pytest.approx(2.0, abs=0.1)
    assert header(path)[1] == len(read) / RATE
    assert np.sqrt(np.mean(read**2)) == pytest.approx(np.sqrt(np.mean(wav**2)), rel=0.05)
    assert np.array_equal(np.concatenate(list(read_blocks(path, 0.3))), read)


def test_every_suffix_of_the_list_has_a_container_and_a_decoder(tmp_path):
    """Monkey's Audio and Speex have a decoder here and no encoder; libsndfile writes RF64 and Ogg Vorbis."""
    assert {"ape", "speex"} <= av.codecs_available
    assert {"ape", "ogg", "mxf"} <= av.formats_available
    assert {".ape", ".spx"} <= set(decoding.READ_SUFFIXES)
    for suffix, kind in ((".rf64", "RF64"), (".ogv", "OGG"), (".ogx", "OGG")):
        path = tmp_path / f"a{suffix}"
        soundfile.write(path, voiced(0.5, RATE), RATE, format=kind)
        assert suffix in decoding.READ_SUFFIXES
        assert len(read_audio(path)[0]) == RATE // 2


@pytest.mark.parametrize(
    ("suffix", "kind"),
    [("wave", "WAV"), ("bwf", "WAV"), ("snd", "AU"), ("voc", "VOC"), ("sph", "NIST"), ("mpga", "MP3"), ("ogm", "OGG")],
)
def test_a_suffix_of_a_format_of_libsndfile_is_read(tmp_path, suffix, kind):
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, voiced(1.0, RATE), RATE, format=kind)
    assert path.suffix in decoding.READ_SUFFIXES
    assert len(read_audio(path)[0]) == pytest.approx(RATE, abs=2000)


@pytest.mark.parametrize(
    ("suffix", "as_written"),
    [("m4r", "m4a"), ("3ga", "mp4"), ("qt", "mov"), ("m2t", "ts"), ("divx", "avi"), ("mk3d", "mkv"), ("adts", "aac")],
)
def test_a_suffix_of_a_format_of_ffmpeg_is_read(tmp_path, suffix, as_written):
    path = muxed(tmp_path / f"a.{as_written}", voiced(1.0, RATE), CODECS.get(as_written, "aac"))
    path = path.rename(tmp_path / f"a.{suffix}")
    assert path.suffix in decoding.READ_SUFFIXES
    assert len(read_audio(path)[0]) / RATE == pytest.approx(1.0, abs=0.1)


def test_a_film_without_sound_is_one_clear_error(tmp_path):
    path = muxed(tmp_path / "silent.mp4", np.zeros(0), "aac", picture=True, sound=False)
    for read in (header, read_audio):
        with pytest.raises(AudioError, match=r"silent\.mp4: no audio; .* no audio track"):
            read(path)


def test_a_file_full_of_damage_is_refused_and_one_damaged_frame_is_not(tmp_path):
    path = tmp_path / "a.mp3"
    data = bytearray(encoded(path, voiced(6.0, RATE)) * 2)  # joined, so that FFmpeg decodes it
    place = len(data) // 3
    data[place : place + 300] = bytes(300)
    path.write_bytes(data)
    assert len(read_audio(path)[0]) / RATE == pytest.approx(12.0, abs=0.3)
    [note] = survey(path).notes("a")
    assert re.fullmatch(r"a: \d of \d+ packets \([\d,]+ bytes\) cannot be decoded and are left out", note)
    with av.open(str(path)) as container:
        places = [packet.pos for packet in container.demux(container.streams.audio[0]) if packet.size]
    for start in places[10:-10:3]:
        data[start + 2] |= 0xF0  # a bit rate that no frame has
    path.write_bytes(data)
    with pytest.raises(AudioError, match="undecodable|truncated"):
        read_audio(path)


@pytest.mark.parametrize(("damage", "notes"), [(bytes(5000), 0), (b"\x4a\x65\x97" * 1500, 1)])
def test_bytes_between_two_frames_of_an_mp3_are_left_out(tmp_path, damage, notes):
    path = tmp_path / "a.mp3"
    data = encoded(path, voiced(6.0, RATE))
    with av.open(str(path)) as container:
        places = [packet.pos for packet in container.demux(container.streams.audio[0]) if packet.size]
    place = places[len(places) // 2]
    path.write_bytes(data[:place] + damage + data[place:])
    assert len(read_audio(path)[0]) / RATE == pytest.approx(6.0, abs=0.1)
    assert header(path)[1] == pytest.approx(6.0, abs=0.1)
    assert len(survey(path).notes("a")) == notes


def test_a_name_that_is_not_utf8_is_a_name(tmp_path):
    for suffix in ("wav", "mp3"):
        path = tmp_path / os.fsdecode(f"caf\xe9.{suffix}".encode("latin-1"))
        plain = tmp_path / f"a.{suffix}"
        encoded(plain, voiced(1.0, RATE))
        path.write_bytes(plain.read_bytes() * (1 if suffix == "wav" else 2))
        assert len(read_audio(path)[0]) >= RATE


def test_an_ordinary_file_is_decoded_by_libsndfile(tmp_path):
    """So that its samples stay those of earlier versions."""
    for suffix in FORMATS:
        path = tmp_path / f"a.{suffix}"
        encoded(path, voiced(2.0, RATE))
        assert decoding.inspect_file(path).by_libsndfile
        assert np.array_equal(read_audio(path)[0], soundfile.read(path, dtype="float32")[0])


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "aiff"])
def test_a_file_without_samples_is_not_called_truncated(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    encoded(path, np.zeros(0))
    with pytest.raises(AudioError, match="zero length"):
        read_audio(path)


def faststart(path, seconds=4.0):
    """An MP4 or MOV file with its index before its samples."""
    plain = muxed(path.with_name(f"plain{path.suffix}"), voiced(seconds, RATE), "aac", picture=True)
    with av.open(str(plain)) as source, av.open(str(path), "w", options={"movflags": "faststart"}) as made:
        tracks = {stream.index: made.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = tracks[packet.stream.index]
                made.mux(packet)
    return path.read_bytes()


@pytest.mark.parametrize("suffix", ["mp4", "mov"])
def test_a_cut_mp4_is_truncated_wherever_its_index_is(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    data = faststart(path)
    assert data.index(b"moov") < data.index(b"mdat")
    whole = len(read_audio(path)[0])
    path.write_bytes(data + b"something after it")
    assert len(read_audio(path)[0]) == whole
    for share in (0.3, 0.5, 0.7, 0.9, 0.999):
        path.write_bytes(data[: int(share * len(data))])
        for read in (survey, read_audio, header):
            with pytest.raises(AudioError, match=rf"a\.{suffix}: truncated"):
                read(path)
    path.write_bytes((tmp_path / f"plain.{suffix}").read_bytes()[:-100])  # its index is at the end
    with pytest.raises(AudioError, match=rf"a\.{suffix}: truncated"):
        survey(path)


def test_the_boxes_of_an_mp4_with_a_64_bit_size_and_one_that_is_still_written(tmp_path):
    path = tmp_path / "a.mp4"
    data = faststart(path)
    place = data.index(b"mdat") - 4
    size = len(data) - place
    path.write_bytes(data[:place] + b"\0\0\0\1mdat" + (size + 8).to_bytes(8, "big") + data[place + 8 :])
    assert not is_shorter_than_declared(path)
    path.write_bytes(path.read_bytes()[:-10])
    assert is_shorter_than_declared(path)
    path.write_bytes(data[:place] + b"\0\0\0\0mdat" + data[place + 8 : -10])
    assert not is_shorter_than_declared(path)


@pytest.mark.parametrize(
    ("languages", "number"),
    [(("eng", "spa"), 2), (("spa", "eng"), 1), (("eng", "fre"), 1), (("eng", "fre", "spa"), 3), (("und", "und"), 1)],
)
def test_of_several_audio_tracks_the_spanish_one_is_read_and_noted(tmp_path, languages, number):
    tones = [voiced(1.0, RATE, 140.0 + 40 * n) for n in range(len(languages))]
    path = film(tmp_path / "a.mp4", tones, seconds=0.2, languages=languages)
    spectrum = np.abs(np.fft.rfft(read_audio(path)[0][:RATE]))
    assert abs(spectrum.argmax() - (100 + 40 * number)) <= 2
    [note] = survey(path).notes(path)
    assert f"of {len(languages)} audio tracks, track {number}" in note
