"""eGeMAPS functionals (Eyben et al. 2016, doi:10.1109/TAFFC.2015.2457417): the substitute encoder for emotion2vec.

88 statistics of F0, loudness, spectrum and voice quality over an utterance. They describe the speaking style; they
are not a learned emotion embedding, and every table that uses them names them.
"""

from importlib.metadata import version

import numpy as np


class Egemaps:
    """eGeMAPS, 88-d, 16 kHz, in the features' own units (Hz semitones, dB, ratios): standardise before use."""

    name = "egemaps"
    dim = 88
    sample_rate = 16_000  # Hz

    def __init__(self) -> None:
        import opensmile

        self.revision = egemaps_revision()
        self._smile = opensmile.Smile(
            feature_set=opensmile.FeatureSet.eGeMAPSv02, feature_level=opensmile.FeatureLevel.Functionals
        )
        self.feature_names = list(self._smile.feature_names)

    def encode(self, wav: np.ndarray) -> np.ndarray:
        """(N,) -> (88,)."""
        return self._smile.process_signal(wav, self.sample_rate).to_numpy(np.float32)[0]


def egemaps_revision() -> str:
    """The encoder's revision: openSMILE's version. ImportError where it is not installed."""
    return f"opensmile-{version('opensmile')}-eGeMAPSv02"
