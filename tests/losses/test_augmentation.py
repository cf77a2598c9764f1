"""Augmentation before a frozen encoder: what each change does, and that the gradient passes."""

import math

import pytest
import torch
from torch import nn

from thesis_lib.losses import EmbeddingConsistency, EncoderAugmentation, augmentation

RATE, SAMPLES = 16_000, 16_000
CHANGES = ("equalised", "resampled", "noisy", "mu_law_coded", "band_coded")


@pytest.fixture
def wav() -> torch.Tensor:
    """(4, N): buzzes of different pitch and level, with noise."""
    torch.manual_seed(0)
    t = torch.arange(SAMPLES) / RATE
    buzz = torch.stack(
        [sum(torch.sin(2 * math.pi * k * f0 * t) / k for k in range(1, 30)) for f0 in (90, 140, 200, 260)]
    )
    return torch.tensor([[0.02], [0.1], [0.1], [0.2]]) * (buzz + 0.05 * torch.randn(4, SAMPLES))


def changed(name: str, wav: torch.Tensor, seed: int = 1) -> torch.Tensor:
    torch.manual_seed(seed)
    return getattr(EncoderAugmentation(RATE, 1.0), name)(wav)


def snr(wav: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """(B,) dB of the signal above the difference."""
    return 10 * torch.log10(wav.square().sum(1) / (other - wav).square().sum(1))


def test_noise_has_the_asked_ratio_to_the_signal(wav):
    ratios = torch.stack([snr(wav, changed("noisy", wav, seed)) for seed in range(50)])
    low, high = augmentation.NOISE_SNR_DB
    assert low - 0.5 < ratios.min() < low + 2
    assert high - 2 < ratios.max() < high + 0.5


def test_the_equaliser_changes_no_frequency_by_more_than_its_gain(wav):
    gain = 20 * torch.log10(torch.fft.rfft(changed("equalised", wav)).abs() / torch.fft.rfft(wav).abs())
    assert gain.abs().max() <= augmentation.EQUALISER_GAIN_DB[1] + 0.1
    assert (gain.amax(1) - gain.amin(1)).min() > 3, "it is no constant gain"
    assert gain.diff(dim=1).abs().max() < 0.1, "it is smooth"


def test_resampling_leaves_nothing_above_its_nyquist_frequency_and_all_below(wav):
    before, after = (torch.fft.rfft(x).abs() for x in (wav, changed("resampled", wav)))
    low, high = (round(f * SAMPLES / RATE) for f in augmentation.RESAMPLED_NYQUIST_HZ)
    assert after[:, high:].max() < 1e-4 * after.max()
    passed = round(0.95 * low)
    assert torch.allclose(before[:, :passed], after[:, :passed], rtol=1e-3, atol=1e-3)


def test_mu_law_is_the_codec_of_torchaudio(wav):
    from torchaudio.functional import mu_law_decoding, mu_law_encoding

    peak = wav.abs().amax(1, keepdim=True)
    expected = peak * mu_law_decoding(mu_law_encoding(wav / peak, 256), 256)
    # Theirs has no level at zero: half a step between the two.
    assert (changed("mu_law_coded", wav) - expected).abs().max() < 0.03 * peak.max()
    assert 25 < float(snr(wav, changed("mu_law_coded", wav)).min()) < 45


def test_the_transform_codec_has_the_asked_ratio_in_every_band(wav):
    codec = EncoderAugmentation(RATE, 1.0)
    ratios = []
    for seed in range(20):
        torch.manual_seed(seed)
        coded = codec.band_coded(wav)
        parts = [
            torch.stft(x, augmentation.CODEC_SIZE, window=codec.window, return_complex=True).abs().square().mean(2)
            for x in (wav, coded - wav)
        ]
        powers = [part @ codec.bands for part in parts]
        ratios.append(10 * torch.log10(powers[0] / powers[1]))
    found = torch.stack(ratios).mean(2)
    low, high = augmentation.CODEC_SNR_DB
    # Where a band's step is above its lines these become zero: a ratio near 0 dB instead of the asked one.
    assert low - 4 < found.min() < found.max() < high + 4
    assert found.max() - found.min() > 6


@pytest.mark.parametrize("name", ["mu_law_coded", "band_coded", "noisy"])
def test_quantisation_and_noise_pass_the_gradient_unchanged(wav, name):
    wav.requires_grad_()
    weights = torch.randn_like(wav)
    (weights * changed(name, wav)).sum().backward()
    assert torch.equal(wav.grad, weights)


@pytest.mark.parametrize("name", ["equalised", "resampled"])
def test_a_filter_s_gradient_agrees_with_finite_differences(name):
    torch.manual_seed(0)
    wav = torch.randn(2, 64, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: changed(name, x), wav)


@pytest.mark.parametrize("name", CHANGES)
def test_silence_stays_finite(name):
    wav = torch.zeros(2, SAMPLES, requires_grad=True)
    found = changed(name, wav)
    found.sum().backward()
    assert found.isfinite().all()
    assert wav.grad.isfinite().all()


def test_each_item_and_change_has_the_probability(wav):
    assert torch.equal(EncoderAugmentation(RATE, 0.0)(wav), wav)
    assert ((EncoderAugmentation(RATE, 1.0)(wav) - wav).abs().amax(1) > 1e-4).all()
    many = wav[1:2, :2048].repeat(400, 1)
    untouched = (EncoderAugmentation(RATE, 0.2)(many) == many).all(1).float().mean()
    assert float(untouched) == pytest.approx(0.8 ** len(CHANGES), abs=0.08)


def test_the_changes_depend_on_the_seed_alone(wav):
    changes = EncoderAugmentation(RATE, 0.5)
    torch.manual_seed(4)
    first = changes(wav)
    torch.manual_seed(4)
    assert torch.equal(changes(wav), first)
    assert not torch.equal(changes(wav), first)


class Linear(nn.Module):
    """An encoder that records what it is given."""

    sample_rate = RATE

    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Linear(2000, 8)
        self.given: list[torch.Tensor] = []

    def forward(self, wav: torch.Tensor) -> torch.Tensor:
        self.given.append(wav.detach())
        return self.out(wav[:, :2000])


def test_the_loss_changes_the_estimate_alone_at_the_encoder_s_rate_and_reaches_it(wav):
    torch.manual_seed(0)
    encoder = Linear()
    loss = EmbeddingConsistency(encoder, 22_050, augmentation=EncoderAugmentation(RATE, 1.0))
    plain = EmbeddingConsistency(encoder, 22_050)
    estimate, reference = wav.clone().requires_grad_(), wav.roll(1, 0)
    value = loss(estimate, reference)
    target, augmented = encoder.given
    plain(estimate, reference)
    assert torch.equal(target, encoder.given[2]), "the target is the recording's embedding"
    assert not torch.equal(augmented, encoder.given[3])
    assert augmented.shape == encoder.given[3].shape
    (gradient,) = torch.autograd.grad(value, estimate)
    assert gradient.abs().max() > 0


def test_with_the_same_changes_a_step_against_the_gradient_lowers_the_loss(wav):
    torch.manual_seed(0)
    loss = EmbeddingConsistency(Linear(), 22_050, augmentation=EncoderAugmentation(RATE, 0.5))
    estimate, reference = wav.clone().requires_grad_(), wav.roll(1, 0)

    def value(signal: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(9)
        return loss(signal, reference)

    before = value(estimate)
    (gradient,) = torch.autograd.grad(before, estimate)
    after = value(estimate - 1e-2 * gradient / gradient.norm())
    assert float(after.detach()) < float(before.detach())
