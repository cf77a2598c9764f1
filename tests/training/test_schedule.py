"""The closed forms against torch's own schedulers, step by step."""

import pytest
import torch
from torch.optim import lr_scheduler

from thesis_lib.config import TrainingConfig
from thesis_lib.training.schedule import rate_factor

TOTAL = 120


def theirs(make):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 1.0)
    scheduler, rates = make(optimizer), []
    for _ in range(TOTAL):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


@pytest.mark.parametrize(
    ("changes", "make"),
    [
        ({"lr_decay": 0.5, "decay_every": 50}, lambda o: lr_scheduler.StepLR(o, 50, 0.5)),
        ({"schedule": "exponential", "lr_decay": 0.9, "decay_every": 1}, lambda o: lr_scheduler.ExponentialLR(o, 0.9)),
        ({"schedule": "cosine"}, lambda o: lr_scheduler.CosineAnnealingLR(o, TOTAL)),
        ({"schedule": "constant"}, lambda o: lr_scheduler.ConstantLR(o, 1.0)),
        (
            {"schedule": "cosine", "warmup_steps": 20},
            lambda o: lr_scheduler.SequentialLR(
                o,
                [lr_scheduler.LinearLR(o, 1 / 20, 1, 19), lr_scheduler.CosineAnnealingLR(o, TOTAL - 20)],
                [20],
            ),
        ),
    ],
    ids=["step", "exponential", "cosine", "constant", "warm-up and cosine"],
)
def test_it_equals_torchs_scheduler(changes, make):
    training = TrainingConfig(**changes)
    assert [rate_factor(training, step, TOTAL) for step in range(TOTAL)] == pytest.approx(theirs(make), abs=1e-9)


def test_a_cosine_stays_at_zero_beyond_its_end():
    assert rate_factor(TrainingConfig(schedule="cosine"), 2 * TOTAL, TOTAL) == 0
