"""Statistics by hand, and against scipy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thesis_lib.validation import metrics


def test_paired_test_by_hand():
    p, effect = metrics.paired_test(np.array([2.0, 3, 4, 5, 6, 7]), np.array([1.0, 1, 1, 1, 1, 1]))
    assert effect == 1
    assert p == pytest.approx(2 / 2**6), "the most extreme of all signs"
    p, effect = metrics.paired_test(np.array([0.0, 0, 3]), np.array([1.0, 2, 0]))
    assert effect == pytest.approx(0)
    assert metrics.paired_test(np.ones(4), np.ones(4)) == (1.0, 0.0)
    with pytest.raises(metrics.MetricError, match="paired"):
        metrics.paired_test(np.ones(3), np.ones(4))


def test_holm_by_hand():
    assert list(metrics.holm(np.array([0.01, 0.04, 0.03]))) == pytest.approx([0.03, 0.06, 0.06])
    assert list(metrics.holm(np.array([0.9, 0.8]))) == [1, 1]


def test_agreement_and_correlation_by_hand():
    a = np.array([1.0, 2, 3, 4])
    assert metrics.agreement(a, a**3) == 1
    assert metrics.agreement(a, -a) == -1
    assert metrics.agreement(a, np.array([1.0, 2, 4, 3])) == pytest.approx(4 / 6)
    assert metrics.correlation(a, np.exp(a)) == pytest.approx(1)
    assert metrics.correlation(a, np.array([1.0, 2, 4, 3])) == pytest.approx(0.8)
    for measure in (metrics.agreement, metrics.correlation):
        with pytest.raises(metrics.MetricError):
            measure(a, np.ones(4))


@given(st.integers(0, 1000))
def test_correlation_is_scipy_s(seed):
    from scipy.stats import spearmanr

    a, b = np.random.default_rng(seed).integers(0, 6, (2, 12)).astype(float)
    assert metrics.correlation(a, b) == pytest.approx(spearmanr(a, b).statistic)
    rows = np.random.default_rng(seed).integers(0, len(a), len(a))
    assert metrics.correlation_of(a, b)(rows) == pytest.approx(spearmanr(a[rows], b[rows]).statistic)


def test_auc_and_eer_by_hand():
    same, different = np.array([0.9, 0.8, 0.3]), np.array([0.4, 0.2, 0.1])
    assert metrics.auc(same, different) == pytest.approx(8 / 9)
    assert metrics.equal_error_rate(same, different) == pytest.approx(1 / 3)
    assert metrics.equal_error_rate(same + 1, different) == 0
    with pytest.raises(metrics.MetricError):
        metrics.auc(same, np.array([]))


@given(st.integers(0, 1000))
def test_auc_is_symmetric(seed):
    a, b = np.random.default_rng(seed).normal(size=(2, 20))
    assert metrics.auc(a, b) == pytest.approx(1 - metrics.auc(b, a))


def test_labelled_cosines_by_hand():
    a = np.array([[1.0, 0.0], [0.0, 2.0]])
    labels, apart = np.array(["x", "y"]), np.array([1, 2])
    same, different = metrics.labelled_cosines(a, a, labels)
    assert list(same) == [1, 1]
    assert list(different) == [0, 0]
    same, different = metrics.labelled_cosines(a, a, labels, apart)
    assert not len(same)
    assert len(different) == 2
