import numpy as np
import pytest
from helpers import spoken, voiced
from hypothesis import given
from hypothesis import strategies as st

from thesis_lib.audio.loudness import MAX_PEAK, as_loud_as, limited, loudness

RATE = 22_050


def test_loudness_is_the_standard_s_own():
    """BS.1770: a full-scale 997 Hz sine in one channel reads -3.01 LUFS."""
    t = np.arange(3 * 48_000) / 48_000
    assert loudness(np.sin(2 * np.pi * 997 * t), 48_000) == pytest.approx(-3.01, abs=0.05)
    assert loudness(voiced(0.1), RATE) is None
    assert loudness(np.zeros(RATE), RATE) is None


def test_speech_becomes_as_loud_as_its_reference():
    wav, reference = spoken(0, RATE), 0.1 * spoken(1, 16_000)
    matched = as_loud_as(wav, reference, RATE, 16_000)
    assert loudness(matched, RATE) == pytest.approx(loudness(reference, 16_000), abs=0.1)
    assert np.allclose(matched / matched.max(), wav / wav.max(), atol=1e-6)


def test_what_has_no_loudness_changes_nothing():
    wav = spoken(0, RATE)
    assert as_loud_as(wav, np.zeros(RATE, np.float32), RATE, RATE) is wav
    assert as_loud_as(voiced(0.2), wav, RATE, RATE).max() == voiced(0.2).max()


def test_a_reference_that_is_a_pause_or_too_short_gives_the_usual_loudness():
    wav, noise = spoken(0, RATE), np.random.default_rng(0).normal(size=RATE).astype(np.float32)
    for reference in (1e-3 * noise, np.zeros(RATE, np.float32), noise[:100], np.zeros(0, np.float32)):
        assert loudness(as_loud_as(wav, reference, RATE, RATE, -23.0), RATE) == pytest.approx(-23, abs=0.1)
    quiet = 0.1 * spoken(1, RATE)  # speech, not a pause
    own = loudness(quiet, RATE)
    assert loudness(as_loud_as(wav, quiet, RATE, RATE, own + 14), RATE) == pytest.approx(own, abs=0.1)


@given(st.integers(0, 2**16), st.floats(0.1, 20.0), st.integers(1, 5_000))
def test_the_limiter_lets_nothing_over_its_ceiling(seed, gain, length):
    wav = (gain * np.random.default_rng(seed).normal(size=length)).astype(np.float32)
    out = limited(wav, RATE)
    assert out.shape == wav.shape
    assert np.abs(out).max() <= MAX_PEAK * (1 + 1e-6)
    assert (np.sign(out) == np.sign(wav)).all()


def test_what_is_quiet_enough_passes_untouched_and_a_peak_leaves_the_rest_alone():
    wav = spoken(0, RATE)
    wav = 0.5 * wav / np.abs(wav).max()
    assert limited(wav, RATE) is wav
    peaked = wav.copy()
    peaked[RATE] = 3.0
    out = limited(peaked, RATE)
    assert out[RATE] == pytest.approx(MAX_PEAK, rel=1e-5)
    far = np.abs(np.arange(len(wav)) - RATE) > 0.02 * RATE
    assert np.array_equal(out[far], wav[far])
