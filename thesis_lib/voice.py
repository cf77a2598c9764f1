"""Whose voice and manner a vocoder is asked for."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Voice:
    """Whose voice and manner to speak in.

    An embedding left out is the training set's mean; a pitch left out stays the content's.
    """

    speaker: np.ndarray | None = None  # (S,)
    emotion: np.ndarray | None = None  # (E,)
    pitch_level: float | None = None  # median of ln F0, F0 in Hz: the voice's
    pitch_spread: float | None = None  # standard deviation of ln F0: the manner's


NOBODY = Voice()  # in particular: the training set's means, and the content's own pitch
