"""Fixtures of trainings."""

import pytest

from thesis_lib.training import State
from thesis_lib.training.segments import Segments


@pytest.fixture
def parts(tiny_run):
    """Fresh state and data of the tiny run."""
    data = Segments(tiny_run, "resynthesis", "train")
    return State.create(tiny_run.config, "resynthesis", data), data
