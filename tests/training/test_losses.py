"""The signal losses that a recipe asks for."""

import pytest
import torch

from thesis_lib.config import LossConfig
from thesis_lib.training import TrainingError, signal_losses


@pytest.mark.parametrize(("loss", "says"), [("speaker", "tiny-test-encoder"), ("emotion", "egemaps")])
def test_an_encoder_without_gradient_is_refused_for_a_loss(tiny_run, loss, says):
    config = tiny_run.config.override({f"conversion.losses.{loss}": 1.0})
    with pytest.raises(TrainingError, match=f"{says} has no gradient"):
        signal_losses(config, config.conversion.losses)


def test_every_weight_of_a_signal_loss_makes_one(tiny_run):
    names = ("mel", "multi_scale_mel", "stft", "temporal")
    for name in names:
        weights = LossConfig(**{other: float(other == name) for other in names})
        (made,) = signal_losses(tiny_run.config, weights).items()
        assert made[0] == name
        wavs = 0.1 * torch.randn(2, 1, 8192)
        assert float(made[1](*wavs)) > 0
