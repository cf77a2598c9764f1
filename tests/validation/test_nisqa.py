"""NISQA."""

import numpy as np
import pytest
from helpers import voiced
from recorded import record

from thesis_lib.validation import metrics


@pytest.mark.weights("nisqa-tts")
def test_nisqa_is_the_published_package_s(pair):
    # nisqa 2.0.post2 (PyPI) with the same weights gave these.
    assert metrics.nisqa(record(voiced(2.0)))["nisqa"] == pytest.approx(2.147400, abs=1e-4)
    assert metrics.nisqa(record(voiced(3.3, f0=200.0)))["nisqa"] == pytest.approx(2.483710, abs=1e-4)
    for wav, says in ((np.zeros(22_050, np.float32), "silent"), (voiced(0.1), "too short")):
        with pytest.raises(metrics.MetricError, match=says):
            metrics.nisqa(record(wav))
