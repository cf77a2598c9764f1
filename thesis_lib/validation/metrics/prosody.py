"""How something is said: statistics of one recording that say nothing of the words or of the voice's timbre."""

import numpy as np

from thesis_lib.audio.pitch import VOICED
from thesis_lib.validation.metrics.recording import Recording
from thesis_lib.vocoder.content import ACTIVE

# column -> what it is, with its unit
PROSODY = {
    "f0_level": "F0 level (semitones re 100 Hz)",
    "f0_spread": "F0 spread (semitones)",
    "energy_spread": "energy spread (dB)",
    "tilt": "spectral tilt (dB)",
    "rate": "voiced stretches (per s)",
    "pauses": "pauses (share of the time)",
}


def prosody(recording: Recording) -> dict[str, float]:
    """The statistics of ``PROSODY``. PitchError where nothing is voiced, MetricError where a window does not fit.

    F0 is summed up by median and standard deviation over voiced frames. A frame speaks when its mean log-mel is
    within 3 nepers of the loudest one's; a pause is a frame that does not, between two that do.
    """
    mel, pitch = recording.mel, recording.pitch
    semitone, decibel = 12 / np.log(2), 20 / np.log(10)
    energy = mel.mean(0)
    speaks = energy >= energy.max() - ACTIVE
    first, last = np.flatnonzero(speaks)[[0, -1]]
    half = len(mel) // 2
    voiced = pitch.voicing >= VOICED
    return {
        "f0_level": semitone * (pitch.range.level - np.log(100)),
        "f0_spread": semitone * pitch.range.spread,
        "energy_spread": decibel * float(energy[speaks].std()),
        "tilt": decibel * float(mel[half:, speaks].mean() - mel[:half, speaks].mean()),
        "rate": float((np.diff(voiced.astype(int)) == 1).sum() / (len(recording.wav) / recording.audio.sample_rate)),
        "pauses": float(1 - speaks[first : last + 1].mean()),
    }
