"""A person who hides under two ids is found, and strangers are not accused in numbers."""

import numpy as np
import pytest

from thesis_lib.validation.metrics import MetricError, speaker_leak


def people(count, recordings=6, size=64, noise=0.5, seed=0):
    """Vectors (count * recordings, size) around a direction each, and the speaker of each."""
    rng = np.random.default_rng(seed)
    centres = np.repeat(rng.normal(size=(count, size)), recordings, axis=0)
    names = np.repeat(np.array([f"p{i:02d}" for i in range(count)], object), recordings)
    return centres + noise * rng.normal(size=centres.shape), names


def test_somebody_under_two_ids_is_found():
    vectors, names = people(30)
    held = np.isin(names, [f"p{i:02d}" for i in range(20, 30)])
    clean = speaker_leak(vectors, names, held, ~held)
    assert not clean.suspects.any()
    assert clean.false_alarms == 0.0
    names = names.copy()
    names[3:6] = "other"  # half of p00, of the training split, is held out under another name
    held[3:6] = True
    found = speaker_leak(vectors, names, held, ~held)
    assert [found.speakers[i] for i in np.flatnonzero(found.suspects)] == ["other"]
    assert found.nearest[found.speakers.index("other")] == "p00"


def test_cosines_are_of_the_mean_of_unit_vectors_by_hand():
    vectors = np.array([[2.0, 0], [0, 1], [0, 3], [1, 1], [5, 0], [1, 0]])
    names = np.array(["a", "a", "b", "b", "c", "c"])
    leak = speaker_leak(vectors, names, names == "c", names != "c")
    # a: (1, 1)/sqrt 2; b: (0.38, 0.92); c: (1, 0).
    assert leak.speakers == ["c"]
    assert leak.nearest == ["a"]
    np.testing.assert_allclose(leak.cosines, [np.sqrt(0.5)])
    np.testing.assert_allclose(sorted(leak.same), [0, np.sqrt(0.5), 1], atol=1e-12)
    np.testing.assert_allclose(leak.different, [np.cos(np.pi / 8)])
    assert leak.threshold == pytest.approx(0.1 * np.sqrt(0.5))


def test_ids_that_do_not_separate_show_as_false_alarms():
    vectors, names = people(30, noise=8.0)  # hardly told apart
    held = np.isin(names, ["p00", "p01"])
    leak = speaker_leak(vectors, names, held, ~held)
    assert leak.false_alarms > 0.2


def test_too_few_is_an_error():
    vectors, names = people(3)
    with pytest.raises(MetricError, match="speakers on both sides"):
        speaker_leak(vectors, names, np.zeros(len(names), bool), np.ones(len(names), bool))
    vectors, names = people(8, recordings=1)
    with pytest.raises(MetricError, match="three with two recordings"):
        speaker_leak(vectors, names, names == "p00", names != "p00")
