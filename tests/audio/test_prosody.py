import numpy as np
import pytest
from helpers import bursts, spoken, voiced

from thesis_lib.audio.prosody import (
    MAX_EXPONENT,
    letter_rate,
    loudness_variation,
    syllable_rate,
    with_loudness_variation,
)

RATE = 16_000  # Hz


def test_loudness_variation_by_hand():
    """Two seconds each at amplitudes of 1, 0.5 and 0: loudness 1, 0.5 ** 0.6 and 0."""
    amplitudes = np.repeat([1.0, 0.5, 0.0], 2 * RATE)
    wav = amplitudes * np.sign(np.sin(np.arange(len(amplitudes))))
    expected = np.array([1.0, 0.5**0.6, 0.0])
    assert loudness_variation(wav, RATE) == pytest.approx(expected.std() / expected.mean(), rel=0.02)


@pytest.mark.parametrize(("signal_to_noise", "change"), [(20, 0.02), (15, 0.03), (10, 0.06)])
def test_steady_noise_hardly_changes_either(signal_to_noise, change):
    rng, clean, noisy = np.random.default_rng(0), [], []
    for number in range(4):
        wav = spoken(number, RATE)
        noise = rng.normal(size=len(wav)) * np.sqrt(np.mean(wav**2) / 10 ** (signal_to_noise / 10))
        for found, samples in ((clean, wav), (noisy, wav + noise)):
            found.append((syllable_rate(samples, RATE), loudness_variation(samples, RATE)))
    assert np.mean(noisy, 0) == pytest.approx(np.mean(clean, 0), rel=change)


def test_loudness_variation_does_not_depend_on_the_gain():
    assert loudness_variation(0.1 * spoken(0), 22_050) == pytest.approx(loudness_variation(spoken(0), 22_050), rel=1e-3)


@pytest.mark.parametrize("wanted", [0.62, 0.7, 0.8])
def test_the_loudness_variation_that_is_asked_for_is_given(wanted):
    changed = with_loudness_variation(spoken(0, side="en"), 22_050, wanted)
    assert changed.dtype == np.float32
    assert loudness_variation(changed, 22_050) == pytest.approx(wanted, abs=0.04)


def test_an_extreme_one_is_approached_within_the_limit():
    """No frame's level, relative to the mean's, is changed by more than the exponent's limit."""
    wav = spoken(0, side="en")
    changed = with_loudness_variation(wav, 22_050, 10.0)
    assert loudness_variation(wav, 22_050) < loudness_variation(changed, 22_050) < 10.0
    loud = np.abs(wav) > 0.02
    gain_db = 20 * np.log10(np.abs(changed[loud] / wav[loud]))
    assert np.abs(gain_db).max() < (MAX_EXPONENT - 1) * 40


@pytest.mark.parametrize("per_second", [3, 5, 7])
def test_syllables_are_counted(per_second, monkeypatch):
    """Bursts of noise, which the network does not take for speech: here all count as speech but the last half second.

    A burst in that half second has no part.
    """
    monkeypatch.setattr("thesis_lib.audio.prosody.speech_frames", lambda wav: np.arange(141) < 125)
    wav = bursts(per_second)
    wav[-RATE // 4 :] = wav[: RATE // 4]
    assert syllable_rate(wav, RATE) == pytest.approx(per_second, abs=0.1)


def test_faster_speech_has_a_higher_rate():
    """Recordings played faster by a fifth."""
    wav = np.concatenate([spoken(number, RATE) for number in range(4)])
    faster = np.interp(np.arange(0, len(wav) - 1, 1.2), np.arange(len(wav)), wav)
    assert syllable_rate(faster, RATE) / syllable_rate(wav, RATE) == pytest.approx(1.2, abs=0.13)
    assert letter_rate(faster, RATE, "words") / letter_rate(wav, RATE, "words") == pytest.approx(1.2, abs=0.05)


@pytest.mark.parametrize("wanted", [0.5, 0.75])
def test_the_dynamics_hardly_change_the_rate(wanted):
    """``follow_dynamics`` must not disturb the rate. Within 25 dB of the peak the duration changed by up to 20 %."""
    before, after = [], []
    for number in range(6):
        wav = spoken(number, RATE)
        before.append(letter_rate(wav, RATE, "words"))
        after.append(letter_rate(with_loudness_variation(wav, RATE, wanted), RATE, "words"))
    assert np.array(after) / before == pytest.approx(np.ones(6), abs=0.07)


def test_the_rate_does_not_depend_on_the_sample_rate():
    wide, narrow = (letter_rate(spoken(0, rate), rate, "words") for rate in (22_050, RATE))
    assert wide == pytest.approx(narrow, rel=0.03)


def test_no_rate_where_no_speech_is_detected():
    """A recording in noise that is louder by 20 dB."""
    wav = spoken(0, RATE)
    noise = 10 * np.sqrt(np.mean(wav**2)) * np.random.default_rng(0).normal(size=len(wav))
    assert letter_rate(wav + noise, RATE, "words") is None
    assert syllable_rate(wav + noise, RATE) is None


@pytest.mark.parametrize("wav", [np.zeros(2 * RATE, np.float32), voiced(0.5, RATE), np.zeros(0, np.float32)])
def test_no_rate_from_silence_or_half_a_second(wav):
    assert syllable_rate(wav, RATE) is None


def test_half_a_second_has_no_variation_and_stays_as_it_is():
    brief = voiced(0.5, RATE)
    assert loudness_variation(brief, RATE) is None
    assert with_loudness_variation(brief, RATE, 0.9) is brief


def test_silence_stays_finite():
    silence = np.zeros(2 * RATE, np.float32)
    assert loudness_variation(silence, RATE) == pytest.approx(0.0, abs=1e-6)
    assert np.isfinite(with_loudness_variation(silence, RATE, 0.6)).all()
