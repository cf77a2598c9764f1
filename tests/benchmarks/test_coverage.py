"""The share of variance in the first components, where it is known."""

import numpy as np
import pytest

from benchmarks.coverage import share_of_variance


def test_the_share_of_the_first_components_is_that_of_their_variances():
    rng = np.random.default_rng(0)
    scores = rng.standard_normal((20_000, 4)) * np.sqrt([6, 2, 1, 1]) + 5
    shares = [share_of_variance(scores, count)(np.arange(len(scores))) for count in (1, 2, 4)]
    assert shares == pytest.approx([0.6, 0.8, 1], abs=0.01)


def test_the_variance_is_around_the_mean_of_the_chosen():
    scores = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 9.0]])
    assert share_of_variance(scores, 1)(np.array([0, 1])) == 1
