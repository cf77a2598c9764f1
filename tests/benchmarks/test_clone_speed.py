"""What `python -m benchmarks clone_speed` compares."""

import numpy as np
import pytest

from benchmarks.clone_speed import content_agreement
from thesis_lib.audio.pitch import PITCH_CHANNEL, PITCH_SCALE
from thesis_lib.vocoder.content import PHONETIC

SEMITONE = np.log(2) / 12 / PITCH_SCALE


def content(frames: int = 60) -> np.ndarray:
    """Random phonetic channels and energy; F0 that rises; the first half is voiced."""
    found = np.random.default_rng(0).normal(size=(PHONETIC + 3, frames)).astype(np.float32)
    found[PITCH_CHANNEL] = np.linspace(-1, 1, frames)
    found[-1] = np.arange(frames) < frames / 2
    return found


@pytest.mark.parametrize("shift", [0, 5, -5])
def test_contents_agree_whole_after_a_shift_in_time(shift):
    whole = content()
    own, base = whole[:, max(shift, 0) :], whole[:, max(-shift, 0) :]
    assert content_agreement(own, base) == pytest.approx(
        {
            "phonetic cosine": 1,
            "energy, correlation": 1,
            "F0, median difference in semitones": 0,
            "other voicing, share": 0,
        },
        abs=1e-6,
    )


def test_each_measure_finds_its_own_change():
    base = content()
    higher, unvoiced, other, louder = (base.copy() for _ in range(4))
    higher[PITCH_CHANNEL] += 2 * SEMITONE
    unvoiced[-1, :6] = 0
    other[:PHONETIC] *= -1
    louder[PHONETIC, ::2] = 0
    assert content_agreement(higher, base)["F0, median difference in semitones"] == pytest.approx(2, rel=1e-4)
    assert content_agreement(unvoiced, base)["other voicing, share"] == pytest.approx(0.1)
    assert content_agreement(other, base)["phonetic cosine"] == pytest.approx(-1)
    assert 0.4 < content_agreement(louder, base)["energy, correlation"] < 0.95
