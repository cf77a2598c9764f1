import pickle
import resource
import signal
import struct
import subprocess
import sys
from contextlib import contextmanager

import numpy as np
import pytest
import soundfile
import torch
from canaries import case
from helpers import voiced

from thesis_lib.audio.files import (
    AudioError,
    check_speech,
    header,
    read_audio,
    read_blocks,
    resample,
    whole_frames,
    write_audio,
    writing,
)
from thesis_lib.audio.mel import LogMel
from thesis_lib.config import AudioConfig


def official_log_mel(wav: np.ndarray) -> np.ndarray:
    """HiFi-GAN's mel formulated anew in numpy: frames, FFT, filters from their definition."""
    pad = (1024 - 256) // 2
    padded = np.pad(wav.astype(np.float64), pad, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, 1024)[::256]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(1024) / 1024)
    magnitude = np.sqrt(np.abs(np.fft.rfft(frames * window)) ** 2 + 1e-9)

    def to_mel(hz):  # Slaney: linear to 1 kHz, logarithmic above
        return np.where(hz < 1000, hz * 3 / 200, 15 + np.log(np.maximum(hz, 1e-9) / 1000) / (np.log(6.4) / 27))

    def to_hz(mel):
        return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((mel - 15) * np.log(6.4) / 27))

    edges = to_hz(np.linspace(to_mel(np.array(0.0)), to_mel(np.array(8000.0)), 82))
    bins = np.arange(513) * 22_050 / 1024
    rising = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    filters = np.maximum(0, np.minimum(rising, falling)) * (2 / (edges[2:] - edges[:-2]))[:, None]
    return np.log(np.maximum(filters @ magnitude.T, 1e-5))


def test_log_mel_equals_the_official_definition():
    wav = voiced(1.0)[: 80 * 256]
    ours = LogMel(AudioConfig())(torch.from_numpy(wav)[None])[0].numpy()
    assert ours.shape == (80, 80)
    assert np.abs(ours - official_log_mel(wav)).max() < 1e-4


@pytest.mark.parametrize("frames", [4, 5, 33])
def test_whole_hops_give_whole_frames(frames):
    assert LogMel(AudioConfig())(torch.zeros(2, frames * 256)).shape == (2, 80, frames)
    assert len(whole_frames(np.zeros(frames * 256 - 7), 256)) == frames * 256


def test_log_mel_has_a_gradient():
    wav = torch.from_numpy(voiced(0.2)[:4096])[None].requires_grad_()
    LogMel(AudioConfig())(wav).sum().backward()
    assert wav.grad.abs().sum() > 0


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".mp3", ".ogg", ".opus"])
@pytest.mark.parametrize("channels", [1, 2])
def test_reads_formats_rates_and_channels(tmp_path, suffix, channels):
    rate = 48_000
    wav = voiced(0.5, rate)
    path = tmp_path / f"a{suffix}"
    write_audio(path, np.stack([wav] * channels, axis=1) if channels == 2 else wav, rate)
    read, got = read_audio(path, 22_050)
    assert got == 22_050
    assert read.dtype == np.float32
    assert read.ndim == 1
    assert abs(len(read) / got - 0.5) < 0.1
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("rate", [8_000, 96_000])
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_reads_depths_and_rates(tmp_path, rate, subtype):
    soundfile.write(tmp_path / "a.wav", voiced(0.5, rate), rate, subtype=subtype)
    wav, _ = read_audio(tmp_path / "a.wav", 22_050)
    assert np.abs(len(wav) - 11_025) <= 1


def test_resampling_keeps_a_tone():
    t = np.arange(44_100) / 44_100
    tone = np.sin(2 * np.pi * 440 * t).astype(np.float32)
    down = resample(tone, 44_100, 22_050)
    expected = np.sin(2 * np.pi * 440 * np.arange(22_050) / 22_050)
    assert np.abs(down - expected)[500:-500].max() < 1e-3


