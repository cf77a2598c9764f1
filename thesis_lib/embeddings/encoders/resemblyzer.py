"""Resemblyzer's GE2E speaker encoder (Wan et al. 2018, arXiv:1710.10467): a judge that never trains."""

import numpy as np

from thesis_lib import pretrained


class Resemblyzer:
    """256-d unit vector, 16 kHz."""

    name = "resemblyzer"
    dim = 256
    sample_rate = 16_000  # Hz

    def __init__(self) -> None:
        from resemblyzer import VoiceEncoder, preprocess_wav

        self.revision = pretrained.get("resemblyzer").revision
        weights = pretrained.fetch("resemblyzer") / "pretrained.pt"
        # It loads the file itself; the file's hash has just been checked against the pinned one.
        self._encoder = VoiceEncoder("cpu", verbose=False, weights_fpath=weights)
        self._preprocess = preprocess_wav

    def encode(self, wav: np.ndarray) -> np.ndarray:
        """(N,) -> (256,), after its own loudness normalisation and silence trimming."""
        return self._encoder.embed_utterance(self._preprocess(wav, source_sr=self.sample_rate))
