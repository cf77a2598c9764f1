"""Numbers worked by hand."""

import math

import pytest
import torch

from thesis_lib.config import AudioConfig
from thesis_lib.losses import (
    MelLoss,
    MultiResolutionStft,
    MultiScaleMel,
    TemporalConsistency,
    adversarial_loss,
    cosine_loss,
    discriminator_loss,
    embedding_mse_loss,
    feature_matching_loss,
    mel_loss,
    multi_resolution_stft_loss,
    stft_loss,
)

AUDIO = AudioConfig()


def test_discriminator_loss():
    fake, real = [torch.tensor([[0.5, 0.0]])], [torch.tensor([[1.0, 0.0]])]
    # real: (0 + 1) / 2, fake: (0.25 + 0) / 2
    assert float(discriminator_loss(fake, real)) == 0.625


def test_discriminator_loss_tells_fake_from_real():
    good, bad = [torch.ones(1, 3)], [torch.zeros(1, 3)]
    assert float(discriminator_loss(fake=bad, real=good)) == 0
    assert float(discriminator_loss(fake=good, real=bad)) == 2


def test_adversarial_loss_sums_over_parts():
    assert float(adversarial_loss([torch.tensor([[0.0]]), torch.tensor([[3.0, 1.0]])])) == 1 + 2


def test_feature_matching_sums_layers_and_holds_the_real_side_constant():
    fake = [[torch.tensor([1.0, 3.0], requires_grad=True)], [torch.tensor([0.0], requires_grad=True)]]
    real = [[torch.tensor([0.0, 1.0], requires_grad=True)], [torch.tensor([4.0], requires_grad=True)]]
    loss = feature_matching_loss(fake, real)
    assert loss.item() == 1.5 + 4
    loss.backward()
    assert fake[0][0].grad is not None
    assert real[0][0].grad is None


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


def test_cosine_and_mse_by_hand():
    a, b = torch.tensor([[2.0, 0.0], [0.0, 1.0]]), torch.tensor([[0.0, 5.0], [0.0, 3.0]])
    assert float(cosine_loss(a, b)) == pytest.approx(0.5)  # cosines 0 and 1
    assert float(embedding_mse_loss(a, b)) == pytest.approx((2 / 2 + 0) / 2)


@pytest.mark.parametrize(("size", "times"), [(192, 96), (768, 384)])
def test_the_plans_mse_has_a_96_or_384_times_weaker_gradient(size, times):
    a, b = torch.randn(1, size, requires_grad=True), torch.randn(1, size)
    norms = [torch.autograd.grad(loss(a, b), a)[0].norm() for loss in (cosine_loss, embedding_mse_loss)]
    assert float(norms[0] / norms[1]) == pytest.approx(times, rel=1e-3)


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


def test_jitter_costs_more_than_a_steady_error_of_the_same_size():
    """What a loss on each frame alone cannot tell apart."""
    reference = torch.zeros(1, 1, 10)
    steady, jitter = torch.ones(1, 1, 10), torch.tensor([1.0, -1.0] * 5).view(1, 1, 10)
    assert float(mel_loss(steady, reference)) == float(mel_loss(jitter, reference))
    assert float(mel_loss(steady.diff(), reference.diff())) == 0
    assert float(mel_loss(jitter.diff(), reference.diff())) == 2
