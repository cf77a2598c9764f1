"""The benchmark of the speaking rate on data with a known answer."""

import numpy as np
import pandas as pd
import pytest
from helpers import spoken

from benchmarks import speaking_rate
from benchmarks.speaking_rate import CHANGE, LETTERS
from thesis_lib.audio.files import write_audio
from thesis_lib.audio.voice_activity import RATE


def test_the_rates_of_a_recording_are_by_text_transcript_and_states():
    wav = spoken(1, RATE)
    states = np.random.default_rng(0).normal(size=(len(wav) // 320, 8))
    found = speaking_rate.rates_of(wav, "a" * 60, "a" * 6, states)
    assert found["exact"] == pytest.approx(10 * found[LETTERS])
    assert found[CHANGE] == pytest.approx(1.0, abs=0.1), "states that are not related to each other"
    assert speaking_rate.rates_of(wav, "a" * 60, "", states) is None
    assert speaking_rate.rates_of(np.zeros(2 * RATE, np.float32), "a", "a", states) is None


def test_correlations_are_within_groups_and_differences_are_paired():
    rng = np.random.default_rng(0)
    exact = np.exp(rng.normal(size=200) * 0.1)
    group = np.repeat(np.arange(20), 10)
    table = pd.DataFrame({"set": "x", "speaker": group // 2, "group": group, "exact": exact})
    level = np.exp(5.0 * group)  # differs between the groups alone
    table = table.assign(**{LETTERS: level * rng.permutation(exact), CHANGE: level * exact**0.5})
    letters, change = (speaking_rate.correlation_row(table, way) for way in (LETTERS, CHANGE))
    assert (change["value"], speaking_rate.exponent_row(table)["value"]) == pytest.approx((1, 2))
    assert abs(letters["value"]) < 0.25
    assert (letters["n"], letters["speakers"]) == (200, 10)
    difference = speaking_rate.difference_row(table)
    assert difference["value"] == pytest.approx(1 - letters["value"])
    assert 0.6 < difference["low"] < difference["value"] < difference["high"] < 1.4


def test_the_spread_is_over_voices_not_over_texts():
    rng = np.random.default_rng(0)
    voice, text = 0.1 * rng.normal(size=(30, 1)), 5 * rng.normal(size=12)
    found = speaking_rate.spread_row(voice + text, "texts")
    assert (found["way"], found["value"]) == ("texts", pytest.approx(voice.std()))
    assert (found["n"], found["speakers"]) == (360, 30)
    assert 0 < found["low"] < found["value"] < found["high"]


def test_a_text_that_is_too_short_for_a_rate_is_named():
    with pytest.raises(SystemExit, match="'Oh.'"):
        speaking_rate.letters_of(np.zeros(8000, np.float32), RATE, "Oh.")


def test_cut_recordings_and_single_ones_are_left_out(tmp_path, monkeypatch):
    whole = np.concatenate([spoken(1, RATE), np.zeros(RATE // 4, np.float32)])
    cut = whole[: np.abs(whole).argmax() + 100]
    rows = [("a.wav", whole, "1"), ("b.wav", whole, "1"), ("c.wav", cut, "1"), ("d.wav", whole, "2")]
    for name, wav, _ in rows:
        write_audio(tmp_path / name, wav, RATE)
    lines = ["path\tspeaker\temotion\tsentence\tuse", *(f"{name}\tana\tjoy\t{text}\ttrain" for name, _, text in rows)]
    (tmp_path / "utterances.tsv").write_text("\n".join(lines))
    monkeypatch.setenv("THESIS_EMOTIONS", str(tmp_path))
    assert list(speaking_rate.uncut_recordings().recording) == ["a.wav", "b.wav"]


def test_the_bundled_recordings_are_one_group():
    table = speaking_rate.bundled_recordings()
    assert (len(table), table.group.nunique(), table.speaker.nunique() > 40) == (241, 1, True)
    assert table["read"].iloc[0]().ndim == 1
