"""The alterations and the long recordings of the watermark's benchmark."""

import numpy as np
import pytest

from benchmarks import watermark
from benchmarks.alterations import RATE, middle_second
from thesis_lib.cloning.watermark import Detection


@pytest.mark.parametrize("seconds", [1, 3, 8.5])
def test_the_middle_second_is_around_the_middle(seconds):
    places = np.arange(round(seconds * RATE))
    found = middle_second(places)
    assert len(found) == RATE
    assert abs(found.mean() - places.mean()) <= 0.5


def test_a_signal_of_less_than_a_second_is_its_own_middle():
    assert len(middle_second(np.zeros(RATE // 2))) == RATE // 2


def test_the_middle_third_of_a_long_recording_is_marked(monkeypatch):
    """Samples are 0, or 1 where marked."""
    given = []

    def detect(wav, rate):
        given.append(wav)
        return Detection(0.9, 1.0, ((0.0, 1.0),) if wav.any() else ())

    monkeypatch.setattr(watermark, "detect_watermark", detect)
    count = 2 * watermark.JOINED + 1
    found = watermark.joined([np.zeros(RATE)] * count, [np.ones(RATE)] * count)
    assert (found["recordings"], found["seconds"]) == (2, watermark.JOINED)
    assert (found["a third marked"]["share"], found["unmarked"]["share"]) == (1, 0)
    assert np.array_equal(np.flatnonzero(given[0]), np.arange(4 * RATE, 8 * RATE))
    assert watermark.joined([np.zeros(RATE)] * 3, [np.ones(RATE)] * 3) == {"recordings": 0}
