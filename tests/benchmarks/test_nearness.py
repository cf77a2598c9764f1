"""Vocoders compared on the same utterances, and the intervals over seeds and utterances."""

import numpy as np
import pytest

from benchmarks.budget import RESAMPLES, interval_of_mean
from benchmarks.nearness import values_of
from thesis_lib.validation import GROUND_TRUTH
from thesis_lib.validation.measurements import Measured, Measurements
from thesis_lib.validation.metrics import crossed_bootstrap


class Network:
    """An encoder of which only the name is needed."""

    name = "network"


def measured(number: int, *left_out: str) -> Measured:
    """An utterance with the outputs of "a" and "b"; those left out have no PESQ."""
    rows = [
        {"id": str(number), "system": system, "mel_l1": float(number)} | ({} if system in left_out else {"pesq": 4.0})
        for system in (GROUND_TRUTH, "a", "b")
    ]
    missing = [{"id": str(number), "system": system, "metric": "pesq", "reason": "silent"} for system in left_out]
    vectors = {(system, "speaker"): np.eye(2)[int(system == "b")] for system in (GROUND_TRUTH, "a", "b")}
    return Measured(rows, missing, vectors)


def test_an_utterance_that_one_system_is_not_measured_on_is_left_out_for_all():
    everything = Measurements([measured(0), measured(1, "b"), measured(2)])
    found, missing = values_of(everything, ["a", "b"], {"speaker": Network()})
    assert missing == [{"id": "1", "system": "b", "metric": "pesq", "reason": "silent"}]
    assert [found[name]["mel_l1"].tolist() for name in "ab"] == [[0.0, 2.0]] * 2
    assert [found[name]["pesq"].tolist() for name in "ab"] == [[4.0, 4.0]] * 2
    assert [found[name]["network"].tolist() for name in "ab"] == [[1, 1], [0, 0]]


def test_without_a_complete_utterance_there_are_no_values():
    found, missing = values_of(Measurements([measured(0, GROUND_TRUTH, "a", "b")]), ["a"], {"speaker": Network()})
    assert len(missing) == 3
    assert [found["a"][name].tolist() for name in ("mel_l1", "pesq", "network")] == [[], [], []]
    assert interval_of_mean(np.stack([found["a"]["pesq"]] * 3))["value"] is None


@pytest.mark.parametrize("shape", [(3, 8), (1, 8), (3, 1)])
def test_the_interval_draws_seeds_and_utterances(shape):
    values = np.random.default_rng(0).normal(size=shape)
    found = interval_of_mean(values)
    assert [found[name] for name in ("value", "low", "high")] == list(crossed_bootstrap(values, RESAMPLES, 0))


def test_without_two_seeds_or_two_utterances_there_is_a_reason():
    assert interval_of_mean(np.ones((1, 1))) == dict.fromkeys(("value", "low", "high")) | {
        "reason": "1 groups give no interval"
    }
