"""A recording as the metrics use it: its F0, its features, its rates."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from helpers import voiced
from recorded import RATE, record

from thesis_lib.validation import metrics
from thesis_lib.validation.metrics import Recording


def test_the_f0_of_the_evaluation_is_measured_without_the_tracker_of_the_content(monkeypatch):
    monkeypatch.setattr("thesis_lib.validation.metrics.recording.track", None)
    for f0 in (70.0, 140.0, 420.0):
        found = record(voiced(1.0, f0=f0)).f0
        assert np.median(found[found > 0]) == pytest.approx(f0, rel=0.01)
        assert metrics.prosody(record(voiced(1.0, f0=f0)))["f0_median"] == pytest.approx(
            12 * np.log2(f0 / 100), abs=0.2
        )
    silent = record(np.zeros(RATE, np.float32))
    assert not silent.f0.any()
    with pytest.raises(metrics.MetricError, match="0 voiced frames"):
        metrics.prosody(silent)
    with pytest.raises(metrics.MetricError):
        metrics.prosody(record(voiced(0.01)))


def test_f0_of_recordings_that_threads_measure_side_by_side_is_that_of_one_after_the_other():
    wavs = [voiced(0.5 + 0.1 * i, f0=100.0 + 20 * i) for i in range(8)]
    alone = [record(wav).f0 for wav in wavs]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda wav: record(wav).f0, wavs * 4))
    assert all(np.array_equal(a, b) for a, b in zip(alone * 4, together, strict=True))


def test_a_feature_is_computed_once_however_many_ask(pair, monkeypatch):
    from concurrent.futures import ThreadPoolExecutor

    from thesis_lib.validation.metrics import recording

    calls = []
    track = recording.track
    monkeypatch.setattr(recording, "track", lambda *given: calls.append(1) or track(*given))
    wav = record(pair[0])
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: wav.pitch, range(8)))
    assert len(calls) == 1
    assert all(pitch is found[0] for pitch in found)


def test_another_rate_is_resampled_once_for_all():
    wav = voiced(1.0, rate=44_100)
    assert len(Recording(wav, 44_100).wav) == pytest.approx(22_050, abs=1)
    assert len(Recording(wav, 44_100).wideband) == pytest.approx(16_000, abs=1)
