"""Whose voice and style a vocoder is asked for."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Voice:
    """Whose voice and style to speak in.

    An embedding left out is the training set's mean; a pitch left out stays the content's.
    """

    speaker: np.ndarray | None = None  # (S,)
    emotion: np.ndarray | None = None  # (E,)
    pitch_level: float | None = None  # median of ln F0, F0 in Hz: the voice's
    pitch_spread: float | None = None  # standard deviation of ln F0: the style's

    def vectors(self) -> tuple[np.ndarray, np.ndarray]:
        """Both embeddings, of a voice that has been heard. ValueError where one was left out."""
        if self.speaker is None or self.emotion is None:
            raise ValueError("a voice without embeddings is nobody's")
        return self.speaker, self.emotion


MEAN_VOICE = Voice()  # in particular: the training set's means, and the content's own pitch
