"""The background of a recording under the English: levels, length, watermark, and what the command says of it."""

import numpy as np
import pytest
import soundfile
from cloning_stages import HZ, PLAIN, pipeline
from helpers import spoken
from typer.testing import CliRunner

from thesis_lib.audio.files import read_audio, write_audio
from thesis_lib.audio.loudness import MAX_PEAK, limited
from thesis_lib.cli import app
from thesis_lib.cloning import clone_file
from thesis_lib.cloning.mixing import BackgroundMix, Crossfaded
from thesis_lib.cloning.watermark import detect_watermark

KEPT = PLAIN.model_copy(update={"background": "keep"})
SOURCE_RATE = 16_000  # another than the output's


def rain(seconds: float) -> np.ndarray:
    return (0.02 * np.random.default_rng(0).normal(size=round(seconds * SOURCE_RATE))).astype(np.float32)


def level(wav: np.ndarray) -> float:
    """dB"""
    return 10 * np.log10(np.square(wav).mean())


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    """Speech from 2 s to 6 s in 12 s of noise."""
    wav = rain(12)
    wav[2 * SOURCE_RATE : 6 * SOURCE_RATE] += 0.5 * spoken(0, SOURCE_RATE)[: 4 * SOURCE_RATE]
    path = tmp_path_factory.mktemp("street") / "street.wav"
    write_audio(path, wav, SOURCE_RATE)
    return path


def test_the_sound_behind_the_speech_continues_to_the_end(stages, street, tmp_path):
    for name, config in (("dropped", PLAIN), ("kept", KEPT)):
        made = clone_file(pipeline(stages, config), street, tmp_path / f"{name}.wav")
        wav, rate = read_audio(tmp_path / f"{name}.wav")
        assert made.duration == pytest.approx(len(wav) / rate, abs=0.05)
    dropped, kept = (soundfile.read(tmp_path / f"{name}.wav", dtype="float32")[0] for name in ("dropped", "kept"))
    assert len(kept) == pytest.approx(12 * HZ, abs=2)
    assert len(dropped) < len(kept)
    before, after = kept[: round(1.5 * HZ)], kept[-3 * HZ :]
    for part in (before, after):
        assert level(part) == pytest.approx(level(rain(12)), abs=0.5)
    assert not dropped[: round(1.5 * HZ)].any()
    speech = np.flatnonzero(dropped)
    difference = kept[speech] - dropped[speech]
    assert level(difference) == pytest.approx(level(rain(12)), abs=2), "the English is as it was, over the noise"


@pytest.mark.parametrize("mark", [False, True])
def test_any_pieces_of_the_english_give_the_same_mixture(street, mark):
    english = np.zeros(3 * HZ, np.float32)
    found = []
    for sizes in ([3 * HZ], [1, 0, 500, 2 * HZ, HZ - 501]):
        written, rest = [], english
        mix = BackgroundMix(street, HZ, written.append, mark, note=pytest.fail)
        for size in sizes:
            mix.write(rest[:size])
            rest = rest[size:]
        mix.finish()
        found.append(np.concatenate(written))
    assert np.array_equal(*found)
    assert len(found[0]) == pytest.approx(12 * HZ, abs=2)


def test_the_watermark_of_the_mixture_has_no_steps_between_its_windows(tmp_path):
    """The difference of neighbouring samples of the mark alone, over a hum that hides no step."""
    t = np.arange(22 * SOURCE_RATE) / SOURCE_RATE
    wav = 0.1 * sum(np.sin(2 * np.pi * 120 * k * t) / k for k in range(1, 12)) + rain(22) / 10
    write_audio(tmp_path / "hum.wav", wav, SOURCE_RATE)
    found = []
    for mark in (False, True):
        written: list[np.ndarray] = []
        mix = BackgroundMix(tmp_path / "hum.wav", HZ, written.append, mark, note=pytest.fail)
        for seconds in (2, 3):
            mix.write(np.zeros(seconds * HZ, np.float32))
        mix.finish()
        found.append(np.concatenate(written))
    steps = np.abs(np.diff(found[1] - found[0]))
    assert np.quantile(steps, 0.999) > 1e-4, "it is marked"
    assert steps.max() < 2.5 * np.quantile(steps, 0.999)


def test_the_limiter_has_no_steps_between_the_windows():
    """A peak at the end of the first window and the second: its gain is not 1 at once in what follows."""
    wav, size = np.full(10_000, 0.5, np.float32), 4000
    wav[size - 20 : size - 10] = 4.0
    written: list[np.ndarray] = []
    stream = Crossfaded(lambda window: limited(window, HZ), size, 400, written.append)
    stream.write(wav)
    stream.finish()
    found = np.concatenate(written)
    assert len(found) == len(wav)
    assert np.abs(found).max() <= MAX_PEAK + 1e-6
    assert np.abs(np.diff(found / wav)).max() < 0.02, "of the gain"


def test_english_longer_than_the_recording_ends_in_silence(street):
    written = []
    mix = BackgroundMix(street, HZ, written.append, mark=False, note=pytest.fail)
    mix.write(np.zeros(14 * HZ, np.float32))
    mix.finish()
    wav = np.concatenate(written)
    assert len(wav) == 14 * HZ
    assert not wav[-HZ:].any()


def test_the_mixture_carries_the_watermark(stages, street, tmp_path):
    """Noise as loud as this hides the watermark of the speech alone."""
    marked = KEPT.model_copy(update={"watermark": True})
    clone_file(pipeline(stages, marked), street, tmp_path / "out.wav")
    assert detect_watermark(*soundfile.read(tmp_path / "out.wav", dtype="float32")).is_marked


def test_a_recording_without_a_pause_is_noted(stages, tmp_path):
    write_audio(tmp_path / "full.wav", spoken(0, SOURCE_RATE)[SOURCE_RATE : 3 * SOURCE_RATE], SOURCE_RATE)
    notes: list[str] = []
    clone_file(pipeline(stages, KEPT), tmp_path / "full.wav", tmp_path / "out.wav", say=notes.append)
    assert any("no pause in the speech to measure the sound behind it" in note for note in notes)


def test_the_command_refuses_another_word_and_live_speech(street, tmp_path):
    runner = CliRunner()
    found = runner.invoke(app, ["clone", str(street), str(tmp_path / "out.wav"), "--background", "loud"])
    assert found.exit_code != 0
    assert "background" in str(found.exception or found.output)
    found = runner.invoke(app, ["clone", "-", "-", "--background", "keep"], input=b"")
    assert found.exit_code != 0
    assert "--background" in str(found.exception or found.output)
