"""The benchmark of the speaking rate on data with a known answer."""

import numpy as np
import pandas as pd
import pytest
from helpers import spoken

from benchmarks import speaking_rate
from benchmarks.speaking_rate import BOTH, LETTERS, SYLLABLES
from thesis_lib.audio.files import write_audio
from thesis_lib.audio.voice_activity import RATE


def test_the_rates_of_a_recording_are_relative_and_exact_only_by_the_text():
    wav = spoken(1, RATE)
    found = speaking_rate.rates_of(wav, "a" * 60, lambda wav: "")
    assert found[LETTERS] == found[SYLLABLES] == found[BOTH]
    other = speaking_rate.rates_of(wav, "a" * 60, lambda wav: "a" * 6)
    assert other[LETTERS] < other[BOTH] < other[SYLLABLES]
    assert other["exact"] == found["exact"]
    assert speaking_rate.rates_of(np.zeros(2 * RATE, np.float32), "a", lambda wav: "a") is None


def test_correlations_are_within_groups():
    rng = np.random.default_rng(0)
    exact = np.exp(rng.normal(size=200) * 0.1)
    group = np.repeat(np.arange(20), 10)
    table = pd.DataFrame({"set": "x", "speaker": group // 2, "group": group, "exact": exact})
    level = np.exp(5.0 * group)  # differs between the groups alone
    table = table.assign(**{LETTERS: exact * level, SYLLABLES: level * rng.permutation(exact), BOTH: 1 / exact})
    letters, syllables, both = speaking_rate.correlation_rows(table)
    assert (letters["value"], both["value"]) == pytest.approx((1, -1))
    assert abs(syllables["value"]) < 0.25
    assert (letters["n"], letters["speakers"]) == (200, 10)


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
