"""Calibration of cosines, and whitening."""

import numpy as np
import pytest

from thesis_lib.validation import metrics


def test_calibration_puts_a_cosine_between_floor_and_ceiling():
    found = metrics.Calibration(same=np.array([0.6, 0.8]), different=np.array([0.0, 0.2]))
    assert (found.floor, found.ceiling) == pytest.approx((0.1, 0.7))
    assert found.normalised(0.4) == pytest.approx(0.5)
    assert (found.percentile(0.5), found.percentile(0.7), found.percentile(0.9)) == (0, 50, 100)
    assert found.equal_error_rate == 0
    for same, different in (([], [0.1]), ([0.1], []), ([0.1], [0.2])):
        with pytest.raises(metrics.MetricError):
            metrics.Calibration(np.array(same), np.array(different))


def test_calibration_of_planted_speakers():
    rng = np.random.default_rng(0)
    speakers = np.repeat(np.arange(6), 4)
    centres = rng.normal(size=(6, 16))
    spanish, english = (centres[speakers] + 0.2 * rng.normal(size=(24, 16)) for _ in range(2))
    found = metrics.Calibration.between(spanish, english, speakers)
    assert len(found.same) == 24 * 4
    assert len(found.different) == 24 * 20
    assert found.ceiling > 0.9


def test_whitening_shows_what_a_common_offset_hides():
    rng = np.random.default_rng(0)
    labels = np.tile([0, 1], 100)
    offset, axis, noise = 20 * rng.normal(size=32), rng.normal(size=32), rng.normal(size=(200, 32))
    vectors = offset + noise + np.outer(np.where(labels, 1.0, -1.0), axis)
    raw = metrics.labelled_cosines(vectors, vectors, labels)
    assert min(map(np.min, raw)) > 0.9, "as emotion2vec's: everything resembles everything"
    white = metrics.Whitening.fit(vectors)(vectors)
    assert white.mean(0) == pytest.approx(0, abs=1e-9)
    assert white.std(0) == pytest.approx(1, abs=0.15)
    assert np.abs(np.corrcoef(white.T) - np.eye(32)).max() < 0.25
    with pytest.raises(metrics.MetricError):
        metrics.Whitening.fit(vectors[:1])
