"""The parts of acted speech: which recordings are compared, how they are aligned, and what each output takes."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import emotion_parts
from benchmarks.emotion_parts import (
    ALL,
    CONTOURS,
    MEAN_EMOTION,
    NOTHING,
    PARTS,
    PHONETIC_AND_TIMING,
    PHONETIC_ONLY,
    TIMING,
    TIMING_AND_CONTOURS,
)
from benchmarks.prosody_model import pitch_of
from thesis_lib.audio.pitch import PITCH_CENTRE, PITCH_CHANNEL, PITCH_SCALE
from thesis_lib.vocoder.content import PHONETIC
from thesis_lib.vocoder.voice import Voice

ENERGY = -3
SLOW = np.repeat(np.arange(30), 2)  # the frame of the neutral recording, for each frame of the other
VOICE = Voice(log_f0_median=5.5, log_f0_std=0.2)


def test_a_recording_is_compared_with_the_same_sentence_of_the_same_actor():
    rows = [("a", "joy", "1"), ("a", "neutral", "1"), ("a", "fear", "2"), ("b", "joy", "1"), ("b", "neutral", "2")]
    table = pd.DataFrame(rows, columns=["speaker", "emotion", "sentence"])
    table["path"] = [Path(f"{''.join(row)}.wav") for row in rows]
    found, neutral = emotion_parts.with_neutral(table)
    assert list(found.path) == [Path("ajoy1.wav")]
    assert neutral == {"ajoy1.wav": Path("aneutral1.wav")}


def content(phonetic: np.ndarray, energy: float, log_f0: np.ndarray) -> np.ndarray:
    rows = [np.full(len(log_f0), energy), (log_f0 - PITCH_CENTRE) / PITCH_SCALE, np.ones(len(log_f0))]
    return np.concatenate([phonetic, rows]).astype(np.float32)


@pytest.fixture
def both() -> tuple[np.ndarray, np.ndarray]:
    """The content of a recording that is half as fast as the neutral one, at another loudness and F0."""
    said = np.random.default_rng(0).normal(size=(PHONETIC, 30))
    own = content(said[:, SLOW] + 0.05, 1.0, np.linspace(5.6, 5.0, 60))
    return own, content(said, 0.0, np.linspace(4.9, 5.1, 30))


def test_the_alignment_finds_the_planted_timing(both):
    own, plain = both
    to_plain, to_own = emotion_parts.aligned(own[:PHONETIC], plain[:PHONETIC])
    assert to_plain.tolist() == SLOW.tolist()
    assert np.abs(to_own - (2 * np.arange(30) + 0.5)).max() <= 0.5


def test_each_output_has_its_parts_from_the_recording(both):
    own, plain = both
    found = emotion_parts.contents(own, plain, VOICE)
    assert list(found) == list(PARTS)
    assert {x.shape for x in found.values()} == {own.shape}
    assert found[ALL] is own
    assert (found[TIMING_AND_CONTOURS] == found[MEAN_EMOTION]).all()
    phonetic = {name: bool(abs(x[:PHONETIC].mean() - own[:PHONETIC].mean()) < 0.01) for name, x in found.items()}
    assert {name for name, own_one in phonetic.items() if own_one} == {ALL, PHONETIC_AND_TIMING, PHONETIC_ONLY}
    contours = {name for name, x in found.items() if x[ENERGY].mean() == pytest.approx(1.0, abs=1e-5)}
    assert contours == {ALL, TIMING_AND_CONTOURS, MEAN_EMOTION, CONTOURS}
    for name, x in found.items():
        falls = x[PITCH_CHANNEL, -1] < x[PITCH_CHANNEL, 0]
        assert falls == (name in contours), name
    # The planted timing repeats each frame; stretching interpolates between them.
    repeats = {name: bool(np.allclose(x[:PHONETIC, ::2], x[:PHONETIC, 1::2])) for name, x in found.items()}
    timed = {ALL, TIMING_AND_CONTOURS, MEAN_EMOTION, PHONETIC_AND_TIMING, TIMING}
    assert {name for name, same in repeats.items() if same} == timed
    for name in (PHONETIC_AND_TIMING, TIMING):
        level = pitch_of(found[name]).range
        assert (level.log_f0_median, level.log_f0_std) == pytest.approx((5.5, 0.2), rel=0.01)
    assert pitch_of(found[NOTHING]).range.log_f0_median == pytest.approx(5.5, rel=0.01)
    assert pitch_of(plain).range.log_f0_median == pytest.approx(5.0, rel=0.01), "the input is not changed"
