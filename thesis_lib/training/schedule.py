"""The learning rate and the active losses as functions of the step, so that a checkpoint need not store them."""

import math
from collections.abc import Iterable

from thesis_lib.config import TrainingConfig
from thesis_lib.config.registries import LOSSES
from thesis_lib.training.errors import TrainingError

ADVERSARIAL = ("adversarial", "feature_matching")  # losses that begin at ``training.adversarial_from``
SAMPLED = ("sampled_speaker", "sampled_emotion")  # losses of the outputs for sampled target speakers


def rate_factor(training: TrainingConfig, step: int, total: int) -> float:
    """Factor of ``learning_rate`` at a step, 0..1; ``total`` is the number of steps of the whole training.

    The first ``warmup_steps`` rise linearly from 1 / warmup_steps. Then, with n steps since the warm-up:

    - "step": lr_decay ** floor(n / decay_every). The first plan's StepLR(50, 0.5), and HiFi-GAN's ExponentialLR
      (arXiv:2010.05646, sec. 3), which decays once an epoch.
    - "exponential": lr_decay ** (n / decay_every).
    - "cosine": half a cosine down to zero at ``total`` (Loshchilov & Hutter 2017, arXiv:1608.03983, eq. 5).
    - "constant": 1.
    """
    if step < training.warmup_steps:
        return (step + 1) / training.warmup_steps
    since = step - training.warmup_steps
    match training.schedule:
        case "step":
            return training.lr_decay ** (since // training.decay_every)
        case "exponential":
            return training.lr_decay ** (since / training.decay_every)
        case "cosine":
            return 0.5 * (1 + math.cos(math.pi * min(1.0, since / max(1, total - training.warmup_steps))))
    return 1.0


def first_step(name: str, training: TrainingConfig) -> int:
    """The first step that computes the loss of that name."""
    if name in ADVERSARIAL:
        return training.adversarial_from
    by_encoder = name in SAMPLED or (name in LOSSES and LOSSES.details(name)["needs_encoder"])
    return training.auxiliary_from if by_encoder else 0


def require_losses(names: Iterable[str], training: TrainingConfig) -> None:
    """Check that every step of a training has a loss; ``names`` are the losses with a weight above zero.

    Raises TrainingError with the first steps that have none.
    """
    begins = min((first_step(name, training) for name in names), default=training.steps)
    if training.steps and begins > 0:
        raise TrainingError(
            f"no loss is active in steps 0 to {min(begins, training.steps) - 1}: give losses.mel or "
            "losses.multi_scale_mel a weight, or set training.adversarial_from (or auxiliary_from) to 0"
        )
