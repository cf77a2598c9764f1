"""Inverted channels, an offset, floating-point samples above 1: repaired with a note; others are unchanged."""

import numpy as np
import pytest
import soundfile
from helpers import voiced

from thesis_lib.audio.files import check_speech, read_audio, read_blocks, survey
from thesis_lib.audio.repair import repaired

RATE = 22_050


def written(path, wav, **options):
    soundfile.write(path, wav, RATE, **options)
    return path


@pytest.mark.parametrize("leak", [0.0, 0.1])
def test_inverted_channels_do_not_cancel_each_other(tmp_path, leak):
    left = voiced(2.0, RATE)
    right = leak * voiced(2.0, RATE, 200.0, seed=1) - 0.9 * left
    path = written(tmp_path / "a.wav", np.stack([left, right], 1), subtype="FLOAT")
    wav = read_audio(path)[0]
    assert np.array_equal(wav, left)
    assert np.array_equal(np.concatenate(list(read_blocks(path, 0.5))), left)
    assert survey(path).notes(path) == [
        f"{path}: the channels cancel each other (inverted phase), channel 1 is used alone"
    ]


@pytest.mark.parametrize("seconds", [0.25, 0.5, 30.0])
@pytest.mark.parametrize("part", [(0.0, 0.5), (0.5, 1.0), (0.3, 0.7), (0.0, 0.1), (0.9, 1.0)])
def test_channels_that_cancel_each_other_in_a_part_lose_nothing(tmp_path, part, seconds):
    left = voiced(6.0, RATE)
    right = left.copy()
    first, end = (round(share * len(left)) for share in part)
    right[first:end] *= -1
    path = written(tmp_path / "a.wav", np.stack([left, right], 1), subtype="FLOAT")
    assert np.array_equal(read_audio(path)[0], left)
    assert np.array_equal(np.concatenate(list(read_blocks(path, seconds))), left)
    [note] = survey(path).notes("a")
    assert note.startswith(
        "a: the channels cancel each other (inverted phase) in a part of the recording; there channel"
    )


def test_silence_and_unlike_channels_cancel_nothing(tmp_path):
    """A pause with the noise of a converter, and two microphones that stand apart."""
    rng = np.random.default_rng(0)
    left = voiced(4.0, RATE)
    right = 0.7 * np.roll(left, 37) + 0.02 * rng.normal(size=len(left))
    wav = np.stack([left, right], 1)
    wav[RATE : 2 * RATE] = 3e-4 * rng.normal(size=(RATE, 1)) * [1, -1]
    path = written(tmp_path / "a.wav", wav, subtype="FLOAT")
    assert survey(path).notes("a") == []
    assert np.array_equal(read_audio(path)[0], wav.astype(np.float32).mean(axis=1))


def test_an_offset_is_subtracted(tmp_path):
    wav = voiced(2.0, RATE)
    path = written(tmp_path / "a.wav", wav + 0.3)
    read = read_audio(path)[0]
    assert abs(read.mean()) < 1e-4
    assert read == pytest.approx(wav - wav.mean(), abs=1e-3)
    assert survey(path).notes("a") == ["a: the samples have an offset of +0.30, which was subtracted"]


def test_floating_point_samples_above_full_scale_are_scaled_and_not_called_clipped(tmp_path):
    loud = voiced(2.0, RATE) * 30
    path = written(tmp_path / "a.wav", loud, subtype="FLOAT")
    wav = read_audio(path)[0]
    check_speech(wav, RATE, path)
    assert np.abs(wav).max() == pytest.approx(0.95)
    assert np.corrcoef(wav, loud)[0, 1] > 0.999999
    assert "floating-point samples exceed full scale, scaled by" in survey(path).notes("a")[0]


@pytest.mark.parametrize("channels", [1, 2])
def test_an_ordinary_recording_is_not_changed(tmp_path, channels):
    wav = np.stack([voiced(2.0, RATE, seed=n) for n in range(channels)], 1)
    path = written(tmp_path / "a.wav", wav)
    assert survey(path).notes("a") == []
    stored = soundfile.read(path, dtype="float32", always_2d=True)[0]
    assert np.array_equal(read_audio(path)[0], stored.mean(axis=1) if channels > 1 else stored[:, 0])


def test_independent_channels_do_not_count_as_inverted(tmp_path):
    wav = np.stack([voiced(2.0, RATE, 100.0 + 17 * n, seed=n) for n in range(12)], 1)
    path = written(tmp_path / "a.wav", wav)
    assert survey(path).notes("a") == []
    assert read_audio(path)[0] == pytest.approx(wav.mean(axis=1), abs=1e-4)
    wav[:, 1::2] = -0.99 * wav[:, ::2]
    assert "inverted phase" in survey(written(tmp_path / "b.wav", wav)).notes("b")[0]


@pytest.mark.parametrize("gain", [1, 30])
@pytest.mark.parametrize("offset", [0.0, 0.3])
def test_one_wrong_sample_determines_neither_level_nor_offset(tmp_path, gain, offset):
    right = gain * (voiced(2.0, RATE) + offset)
    wrong = right.copy()
    wrong[100] = 3e5
    path = written(tmp_path / "a.wav", wrong, subtype="FLOAT")
    read, (in_memory, notes) = read_audio(path)[0], repaired(wrong)
    expected = read_audio(written(tmp_path / "right.wav", right, subtype="FLOAT"))[0]
    assert np.array_equal(read, in_memory)
    assert notes[-1] == "isolated samples exceed full scale by far, clipped"
    assert np.abs(read).max() == pytest.approx(0.95 if gain > 1 else 1.0)
    assert np.delete(read, 100) == pytest.approx(np.delete(expected, 100), abs=2e-3)


def test_a_file_and_samples_in_memory_have_one_rule(tmp_path):
    wav = voiced(2.0, RATE)
    wav[100:110] = 1.2
    assert np.array_equal(read_audio(written(tmp_path / "a.wav", wav, subtype="FLOAT"))[0], wav)
    assert repaired(wav)[0] is wav


def test_samples_in_memory_are_repaired_where_they_would_be_refused():
    loud, plain = voiced(2.0, RATE) * 30, voiced(2.0, RATE)
    wav, notes = repaired(loud + 3)
    check_speech(wav, RATE, "audio")
    assert len(notes) == 2
    peaks = plain.copy()
    peaks[100] = 1.2  # as a decoder of lossy audio makes
    for given in (plain, peaks, (plain * 32767).astype(np.int16), np.zeros((4, 2))):
        assert repaired(given)[0] is given


def test_nan_samples_are_left_for_the_check(tmp_path):
    wav = voiced(1.0, RATE)
    wav[5] = np.nan
    path = written(tmp_path / "a.wav", wav, subtype="FLOAT")
    assert survey(path).notes("a") == []
