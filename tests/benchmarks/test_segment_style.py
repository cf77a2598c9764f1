"""The benchmark of the style of a segment."""

import numpy as np
import pandas as pd
import pytest
from cloning_stages import pipeline
from helpers import spoken, voiced

from benchmarks import segment_style
from benchmarks.emotion_statistics import SOURCE
from thesis_lib.audio.voice_activity import RATE, Segment
from thesis_lib.vocoder.synthesis import Vocoder


def test_recordings_are_joined_with_pauses():
    first, second = segment_style.joined_segments([(spoken(0), 22_050), (spoken(1, RATE), RATE)])
    assert first.start == 0.0
    assert second.start - first.end == pytest.approx(segment_style.PAUSE_SECONDS)
    assert second.end - second.start == pytest.approx(len(second.wav) / RATE)


def test_prior_seconds_by_hand():
    """Two speakers; emotions 6 apart have a variance of 18, deviations of 1 in two recordings one of 2."""
    rows = [
        {"speaker": speaker, "emotion": name, "voiced": 1.5, "value": centre + sign}
        for speaker in "ab"
        for name, centre in (("joy", 0.0), ("fear", 6.0))
        for sign in (-1.0, 1.0)
    ]
    (found,) = segment_style.prior_seconds(pd.DataFrame(rows))
    between = 18.0 - 2.0 / 2
    assert (found["n"], found["within"]) == (8, pytest.approx(2**0.5))
    assert found["between"] == pytest.approx(between**0.5)
    assert found["seconds"] == pytest.approx(1.5 * 2.0 / between)
    same = [row | {"value": row["value"] % 6} for row in rows]
    assert segment_style.prior_seconds(pd.DataFrame(same))[0]["seconds"] is None


def test_the_systems_differ_in_the_style_alone(stages, monkeypatch):
    """The average style has one F0 for both segments, the other system one for each."""
    seen = []
    monkeypatch.setattr(Vocoder, "render", lambda self, wav, voice, *given: seen.append(voice.log_f0_median) or wav)
    made = pipeline(stages)
    segments = [Segment(4.0 * n, 4.0 * n + 3, voiced(3.0, RATE, f0)) for n, f0 in enumerate((120.0, 180.0))]
    found = segment_style.clones(made, segments, "hello my friend")
    assert {name: len(outputs) for name, outputs in found.items()} == dict.fromkeys(
        (SOURCE, *segment_style.VARIANTS), 2
    )
    assert seen[0] == seen[1]
    assert np.exp(seen[2:]) == pytest.approx([120, 180], rel=0.05)
