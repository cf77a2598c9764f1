"""Separation of planted speakers."""

import numpy as np
import pytest

from thesis_lib.validation import metrics
from thesis_lib.validation.metrics.separation import MEASURES


def angles(*degrees):
    return np.stack([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))], 1)


def test_triplets_by_hand():
    labels, apart = np.array([0, 0, 1]), np.arange(3)
    vectors = angles(0, 30, 40)  # 0 is nearer to its like than to the other, 30 is not; 40 has no like
    assert metrics.paired_triplet_accuracy(vectors, vectors, labels, apart) == 0.5
    vectors = angles(0, 30, -30)  # a tie, and a triplet won
    assert metrics.paired_triplet_accuracy(vectors, vectors, labels, apart) == pytest.approx(0.75)
    with pytest.raises(metrics.MetricError, match="triplets"):
        metrics.paired_triplet_accuracy(vectors, vectors, np.arange(3), apart)


@pytest.mark.parametrize("measure", MEASURES)
def test_separation_of_planted_speakers(measure):
    rng = np.random.default_rng(0)
    speakers = np.repeat(np.arange(20), 4)
    centres = rng.normal(size=(20, 8))
    spanish, english = (centres[speakers] + 0.7 * rng.normal(size=(80, 8)) for _ in range(2))
    found = metrics.separation(measure, spanish, english, speakers, speakers)
    same, different = metrics.labelled_cosines(spanish, english, speakers)
    value, low, high = found
    assert low < value < high
    assert high - low < 0.25
    expected = {
        "AUC": metrics.auc(same, different),
        "EER": metrics.equal_error_rate(same, different),
        "triplet accuracy": metrics.paired_triplet_accuracy(spanish, english, speakers),
        "one label": same.mean(),
        "two labels": different.mean(),
    }
    assert value == pytest.approx(expected[measure])
    assert found == metrics.separation(measure, spanish, english, speakers, speakers)
    chance = metrics.separation(measure, *rng.normal(size=(2, 80, 8)), speakers, speakers)
    means = {"AUC": 0.5, "EER": 0.5, "triplet accuracy": 0.5, "one label": 0.0, "two labels": 0.0}
    assert chance[1] - 0.05 < means[measure] < chance[2] + 0.05


def test_separations_say_why_there_is_none():
    vectors, one_each = np.random.default_rng(0).normal(size=(6, 8)), np.arange(6)
    rows = {row["measure"]: row for row in metrics.separations(vectors, vectors, one_each, one_each, one_each)}
    assert set(rows) == set(MEASURES)
    assert np.isnan(rows["AUC"]["value"])
    assert "pairs" in rows["AUC"]["reason"]
    assert "triplets" in rows["triplet accuracy"]["reason"]
    assert "no such pairs" in rows["one label"]["reason"]
    assert rows["two labels"]["reason"] == ""
    good = metrics.separations(vectors, vectors, one_each, one_each, measures=["AUC"])
    assert [(row["measure"], row["value"], row["reason"]) for row in good] == [("AUC", 1.0, "")]


def test_an_equal_error_rate_of_zero_has_an_upper_limit():
    """Clopper and Pearson's for 0 of 20 speakers: 1 - 0.025^(1/20)."""
    speakers = np.repeat(np.arange(20), 2)
    vectors = np.eye(20)[speakers]
    value, low, high = metrics.separation("EER", vectors, vectors, speakers, speakers, np.arange(40))
    assert (value, low) == (0, 0)
    assert high == pytest.approx(1 - 0.025 ** (1 / 20))