def bad_files(folder):
    good = folder / "good.wav"
    write_audio(good, voiced(1.0), 22_050)
    data = good.read_bytes()
    (folder / "truncated.wav").write_bytes(data[: len(data) // 2])
    (folder / "empty.wav").write_bytes(b"")
    (folder / "text.wav").write_text("not audio at all")
    (folder / "folder.wav").mkdir()
    return {
        "truncated.wav": "truncated",
        "empty.wav": "zero length",
        "text.wav": "undecodable",
        "folder.wav": "is a folder",
        "missing.wav": "missing file",
    }


def test_bad_files_are_named_with_reason(tmp_path):
    for name, reason in bad_files(tmp_path).items():
        with pytest.raises(AudioError) as caught:
            read_audio(tmp_path / name)
        assert caught.value.reason == reason
        assert name in str(caught.value)


@pytest.mark.parametrize(
    ("wav", "reason"),
    [
        (np.zeros(22_050, np.float32), "silence"),
        (np.full(22_050, np.nan, np.float32), "not finite"),
        (np.ones(1, np.float32), "too short"),
        (np.zeros(0, np.float32), "too short"),
        (np.sign(voiced(1.0)), "clipping"),
    ],
)
def test_unusable_speech_is_refused(wav, reason):
    with pytest.raises(AudioError) as caught:
        check_speech(wav, 22_050, "x.wav")
    assert caught.value.reason == reason


def test_written_files_do_not_wrap_at_full_scale(tmp_path):
    write_audio(tmp_path / "a.wav", np.array([1.0, -1.0, 2.0, -2.0] * 100), 22_050)
    wav, _ = read_audio(tmp_path / "a.wav")
    assert np.array_equal(np.sign(wav), [1, -1, 1, -1] * 100)


def test_a_failed_write_leaves_the_old_file(tmp_path):
    write_audio(tmp_path / "a.wav", voiced(0.2), 22_050)
    before = (tmp_path / "a.wav").read_bytes()
    with pytest.raises(ValueError):
        write_audio(tmp_path / "a.wav", voiced(0.2), 22_050, subtype="nonsense")
    assert (tmp_path / "a.wav").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


@contextmanager
def disk_of(size):
    """A disk with room for files of ``size`` bytes: a larger one is an error of the system."""
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)


@pytest.mark.parametrize("size", [0, 10, 50_000])
@pytest.mark.parametrize("suffix", [".wav", ".flac", ".mp3", ".ogg", ".opus"])
def test_a_full_disk_is_an_error_that_names_the_target(tmp_path, suffix, size):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"earlier")
    with disk_of(size), pytest.raises(AudioError, match=rf"/a\{suffix}: cannot be written; .*free some space") as error:
        write_audio(path, voiced(10.0), 22_050)
    assert ".partial" not in str(error.value)
    assert path.read_bytes() == b"earlier"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("mode", ["CONSTANT", "AVERAGE", "VARIABLE"])
def test_mp3_of_any_bit_rate_mode_is_whole_and_a_cut_one_is_not(tmp_path, mode):
    path = tmp_path / "x.mp3"
    write_audio(path, voiced(8.0), 22_050, bitrate_mode=mode, compression_level=0.85)
    wav, rate = read_audio(path)
    assert len(wav) / rate == pytest.approx(8.0, abs=0.15)
    if mode == "VARIABLE":  # only its header says how long it is
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with pytest.raises(AudioError, match="truncated"):
            read_audio(path)


def test_blocks_are_the_whole(tmp_path):
    path = tmp_path / "x.flac"
    write_audio(path, voiced(3.0), 22_050)
    blocks = list(read_blocks(path, 0.7))
    assert [len(block) for block in blocks[:-1]] == [int(0.7 * 22_050)] * (len(blocks) - 1)
    assert np.array_equal(np.concatenate(blocks), read_audio(path)[0])
    assert header(path) == (22_050, pytest.approx(3.0))


