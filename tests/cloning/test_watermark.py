import json

import numpy as np
import pytest
from helpers import spoken
from typer.testing import CliRunner

from thesis_lib.audio.files import AudioError, read_audio, resample, write_audio
from thesis_lib.cli import app
from thesis_lib.cloning import watermark as module
from thesis_lib.cloning.watermark import MIN_MARK_PROBABILITY, WatermarkError, add_watermark, watermark

RATE = 22_050


@pytest.fixture(scope="module")
def pair() -> tuple[np.ndarray, np.ndarray]:
    wav = spoken(0, RATE)
    return wav, add_watermark(wav, RATE)


def test_the_mark_is_there_only_where_it_was_put(pair):
    plain, marked = pair
    assert watermark(plain, RATE) < 0.1
    assert watermark(marked, RATE) > 0.9
    assert marked.shape == plain.shape
    assert marked.dtype == np.float32


def test_it_changes_little(pair):
    plain, marked = pair
    assert np.square(plain - marked).mean() < 0.05 * np.square(plain).mean()
    assert np.abs(np.abs(marked).max() - np.abs(plain).max()) < 0.1


def test_it_survives_compression_resampling_gain_and_cutting(pair, tmp_path):
    _, marked = pair
    write_audio(tmp_path / "x.mp3", marked, RATE)
    for wav, rate in (
        read_audio(tmp_path / "x.mp3"),
        (resample(marked, RATE, 16_000), 16_000),
        (0.3 * marked, RATE),
        (marked[RATE // 2 : RATE // 2 + 2 * RATE], RATE),
    ):
        assert watermark(wav, rate) > MIN_MARK_PROBABILITY


def test_what_cannot_carry_it_is_returned_as_it_is():
    for wav in (np.zeros(RATE, np.float32), spoken(0, RATE)[:500]):
        assert np.array_equal(add_watermark(wav, RATE), wav)
    with pytest.raises(AudioError, match="silence"):
        watermark(np.zeros(RATE, np.float32), RATE, "silent.wav")


def test_other_bytes_than_the_pinned_ones_are_refused(monkeypatch):
    monkeypatch.setattr(module, "SHA256", "0" * 64)
    module._perth.cache_clear()
    with pytest.raises(WatermarkError, match="not the pinned file"):
        watermark(spoken(0, RATE), RATE)
    monkeypatch.undo()
    module._perth.cache_clear()


def test_detect_says_which_is_which(pair, tmp_path):
    for name, wav in zip(("plain", "marked"), pair, strict=True):
        write_audio(tmp_path / f"{name}.wav", wav, RATE)
    runner = CliRunner()
    found = runner.invoke(app, ["detect", "--json", *(str(tmp_path / f"{n}.wav") for n in ("plain", "marked"))])
    assert found.exit_code == 0
    assert [json.loads(line)["marked"] for line in found.output.splitlines()] == [False, True]
    alone = runner.invoke(app, ["detect", str(tmp_path / "plain.wav")])
    assert alone.exit_code == 1
    assert "not marked" in alone.output
