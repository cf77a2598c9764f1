"""Prosody of a recording."""

import numpy as np
import pytest
from helpers import voiced
from recorded import RATE, record

from thesis_lib.validation import metrics


def test_prosody_of_what_was_made():
    quiet = np.zeros(RATE // 2, np.float32)
    said = record(np.concatenate([voiced(1.0, f0=200.0), quiet, voiced(1.0, f0=200.0, seed=1)]))
    found = metrics.prosody(said)
    assert set(found) == set(metrics.PROSODY)
    assert found["f0_median"] == pytest.approx(12, abs=0.5), "200 Hz is an octave above 100 Hz"
    assert found["pauses"] == pytest.approx(0.2, abs=0.06)
    steady = metrics.prosody(record(voiced(2.0)))
    assert steady["pauses"] < found["pauses"]
    softer = metrics.prosody(record(0.1 * voiced(2.0)))
    assert softer["energy_std"] == pytest.approx(steady["energy_std"], abs=0.7), "level is not style"
