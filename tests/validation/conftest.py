"""Fixtures of the validation."""

import numpy as np
import pytest
from helpers import voiced
from planted import measurements

from thesis_lib.validation import Measurements, systems


@pytest.fixture
def unpublished(monkeypatch):
    monkeypatch.setattr(systems.pretrained, "is_cached", lambda name: False)


@pytest.fixture(scope="module")
def planted() -> Measurements:
    return measurements()


@pytest.fixture(scope="module")
def pair():
    wav = voiced(2.0)
    return wav, (wav + 0.01 * np.random.default_rng(0).normal(size=len(wav))).astype(np.float32)
