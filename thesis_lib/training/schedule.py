"""The learning rate as a function of the step: nothing to save, nothing to restore, nothing to get out of step."""

import math

from thesis_lib.config import TrainingConfig


def rate_factor(training: TrainingConfig, step: int, total: int) -> float:
    """What ``learning_rate`` is multiplied with at a step, 0..1; ``total`` steps are the whole training.

    ``warmup_steps`` rise linearly, the first of them at 1 / warmup_steps. Then, with n steps since:

    - "step": lr_decay ** floor(n / decay_every). The first plan's StepLR(50, 0.5), and HiFi-GAN's ExponentialLR
      (arXiv:2010.05646, sec. 3), which decays once an epoch.
    - "exponential": lr_decay ** (n / decay_every), without the stairs.
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