def test_a_file_written_in_parts_is_whole_or_not_there(tmp_path):
    path = tmp_path / "x.wav"
    with writing(path, 22_050, comment="who made it") as write:
        for part in np.array_split(voiced(2.0), 7):
            write(part)
        assert not path.exists()
    assert np.array_equal(read_audio(path)[0], read_after_writing(tmp_path, voiced(2.0)))
    assert soundfile.SoundFile(path).comment == "who made it"

    def fail():
        with writing(tmp_path / "y.wav", 22_050) as write:
            write(voiced(1.0))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["whole.wav", "x.wav"]


def read_after_writing(folder, wav):
    write_audio(folder / "whole.wav", wav, 22_050)
    return read_audio(folder / "whole.wav")[0]


RATE = 22_050


@pytest.mark.parametrize("suffix", [".ogg", ".mp3", ".flac", ".opus"])
def test_minutes_are_written_at_once(tmp_path, suffix):
    """In another process, because libsndfile's Vorbis encoder ended the process (segmentation fault)."""
    code = f"""if True:
        import numpy as np
        from thesis_lib.audio.files import write_audio
        write_audio({str(tmp_path / f"a{suffix}")!r}, 0.1 * np.random.default_rng(0).normal(size=200 * {RATE}), {RATE})
    """
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
    assert soundfile.info(tmp_path / f"a{suffix}").duration == pytest.approx(200, abs=0.1)


@pytest.mark.parametrize("rate", [16_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("channels", [(), (2,)])
def test_opus_is_written_at_any_rate(tmp_path, rate, channels):
    wav = voiced(2.0, rate)
    with writing(tmp_path / "a.opus", rate, channels) as write:
        for part in np.array_split(wav, 7):
            write(np.stack([part] * 2, 1) if channels else part)
    read, written = read_audio(tmp_path / "a.opus", rate)
    assert written == rate
    assert len(read) == pytest.approx(len(wav), abs=2)
    assert np.sqrt(np.mean(read**2)) == pytest.approx(np.sqrt(np.mean(wav**2)), rel=0.05)


@pytest.mark.parametrize("suffix", [".OPUS", ".Wav", ".FLAC", ".Mp3", ".OGG"])
def test_the_case_of_a_suffix_does_not_matter(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    write_audio(path, voiced(1.0), RATE)
    assert len(read_audio(path, RATE)[0]) == pytest.approx(RATE, abs=0.1 * RATE)
    subtypes = {".opus": "OPUS", ".wav": "PCM_16", ".flac": "PCM_16", ".mp3": "MPEG_LAYER_III", ".ogg": "VORBIS"}
    assert soundfile.info(path).subtype == subtypes[suffix.lower()]


# Recordings.


def riff(data_size, frames=100, rate=22_050):
    header = b"RIFF" + struct.pack("<I", 36 + data_size) + b"WAVEfmt "
    header += struct.pack("<IHHIIHH", 16, 1, 1, rate, 2 * rate, 2, 16)
    return header + b"data" + struct.pack("<I", data_size) + bytes(2 * frames)


RECORDINGS = {
    "a length that lies": riff(4_000_000_000),
    "no rate": riff(200, rate=0),
    "a header alone": riff(0, 0)[:20],
    "a pickle": pickle.dumps({"a": 1}) * 50,
    "a script": b"#!/bin/sh\ntouch executed\n" * 20,
    "an archive": b"PK\x03\x04" + bytes(200),
}


@pytest.mark.parametrize("kind", RECORDINGS)
def test_recordings_that_are_none_are_refused(canary, kind):
    path = case(canary) / "a.wav"
    path.write_bytes(RECORDINGS[kind])
    with pytest.raises(AudioError, match="a.wav"):
        read_audio(path)


def test_a_length_beyond_all_memory_in_a_header_is_not_believed(canary):
    path = case(canary) / "a.flac"
    soundfile.write(path, voiced(1.0), 22_050)
    data = bytearray(path.read_bytes())
    # STREAMINFO's 36 bits of the number of samples: 2^36 - 1.
    data[21] |= 0x0F
    data[22:26] = b"\xff" * 4
    path.write_bytes(data)
    wav, rate = read_audio(path)
    assert (len(wav), rate) == (22_050, 22_050)
