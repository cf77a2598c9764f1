"""The temporal loss worked by hand."""

import math

import pytest
import torch

from thesis_lib.config import AudioConfig
from thesis_lib.losses import MelLoss, TemporalConsistency

AUDIO = AudioConfig()


def harmonic(f0, samples=16_384):
    """(N,) a buzz with the given F0 contour (N,) or constant, Hz."""
    f0 = torch.as_tensor(f0, dtype=torch.float64).expand(samples)
    phase = 2 * math.pi * torch.cumsum(f0 / AUDIO.sample_rate, 0)
    return sum(torch.sin(k * phase) / k for k in range(1, 9)).float() * 0.1


@pytest.mark.parametrize("f0", [80.0, 150.0, 320.0])
def test_the_soft_f0_of_a_known_signal(f0):
    log_f0, voicing = TemporalConsistency(AUDIO).soft_log_f0(harmonic(f0)[None])
    assert math.exp(float(log_f0.median())) == pytest.approx(f0, rel=0.1)
    assert float(voicing.median()) > 0.9
    noise = 0.1 * torch.randn(1, 16_384)
    assert float(TemporalConsistency(AUDIO).soft_log_f0(noise)[1].median()) < 0.5


def test_temporal_parts_answer_to_what_they_are_named_after():
    loss = TemporalConsistency(AUDIO)
    steady = harmonic(150.0)[None]
    t = torch.arange(16_384) / AUDIO.sample_rate
    trembling = {
        "energy": steady * (1 + 0.5 * torch.sin(2 * math.pi * 8 * t)),
        "f0": harmonic(150 + 25 * torch.sin(2 * math.pi * 8 * t))[None],
    }
    still = loss.parts(steady, steady)
    assert all(float(value) == 0 for value in still.values())
    for name, wav in trembling.items():
        parts = loss.parts(wav, steady)
        other = loss.parts(trembling["f0" if name == "energy" else "energy"], steady)
        assert float(parts[name]) > 3 * float(other[name]), name
        assert float(parts["mel"]) > 0


def test_a_constant_gain_is_no_movement():
    wav = harmonic(150.0)[None]
    parts = TemporalConsistency(AUDIO).parts(0.5 * wav, wav)
    assert float(parts["energy"]) < 1e-3
    assert float(parts["f0"]) < 1e-3


def test_a_standing_filter_is_no_movement():
    """A filter that stands still changes every frame alike: its bands differ, its frames do not."""
    wav = harmonic(150.0)[None]
    filtered = wav + 0.9 * torch.roll(wav, 12, dims=1)  # a comb: neighbouring bands differ much
    mel = MelLoss(AUDIO).mel
    standing = mel(filtered) - mel(wav)
    moving = float(TemporalConsistency(AUDIO).parts(filtered, wav)["mel"])
    assert moving < 0.5 * float(standing.diff(dim=1).abs().mean())


def test_the_f0_part_alone_has_a_gradient():
    t = torch.arange(16_384) / AUDIO.sample_rate
    trembling = harmonic(150 + 25 * torch.sin(2 * math.pi * 8 * t))[None].requires_grad_()
    TemporalConsistency(AUDIO).parts(trembling, harmonic(150.0)[None])["f0"].backward()
    assert trembling.grad.abs().max() > 0
