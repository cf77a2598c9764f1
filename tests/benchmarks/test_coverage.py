"""The share of variance in the first components, where it is known."""

import numpy as np
import pytest

from benchmarks.coverage import beside_reference, components, share_of_variance, spread_and_others


def test_the_share_of_the_first_components_is_that_of_their_variances():
    rng = np.random.default_rng(0)
    scores = rng.standard_normal((20_000, 4)) * np.sqrt([6, 2, 1, 1]) + 5
    shares = [share_of_variance(scores, count)(np.arange(len(scores))) for count in (1, 2, 4)]
    assert shares == pytest.approx([0.6, 0.8, 1], abs=0.01)


def test_the_variance_is_around_the_mean_of_the_chosen():
    scores = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 9.0]])
    assert share_of_variance(scores, 1)(np.array([0, 1])) == 1


def test_components_of_speakers_of_one_kind_have_more_of_their_variance_than_others():
    rng = np.random.default_rng(0)
    humans = rng.standard_normal((90, 6)) * np.sqrt([8, 1, 1, 0, 0, 0])
    voices = rng.standard_normal((40, 6)) * np.sqrt([0, 0, 1, 8, 1, 1])
    fitted, tested = spread_and_others(humans, 40)
    assert (len(fitted), len(tested)) == (40, 50)
    assert {tuple(row) for row in fitted}.isdisjoint(map(tuple, tested))
    row = beside_reference(tested, components(voices), components(fitted), 1)
    assert row["by human speakers"]["value"] == pytest.approx(0.8, abs=0.1)
    assert row["by training voices"]["value"] < 0.05
    assert row["difference"] == pytest.approx(row["by training voices"]["value"] - row["by human speakers"]["value"])
    assert row["low"] < row["difference"] < row["high"] < -0.5
    assert (row["components"], row["n"]) == (1, 50)
