"""The trivial system that moves a recording to a target's F0 by WORLD (``audio.world``), the formants with it.

Shapes: N samples.
"""

import math

import numpy as np

from thesis_lib.audio.world import shifted

# The envelope is scaled by the F0 ratio to this power. The folds and the vocal tract are both longer in larger
# speakers: between men and women the F0 differs by a factor of about 1.7 and the formants by about 1.17, which is a
# power of 0.3 (Peterson & Barney 1952, doi:10.1121/1.1906875).
ENVELOPE_EXPONENT = 0.3


def envelope_ratio(pitch_ratio: float) -> float:
    """The factor by which formant frequencies are scaled where F0 is scaled by ``pitch_ratio``."""
    return pitch_ratio**ENVELOPE_EXPONENT


def towards(wav: np.ndarray, rate: int, log_f0_median: float, target_log_f0_median: float) -> np.ndarray:
    """(N,) -> (N,) float32: moved from one log-F0 median to another, the formants with it (``envelope_ratio``)."""
    ratio = math.exp(target_log_f0_median - log_f0_median)
    return shifted(wav, rate, ratio, envelope_ratio(ratio)).astype(np.float32)
