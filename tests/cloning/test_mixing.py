"""The background of a recording under the English: levels, length, watermark, and what the command says of it."""

import numpy as np
import pytest
import soundfile
from cloning_stages import HZ, PLAIN, pipeline
from helpers import spoken
from typer.testing import CliRunner

from thesis_lib.audio.files import read_audio, write_audio
from thesis_lib.cli import app
from thesis_lib.cloning import clone_file
from thesis_lib.cloning.mixing import BackgroundMix
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


def test_any_pieces_of_the_english_give_the_same_mixture(street):
    english = np.zeros(3 * HZ, np.float32)
    found = []
    for sizes in ([3 * HZ], [1, 0, 500, 2 * HZ, HZ - 501]):
        written, rest = [], english
        mix = BackgroundMix(street, HZ, written.append, mark=False, note=pytest.fail)
        for size in sizes:
            mix.write(rest[:size])
            rest = rest[size:]
        mix.finish()
        found.append(np.concatenate(written))
    assert np.array_equal(*found)
    assert len(found[0]) == pytest.approx(12 * HZ, abs=2)


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
