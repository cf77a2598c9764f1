"""Small real inputs: synthetic signals, a tiny run on the bundled corpus, weights where they are cached."""

import os
import sys

os.environ.setdefault("OMP_NUM_THREADS", "2")

import numpy as np
import pytest
import torch

from thesis_lib import models
from thesis_lib.config import Config
from thesis_lib.runs import Run
from thesis_lib.training import train

TINY = {
    "corpus.limit": 3,
    "encoders.speaker": "tiny-test",
    "training.steps": 4,
    "training.adversarial_from": 2,
    "training.checkpoint_every": 2,
    "validation.metrics": ("mel_l1", "pesq", "speaker"),
}


@pytest.fixture(autouse=True)
def _deterministic():
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _skip_without_weights(request):
    marker = request.node.get_closest_marker("weights")
    missing = [name for name in (marker.args if marker else ()) if not models.is_cached(name)]
    if missing:
        pytest.skip(f"run `thesis models fetch {' '.join(missing)}` first")


@pytest.fixture(autouse=True)
def _no_lazy_modules():
    """speechbrain leaves modules in sys.modules that raise ImportError at a look, and hypothesis looks at all."""
    for name, module in list(sys.modules.items()):
        if type(module).__name__ in ("LazyModule", "DeprecatedModuleRedirect"):
            del sys.modules[name]


@pytest.fixture(scope="session")
def tiny_config() -> Config:
    return Config.from_profile("smoke").override(TINY)


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory, tiny_config) -> Run:
    """A run whose vocoder is trained (four steps of a tiny network)."""
    run = Run(tmp_path_factory.mktemp("runs") / "tiny", tiny_config)
    train(run)
    return run


def voiced(seconds: float = 1.0, rate: int = 22_050, f0: float = 140.0, seed: int = 0) -> np.ndarray:
    """A buzzy, syllable-shaped signal: enough like speech for what is tested with it."""
    t = np.arange(int(seconds * rate)) / rate
    rng = np.random.default_rng(seed)
    harmonics = sum(np.sin(2 * np.pi * f0 * k * t + rng.uniform(0, 6)) / k for k in range(1, 12))
    envelope = 0.55 + 0.45 * np.sin(2 * np.pi * 3 * t)
    return (0.1 * harmonics * envelope + 0.002 * rng.normal(size=len(t))).astype(np.float32)


@pytest.fixture
def speech() -> np.ndarray:
    return voiced()
