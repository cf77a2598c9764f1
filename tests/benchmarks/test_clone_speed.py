"""What `python -m benchmarks clone_speed` compares."""

from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import clone_speed
from benchmarks.clone_speed import SIMILARITIES, content_agreement
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


def test_the_similarities_are_timed_after_the_whole(monkeypatch):
    """A clock that each part of the work moves by a known time."""
    clock = [0.0]
    monkeypatch.setattr(clone_speed.time, "perf_counter", lambda: clock[0])

    class Output:
        segments = [SimpleNamespace(seconds={"translate": 1.0, "speak": 0.5}), SimpleNamespace(seconds={"speak": 1.5})]

        @property
        def similarity_before(self):
            clock[0] += 0.25
            return 0.0

        similarity_after = similarity_before

    def pipeline(wav, rate):
        clock[0] += 6.0
        return Output()

    _, seconds = clone_speed._timed(pipeline, np.zeros(20), 10)
    assert seconds == {
        "translate": 0.5, "speak": 1.0, "render": 0.0, "finish": 0.0, "whole": 3.0, SIMILARITIES: 0.25,
    }  # fmt: skip
