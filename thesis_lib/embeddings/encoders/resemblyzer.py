"""Resemblyzer's GE2E speaker encoder (Wan et al. 2018, arXiv:1710.10467): an evaluation encoder."""

import numpy as np

from thesis_lib import pretrained
from thesis_lib.utils.load_librosa import load_librosa


class Resemblyzer:
    """Resemblyzer, 256-d unit vector, 16 kHz."""

    name = "resemblyzer"
    dim = 256
    sample_rate = 16_000  # Hz

    def __init__(self) -> None:
        from resemblyzer import VoiceEncoder, preprocess_wav

        load_librosa()  # the package uses it

        self.revision = pretrained.get("resemblyzer").revision
        weights = pretrained.fetch("resemblyzer") / "pretrained.pt"
        # The library loads the file; ``fetch`` has checked its sha256.
        self._encoder = VoiceEncoder("cpu", verbose=False, weights_fpath=weights)
        self._preprocess = preprocess_wav

    def encode(self, wav: np.ndarray) -> np.ndarray:
        """(N,) -> (256,), after its own loudness normalisation and silence trimming."""
        return self._encoder.embed_utterance(self._preprocess(wav, source_sr=self.sample_rate))
