"""Prosody: statistics of one recording that do not depend on the words or on the voice's timbre."""

import numpy as np

from thesis_lib.audio.pitch import MIN_VOICED_FRAMES
from thesis_lib.validation.metrics.errors import MetricError
from thesis_lib.validation.metrics.recording import Recording
from thesis_lib.vocoder.content import MAX_BELOW_PEAK_NEPERS

# column -> label with its unit
PROSODY = {
    "f0_median": "F0 median (semitones re 100 Hz)",
    "f0_std": "F0 standard deviation (semitones)",
    "energy_std": "energy standard deviation (dB)",
    "tilt": "spectral tilt (dB)",
    "rate": "voiced segments (per s)",
    "pauses": "pauses (share of the time)",
}


def prosody(recording: Recording) -> dict[str, float]:
    """The statistics of ``PROSODY``. MetricError where hardly anything is voiced or a window does not fit.

    F0: median and standard deviation over pYIN's voiced frames. A frame is active when its mean log-mel is
    within 3 nepers of the loudest one's; pauses are the inactive frames between the first and the last active one.
    """
    mel, f0 = recording.mel, recording.f0
    semitone, decibel = 12 / np.log(2), 20 / np.log(10)
    energy = mel.mean(0)
    active = energy >= energy.max() - MAX_BELOW_PEAK_NEPERS
    first, last = np.flatnonzero(active)[[0, -1]]
    half = len(mel) // 2
    voiced = f0 > 0
    if (count := int(voiced.sum())) < MIN_VOICED_FRAMES:
        raise MetricError(f"{count} voiced frames; prosody needs {MIN_VOICED_FRAMES}")
    pitch = semitone * np.log(f0[voiced] / 100)
    return {
        "f0_median": float(np.median(pitch)),
        "f0_std": float(pitch.std()),
        "energy_std": decibel * float(energy[active].std()),
        "tilt": decibel * float(mel[half:, active].mean() - mel[:half, active].mean()),
        "rate": float((np.diff(voiced.astype(int)) == 1).sum() / (len(recording.wav) / recording.audio.sample_rate)),
        "pauses": float(1 - active[first : last + 1].mean()),
    }
