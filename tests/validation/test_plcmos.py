"""PLCMOS."""

import numpy as np
import pytest
from recorded import record

from thesis_lib.validation import metrics


def test_plcmos_on_one_thread_is_the_package_s_own(pair):
    from speechmos import plcmos

    wav = record(pair[0])
    np.random.seed(0)
    assert metrics.plcmos(wav)["plcmos"] == pytest.approx(
        plcmos.run(wav.wideband, metrics.WIDEBAND)["plcmos"], abs=1e-4
    )


def test_plcmos_is_the_same_each_time_and_leaves_the_caller_s_generator(pair):
    np.random.seed(3)
    first = metrics.plcmos(record(pair[0]))
    drawn = np.random.rand()
    assert metrics.plcmos(record(pair[0])) == first
    np.random.seed(3)
    assert np.random.rand() == drawn
