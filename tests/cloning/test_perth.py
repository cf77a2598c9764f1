"""The watermark's networks without torch equal those of the package."""

import tracemalloc

import numpy as np
import pytest
import torch
from helpers import spoken, voiced

from thesis_lib.cloning import perth
from thesis_lib.cloning.perth import Detector, Marker
from thesis_lib.cloning.watermark import RATE, weights_path
from thesis_lib.pretrained.torch_file import read_checkpoint
from thesis_lib.utils.load_librosa import load_librosa


@pytest.fixture(scope="module")
def networks() -> tuple:
    """Ours that marks and ours that detects, and the package's."""
    load_librosa()  # before the package imports it
    from perth.perth_net.perth_net_implicit.config import default_hp
    from perth.perth_net.perth_net_implicit.model.perth_net import PerthNet
    from perth.perth_net.perth_net_implicit.perth_watermarker import PerthImplicitWatermarker

    network = PerthNet(default_hp)
    network.load_state_dict(torch.load(weights_path(), map_location="cpu", weights_only=True)["model"])
    tensors = read_checkpoint(weights_path())["model"]
    return Marker(tensors), Detector(tensors), PerthImplicitWatermarker(None, perth_net=network.eval())


def test_marked_samples_and_probabilities_are_those_of_the_package(networks):
    marker, detector, theirs = networks
    for wav in (voiced(1.3, RATE), spoken(0, RATE, "en")[: 2 * RATE]):
        marked = marker.mark(wav)
        assert np.abs(marked - theirs.apply_watermark(wav, RATE)).max() < 1e-4
        for given in (wav, marked):
            with torch.inference_mode():
                expected = float(theirs.get_watermark(given, RATE, round=False).item())
            assert abs(detector.probability(given) - expected) < 1e-4


def test_the_blocks_of_frames_change_nothing(networks, monkeypatch):
    marker, detector, _ = networks
    wav = voiced(1.3, RATE)
    marked, found = marker.mark(wav), detector.probability(wav)
    monkeypatch.setattr(perth, "BLOCK_FRAMES", 10**6)
    assert np.abs(marker.mark(wav) - marked).max() < 1e-6
    assert detector.probability(wav) == pytest.approx(found, abs=1e-6)


def test_marking_half_a_minute_does_not_hold_its_whole_spectrum_and_frames(networks):
    marker, wav = networks[0], voiced(30.0, RATE)
    tracemalloc.start()
    marker.mark(wav)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    spectrum = len(wav) / perth.HOP * (perth.SIZE // 2 + 1) * np.dtype(np.complex128).itemsize
    assert peak < 1.5 * spectrum  # the spectrum, its levels and phases, and the frames would be five times as much
