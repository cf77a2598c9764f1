"""Training: ``train(run, task)``, one step (``step``) and the loop around it (``loop``)."""

from thesis_lib.config.recipes import COLD
from thesis_lib.training.devices import fabric_of
from thesis_lib.training.errors import Interrupted, NonFinite, TrainingError
from thesis_lib.training.gradients import gradient_norms
from thesis_lib.training.loop import train
from thesis_lib.training.losses import signal_losses
from thesis_lib.training.state import State
from thesis_lib.training.step import train_step

__all__ = [
    "COLD",
    "Interrupted",
    "NonFinite",
    "State",
    "TrainingError",
    "fabric_of",
    "gradient_norms",
    "signal_losses",
    "train",
    "train_step",
]
