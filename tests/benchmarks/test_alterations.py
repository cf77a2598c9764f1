"""The alterations of a watermarked recording."""

import numpy as np
import pytest

from benchmarks.alterations import RATE, middle_second


@pytest.mark.parametrize("seconds", [1, 3, 8.5])
def test_the_middle_second_is_around_the_middle(seconds):
    places = np.arange(round(seconds * RATE))
    found = middle_second(places)
    assert len(found) == RATE
    assert abs(found.mean() - places.mean()) <= 0.5


def test_a_signal_of_less_than_a_second_is_its_own_middle():
    assert len(middle_second(np.zeros(RATE // 2))) == RATE // 2
