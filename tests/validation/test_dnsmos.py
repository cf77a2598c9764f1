"""DNSMOS."""

import importlib

import numpy as np
import pytest
from recorded import RATE, record

from thesis_lib.validation import metrics


def test_predictors_prefer_clean(pair):
    wav, _ = pair
    noisy = np.clip(wav + 0.3 * np.random.default_rng(2).normal(size=len(wav)), -1, 1).astype(np.float32)
    for predict, name in ((metrics.dnsmos, "dnsmos_ovrl"), (metrics.plcmos, "plcmos")):
        assert predict(record(wav))[name] > predict(record(noisy))[name]


@pytest.mark.parametrize(("seconds", "windows"), [(3.0, 3), (5.2, 1), (12.4, 3)])
def test_dnsmos_of_shared_windows_is_the_package_s_own(pair, monkeypatch, seconds, windows):
    from speechmos import dnsmos

    module = importlib.import_module("thesis_lib.validation.metrics.dnsmos")
    monkeypatch.setattr(module, "MAX_SHARED_WINDOWS", 2)  # so that a group of one is left over
    wav = record(np.tile(pair[0], 7)[: int(seconds * RATE)])
    assert len(module._windows(wav.wideband)) == windows
    ours, theirs = metrics.dnsmos(wav), dnsmos.run(wav.wideband, metrics.WIDEBAND)
    assert ours["dnsmos_ovrl"] == pytest.approx(theirs["ovrl_mos"], abs=1e-4)
    assert ours["dnsmos_p808"] == pytest.approx(theirs["p808_mos"], abs=1e-4)
