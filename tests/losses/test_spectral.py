"""Spectral losses worked by hand."""

import math

import pytest
import torch

from thesis_lib.config import AudioConfig
from thesis_lib.losses import (
    MelLoss,
    MultiResolutionStft,
    MultiScaleMel,
    mel_loss,
    multi_resolution_stft_loss,
    stft_loss,
)

AUDIO = AudioConfig()


def test_mel_loss():
    assert float(mel_loss(torch.zeros(1, 2, 2), torch.tensor([[[1.0, -1.0], [0.0, 2.0]]]))) == 1.0


def test_stft_loss_of_a_gain():
    """Half the amplitude: convergence 1/2, log distance ln 2 wherever the spectrum is above the floor."""
    wav = torch.randn(1, 8192)
    assert float(stft_loss(0.5 * wav, wav, 512)) == pytest.approx(0.5 + math.log(2), abs=1e-3)


def test_stft_loss_is_relative_to_the_reference():
    a, b = torch.randn(1, 8192), 3 * torch.randn(1, 8192)
    assert float(stft_loss(a, b, 512)) < float(stft_loss(b, a, 512))


def test_multi_resolution_is_the_mean_over_sizes():
    a, b = torch.randn(2, 1, 8192)
    parts = [float(stft_loss(a, b, size)) for size in (512, 1024, 2048)]
    assert float(multi_resolution_stft_loss(a, b)) == pytest.approx(sum(parts) / 3, rel=1e-5)
    assert torch.equal(MultiResolutionStft()(a, b), multi_resolution_stft_loss(a, b)), "with its windows kept"


def test_mel_losses_of_a_gain_are_its_logarithm():
    wav = torch.randn(1, 8192)
    for loss in (MelLoss(AUDIO), MultiScaleMel(AUDIO)):
        assert float(loss(math.e * wav, wav)) == pytest.approx(1, abs=1e-3)


def test_multi_scale_mel_sees_what_one_scale_is_blind_to():
    """Two clicks 5 ms apart against two 3 ms apart: within one 46 ms window, but not within 23 ms and 12 ms."""
    wavs = torch.zeros(2, 1, 8192)
    wavs[:, 0, 4000] = 1
    wavs[0, 0, 4110] = wavs[1, 0, 4066] = 1
    small = MultiScaleMel(AUDIO, ((256, 20),))
    large = MultiScaleMel(AUDIO, ((2048, 20),))
    assert float(small(*wavs)) > float(large(*wavs)) > 0


def test_jitter_costs_more_than_a_steady_error_of_the_same_size():
    """What a loss on each frame alone cannot tell apart."""
    reference = torch.zeros(1, 1, 10)
    steady, jitter = torch.ones(1, 1, 10), torch.tensor([1.0, -1.0] * 5).view(1, 1, 10)
    assert float(mel_loss(steady, reference)) == float(mel_loss(jitter, reference))
    assert float(mel_loss(steady.diff(), reference.diff())) == 0
    assert float(mel_loss(jitter.diff(), reference.diff())) == 2
