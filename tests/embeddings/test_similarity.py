"""Similarity of two embeddings."""

import numpy as np
import pytest

from thesis_lib.validation import metrics


def test_cosine_by_hand():
    assert metrics.cosine(np.array([1.0, 0.0]), np.array([1.0, 1.0])) == pytest.approx(np.sqrt(0.5))
    with pytest.raises(metrics.MetricError):
        metrics.cosine(np.zeros(2), np.ones(2))
