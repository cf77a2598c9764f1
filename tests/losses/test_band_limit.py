"""The low-pass filter of band-limited recordings."""

import math

import pytest
import torch

from thesis_lib.config import DiscriminatorConfig
from thesis_lib.losses import low_pass, multi_resolution_stft_loss
from thesis_lib.losses.band_limit import NYQUIST
from thesis_lib.training.discriminators import Discriminator

RATE, SAMPLES = 22_050, 8192
CUTOFF = 7700 / RATE  # cycles per sample, of a recording made at 16 kHz


def spectrum(wav: torch.Tensor) -> torch.Tensor:
    return torch.fft.rfft(wav).abs()


@pytest.mark.parametrize(
    ("place", "gain"), [(0.0, 1.0), (0.5, 1.0), (0.959, 1.0), (0.98, 0.5), (1.001, 0.0), (1.2, 0.0), (1.43, 0.0)]
)
def test_the_response_is_one_up_to_the_transition_band_and_zero_from_the_cutoff_on(place, gain):
    """The response to an impulse, at shares of the cutoff: half of it (-6 dB) in the middle of the transition band."""
    impulse = torch.zeros(1, SAMPLES, dtype=torch.float64)
    impulse[0, 0] = 1.0
    response = spectrum(low_pass(impulse, torch.tensor([CUTOFF])))[0]
    assert float(response[round(place * CUTOFF * SAMPLES)]) == pytest.approx(gain, abs=0.02 if gain == 0.5 else 1e-9)


def test_the_phase_is_zero():
    t = torch.arange(SAMPLES, dtype=torch.float64)
    tone = torch.sin(2 * math.pi * 300 / SAMPLES * t)[None]
    assert torch.allclose(low_pass(tone, torch.tensor([CUTOFF])), tone, atol=1e-9)


def test_there_is_no_gradient_above_the_cutoff():
    torch.manual_seed(0)
    wav = torch.randn(3, SAMPLES, requires_grad=True)
    multi_resolution_stft_loss(
        low_pass(wav, torch.full((3,), CUTOFF)), low_pass(torch.randn(3, SAMPLES), torch.full((3,), CUTOFF))
    ).backward()
    gradient = spectrum(wav.grad)
    edge = math.ceil(CUTOFF * SAMPLES)
    assert gradient[:, edge:].max() < 1e-5 * gradient.max()
    assert gradient[:, : round(0.9 * edge)].max() == gradient.max()


def test_rows_without_a_limit_are_untouched_bit_for_bit():
    torch.manual_seed(0)
    wav, weights = torch.randn(3, SAMPLES, requires_grad=True), torch.randn(3, SAMPLES)
    limited = low_pass(wav, torch.tensor([NYQUIST, CUTOFF, NYQUIST]))
    assert torch.equal(limited[0], wav[0])
    assert torch.equal(limited[2], wav[2])
    assert not torch.equal(limited[1], wav[1])
    (weights * limited).sum().backward()
    assert torch.equal(wav.grad[[0, 2]], weights[[0, 2]])


def test_the_gradient_agrees_with_finite_differences():
    torch.manual_seed(0)
    cutoffs = torch.tensor([0.1, NYQUIST])
    wav = torch.randn(2, 64, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: low_pass(x, cutoffs), wav)


def test_a_discriminator_cannot_tell_a_recording_from_an_output_that_differs_above_the_band():
    torch.manual_seed(0)
    discriminator = Discriminator(DiscriminatorConfig(periods=(2, 3), scales=1, resolutions=(512,), width=0.0625))
    recording = low_pass(0.1 * torch.randn(2, SAMPLES), torch.full((2,), CUTOFF))
    invented = torch.randn(2, SAMPLES)
    output = recording + invented - low_pass(invented, torch.full((2,), 1.05 * CUTOFF))

    def scores(wav: torch.Tensor, limited: bool) -> torch.Tensor:
        with torch.no_grad():
            wav = low_pass(wav, torch.full((2,), CUTOFF)) if limited else wav
            return torch.cat(discriminator(wav.unsqueeze(1))[0], dim=1)

    whole, limited = ((scores(recording, cut) - scores(output, cut)).abs().max() for cut in (False, True))
    assert whole > 1e-2
    assert limited < 1e-4, "what is left is rounding"
