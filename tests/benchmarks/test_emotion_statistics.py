"""The statistics of systems on acted recordings, on data with a known answer."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.emotion_statistics import correlation_of_rows, interval_rows, paired_differences, recall
from thesis_lib.utils.errors import MetricError
from thesis_lib.validation.metrics import Bounded

EMOTIONS = ("anger", "neutral", "sadness")


def rows(carried: float, seed: int = 0) -> pd.DataFrame:
    """Six speakers; the probe's input is the emotion's direction times ``carried``, the speaker's offset and noise."""
    rng, directions = np.random.default_rng(seed), np.eye(3, 8)
    found = []
    for speaker in range(6):
        offset = 5 * rng.normal(size=8)
        for number, name in enumerate(EMOTIONS):
            probe = offset + carried * directions[number] + 0.05 * rng.normal(size=8)
            found.append({"speaker": f"s{speaker}", "emotion": name, "probe": probe})
    return pd.DataFrame(found)


def test_recall_of_an_output_that_carries_the_emotion_is_one():
    """Although each speaker is far from the others, and never part of the probe's own training."""
    assert recall(rows(1.0), rows(1.0, seed=1), "probe")(np.arange(18)) == 1.0


def test_recall_of_an_output_without_emotion_is_about_chance():
    values = [recall(rows(1.0), rows(0.0, seed=seed), "probe")(np.arange(18)) for seed in range(1, 30)]
    assert np.mean(values) == pytest.approx(1 / 3, abs=0.1)


def test_a_constant_has_no_correlation():
    with pytest.raises(MetricError, match="constant"):
        correlation_of_rows(np.ones(4), np.arange(4.0))(np.arange(4))
    assert correlation_of_rows(-np.arange(4.0), np.arange(4.0))(np.arange(4)) == pytest.approx(-1)


def test_the_interval_of_the_word_error_rate_is_over_the_texts():
    """Four texts with other shares of errors, each of six speakers, for whom they are the same."""
    shares, truth = {"a": 0.0, "b": 0.05, "c": 0.1, "d": 0.4}, 0.25
    found = pd.DataFrame(
        [{"speaker": f"{text}{n}", "text": text, "wrong": x} for text, x in shares.items() for n in range(6)]
    )
    wrong = found.wrong.to_numpy()
    statistic = Bounded(lambda rows: float(wrong[rows].mean()), 0, 1)
    over_texts, over_speakers = interval_rows({"WER": statistic, "DNSMOS": statistic}, found, {})
    assert over_texts["low"] < truth < over_texts["high"]
    assert over_speakers["high"] < truth


def test_a_statistic_without_an_interval_has_the_reason():
    """Two speakers, one of them with constant values: a draw of the other one twice has no correlation."""
    found = pd.DataFrame({"speaker": ["a", "a", "b", "b"]})
    values = np.array([1.0, 2.0, 3.0, 3.0])
    statistics = {
        "correlation": correlation_of_rows(values, np.arange(4.0)),
        "mean": lambda rows: float(values[rows].mean()),
    }
    first, second = interval_rows(statistics, found, {"system": "x"})
    assert (first["value"], first["low"], first["high"]) == (None, None, None)
    assert first["reason"] == "the statistic is undefined for 260 of 1000 bootstrap samples"
    assert (second["system"], second["statistic"], second["n"], second["value"]) == ("x", "mean", 4, 2.25)
    assert second["low"] < 2.25 < second["high"]
    assert "reason" not in second


def test_the_difference_of_two_systems_is_paired():
    """The values differ between speakers by far more than the difference."""
    values, added = np.array([1.0, 5.0, 9.0]), np.array([0.24, 0.25, 0.26])
    one = pd.DataFrame({"speaker": ["a", "b", "c"]})
    statistics = {
        "first": {"x": lambda rows: float(values[rows].mean()), "y": lambda rows: 0.0, "hits": lambda rows: 0.5},
        "better": {"x": lambda rows: float((values + added)[rows].mean()), "hits": lambda rows: 0.5},
    }
    found, equal = paired_differences(statistics, "first", one)
    assert (found["system"], found["against"], found["statistic"], found["n"]) == ("better", "first", "x", 3)
    assert found["value"] == pytest.approx(0.25)
    assert 0.2 < found["low"] < 0.25 < found["high"] < 0.3
    assert (equal["value"], equal["low"], equal["high"]) == (0.0, None, None), "no interval of width 0"
    assert "the same in all draws" in equal["reason"]
