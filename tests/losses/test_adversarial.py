"""Adversarial losses worked by hand."""

import torch

from thesis_lib.losses import adversarial_loss, discriminator_loss, feature_matching_loss


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
