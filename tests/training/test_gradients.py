"""Gradient norm of each loss at a trained generator."""

import pytest

from thesis_lib.config import TASKS
from thesis_lib.training import gradient_norms


@pytest.mark.parametrize("task", TASKS)
def test_every_signal_loss_moves_the_trained_generator(tiny_run, task):
    norms = gradient_norms(tiny_run, task)
    assert set(norms) == {"mel", "multi_scale_mel", "stft", "temporal"}, "the tiny test encoder has no gradient"
    assert all(value > 0 for value in norms.values())
