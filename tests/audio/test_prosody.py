import numpy as np
import pytest
from helpers import spoken, turning, voiced

from thesis_lib.audio.prosody import (
    MAX_EXPONENT,
    letter_rate,
    loudness_variation,
    phonetic_change,
    with_loudness_variation,
)
from thesis_lib.vocoder.content import phonetic_states

RATE = 16_000  # Hz


def test_loudness_variation_by_hand():
    """Two seconds each at amplitudes of 1, 0.5 and 0: loudness 1, 0.5 ** 0.6 and 0."""
    amplitudes = np.repeat([1.0, 0.5, 0.0], 2 * RATE)
    wav = amplitudes * np.sign(np.sin(np.arange(len(amplitudes))))
    expected = np.array([1.0, 0.5**0.6, 0.0])
    assert loudness_variation(wav, RATE) == pytest.approx(expected.std() / expected.mean(), rel=0.02)


@pytest.mark.parametrize(("signal_to_noise", "change"), [(20, 0.02), (15, 0.03), (10, 0.06)])
def test_steady_noise_hardly_changes_the_loudness_variation(signal_to_noise, change):
    found = [[loudness_variation(wav, RATE) for wav in pair] for pair in with_noise(signal_to_noise)]
    clean, noisy = np.mean(found, 0)
    assert noisy == pytest.approx(clean, rel=change)


def with_noise(signal_to_noise):
    """Four recordings, each as it is and with white noise (dB)."""
    rng = np.random.default_rng(0)
    for number in range(4):
        wav = spoken(number, RATE)
        yield wav, wav + rng.normal(size=len(wav)) * np.sqrt(np.mean(wav**2) / 10 ** (signal_to_noise / 10))


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


@pytest.mark.parametrize("per_second", [1, 2, 4])
def test_phonetic_change_by_hand(per_second, monkeypatch):
    """States that turn by a constant angle in 60 ms; an offset of all of them has no part."""
    monkeypatch.setattr("thesis_lib.audio.prosody.speech_frames", lambda wav: np.ones(125, bool))
    wav, expected = np.zeros(4 * RATE, np.float32), 1 - np.cos(2 * np.pi * 0.06 * per_second)
    assert phonetic_change(turning(per_second) + 5, wav) == pytest.approx(expected, abs=1e-3)


def test_pauses_have_no_part_in_the_phonetic_change(monkeypatch):
    """In the second half, a pause, the states stand still."""
    wav = np.zeros(8 * RATE, np.float32)
    monkeypatch.setattr("thesis_lib.audio.prosody.speech_frames", lambda wav: np.arange(250) < 125)
    assert phonetic_change(turning(2, 8.0, still=4.0), wav) == pytest.approx(1 - np.cos(2 * np.pi * 0.12), abs=0.01)
    monkeypatch.setattr("thesis_lib.audio.prosody.speech_frames", lambda wav: np.ones(250, bool))
    assert phonetic_change(turning(2, 8.0, still=4.0), wav) < 0.2


def played(wav: np.ndarray, factor: float) -> np.ndarray:
    """(N,) played so many times as fast."""
    return np.interp(np.arange(0, len(wav) - 1, factor), np.arange(len(wav)), wav).astype(np.float32)


def test_faster_speech_has_more_letters_a_second():
    """Recordings played faster by a fifth."""
    wav = np.concatenate([spoken(number, RATE) for number in range(4)])
    faster = letter_rate(played(wav, 1.2), RATE, "words")
    assert faster / letter_rate(wav, RATE, "words") == pytest.approx(1.2, abs=0.05)


@pytest.mark.weights("whisper-tiny.en")
def test_faster_speech_has_larger_phonetic_changes_and_gain_and_noise_hardly_matter():
    def change(wav):
        return phonetic_change(phonetic_states(wav, RATE), wav)

    for (wav, noisy), (_, noisier) in zip(with_noise(20), with_noise(10), strict=True):
        slow, own, fast = change(played(wav, 0.85)), change(wav), change(played(wav, 1.2))
        assert own / slow > 1.06
        assert fast / own > 1.06
        assert change(noisy.astype(np.float32)) == pytest.approx(own, rel=0.04)
        assert change(noisier.astype(np.float32)) == pytest.approx(own, rel=0.08)
        assert change(0.1 * wav) == pytest.approx(own, rel=0.04)


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
    assert phonetic_change(turning(2, len(wav) / RATE), wav + noise) is None


@pytest.mark.parametrize("wav", [np.zeros(2 * RATE, np.float32), voiced(0.5, RATE), np.zeros(0, np.float32)])
def test_no_change_in_silence_or_half_a_second(wav):
    assert phonetic_change(turning(2, max(len(wav), 320) / RATE), wav) is None


def test_half_a_second_has_no_variation_and_stays_as_it_is():
    brief = voiced(0.5, RATE)
    assert loudness_variation(brief, RATE) is None
    assert with_loudness_variation(brief, RATE, 0.9) is brief


def test_silence_stays_finite():
    silence = np.zeros(2 * RATE, np.float32)
    assert loudness_variation(silence, RATE) == pytest.approx(0.0, abs=1e-6)
    assert np.isfinite(with_loudness_variation(silence, RATE, 0.6)).all()
