import pytest
import torch

from thesis_lib.config import DiscriminatorConfig
from thesis_lib.training.discriminators import Discriminator, Period, Resolution, Scale


def test_every_part_scores_one_signal():
    discriminator = Discriminator(DiscriminatorConfig(width=0.0625))
    scores, features = discriminator(torch.randn(2, 1, 8192))
    assert len(scores) == len(features) == 5 + 3
    assert all(len(s) == 2 and s.ndim == 2 for s in scores)
    assert all(len(f) in (6, 8) for f in features)


def test_full_width_has_the_papers_sizes():
    """70.7 M parameters: 41.1 M in five period parts, 29.6 M in three scale parts (official code, counted)."""
    discriminator = Discriminator(DiscriminatorConfig())
    periods = sum(p.numel() for part in discriminator.parts[:5] for p in part.parameters())
    scales = sum(p.numel() for part in discriminator.parts[5:] for p in part.parameters())
    assert abs(periods - 41.1e6) < 0.1e6
    assert abs(scales - 29.6e6) < 0.1e6


@pytest.mark.parametrize("period", [2, 3, 11])
def test_a_period_part_sees_its_own_period(period):
    """Columns are independent: a change at one phase of the period leaves the others' first features alone."""
    part = Period(period, 0.0625)
    wav = torch.randn(1, 1, period * 40)
    moved = wav.clone()
    moved[..., ::period] += 1
    a, b = part(wav)[1][0], part(moved)[1][0]
    assert not torch.allclose(a[..., 0], b[..., 0])
    assert torch.allclose(a[..., 1:], b[..., 1:])


def test_a_scale_part_looks_at_a_slower_signal():
    wav = torch.randn(1, 1, 4096)
    lengths = [Scale(pools, 0.0625)(wav)[0].shape[1] for pools in range(3)]
    assert lengths[0] > 1.8 * lengths[1] > 3.2 * lengths[2]


def test_length_that_no_period_divides():
    scores, _ = Period(7, 0.0625)(torch.randn(1, 1, 1000))
    assert torch.isfinite(scores).all()


def test_a_resolution_part_looks_at_a_magnitude_spectrogram():
    part = Resolution(512, 0.25)
    wav = torch.randn(2, 1, 4096)
    scores, features = part(wav)
    assert scores.ndim == 2
    assert len(features) == 6
    assert features[0].shape == (2, 8, 4096 // 128 + 1, 257)
    assert torch.allclose(part(-wav)[0], scores, atol=1e-5), "the phase is not looked at"
    assert not torch.allclose(part(2 * wav)[0], scores)


def test_the_conversion_discriminator_has_periods_and_resolutions():
    parts = Discriminator(DiscriminatorConfig(periods=(2, 3), scales=0, resolutions=(512, 1024), width=0.0625)).parts
    assert [type(part) for part in parts] == [Period, Period, Resolution, Resolution]
