"""RMS levels of the recordings of a prepared corpus."""

import numpy as np

from thesis_lib.audio.files import read_audio
from thesis_lib.corpus.manifest import Manifest


def levels(manifest: Manifest) -> np.ndarray:
    """RMS level of every English recording, (n,) in dBFS, in the manifest's order."""
    wavs = (read_audio(manifest.target(utterance))[0] for utterance in manifest)
    return np.array([20 * np.log10(np.sqrt(np.mean(wav**2))) for wav in wavs])
