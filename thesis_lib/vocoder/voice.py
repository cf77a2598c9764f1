"""The target voice: speaker and emotion embeddings, and F0 statistics."""

from dataclasses import dataclass

import numpy as np

from thesis_lib.audio.pitch import Movement


@dataclass(frozen=True)
class Voice:
    """Target speaker and speaking style.

    An embedding left out is the training set's mean; an F0 statistic or movement left out stays that of the content.
    """

    speaker: np.ndarray | None = None  # (S,)
    emotion: np.ndarray | None = None  # (E,)
    log_f0_median: float | None = None  # log-F0 median, F0 in Hz; of the target speaker
    log_f0_std: float | None = None  # log-F0 standard deviation; of the target style
    movement: Movement | None = None  # slow movement of log-F0; of the phrase that is spoken

    def vectors(self) -> tuple[np.ndarray, np.ndarray]:
        """Both embeddings, (S,) and (E,). ValueError where one was left out."""
        if self.speaker is None or self.emotion is None:
            raise ValueError("this voice has no embeddings: it is the training set's mean speaker")
        return self.speaker, self.emotion


MEAN_VOICE = Voice()  # the training set's mean embeddings and the content's own F0
