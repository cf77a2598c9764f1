"""The artefacts of conversion."""

import pytest

from benchmarks import artefacts
from thesis_lib.config import CorpusConfig
from thesis_lib.corpus import mini


def test_the_artefacts_have_one_bundled_pair_a_test_voice():
    rows = artefacts.voices()
    tests = mini.table(CorpusConfig(name="mini")).query("split == 'test'")
    assert len(rows) == rows.voice.nunique() == tests.voice.nunique() >= 6
    assert set(rows.id) <= set(tests.id)


def test_every_voice_is_content_and_target_of_two_trials():
    trials = artefacts.noise_trials(9)
    assert len(set(trials)) == 18
    for side in zip(*trials, strict=True):
        assert sorted(side) == sorted([*range(9), *range(9)])
    assert all(content != target for content, target in trials)


def test_the_movement_has_an_interval_over_contents_and_targets():
    pairs = artefacts.noise_trials(9)
    rows = [{"trial": trial, "before": 0.1, "after": 0.3 + 0.1 * (trial % 2)} for trial in range(18)]
    found = artefacts._moved(rows, pairs)
    assert found["n"] == 18
    assert found["moved"] == pytest.approx(0.25)
    assert found["low"] < 0.25 < found["high"]
    assert found["moved, most"] == pytest.approx(0.3)


def test_the_losses_are_compared_in_the_same_trials():
    pairs = artefacts.noise_trials(9)
    rows = [
        {"trial": trial, "encoder": encoder, "noise": noise, "before": 0.0, "after": 0.1 * trial + added * (trial != 4)}
        for encoder, added in (("near", 0.2), ("far", -1.0))
        for noise, added in (("white noise", 9.0), ("plain loss", 0.0), ("augmented loss", added))
        for trial in range(18)
        if (trial, noise) != (17, "plain loss")  # not measured
    ]
    found = artefacts._loss_difference(rows, "near", pairs)
    assert found["n"] == 17
    assert found["difference"] == pytest.approx(0.2 * 16 / 17)
    assert 0.1 < found["low"] < found["difference"] < found["high"] < 0.3, "the trials differ by more than the losses"
    assert artefacts._loss_difference(rows, "far", pairs)["high"] < -0.5
