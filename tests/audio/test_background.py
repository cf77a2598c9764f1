"""The background of a recording: pauses are kept, speech gives way to noise of the same spectrum."""

import numpy as np
import pytest
from helpers import spoken

from thesis_lib.audio.background import median_of_means, speech_spans, without_speech

RATE = 16_000


def rain(seconds: float, level: float = 0.02, seed: int = 0) -> np.ndarray:
    """Low-passed noise (N,)."""
    noise = np.random.default_rng(seed).normal(size=round(seconds * RATE))
    return (level * np.convolve(noise, np.ones(4) / 2, "same")).astype(np.float32)


def masked(wav: np.ndarray, spans, size: int = 10_000, rate: int = RATE) -> np.ndarray:
    blocks = list(without_speech(lambda: (wav[i : i + size] for i in range(0, len(wav), size)), rate, spans))
    return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)


def level(wav: np.ndarray) -> float:
    """dB"""
    return 10 * np.log10(np.square(wav).mean())


def spectrum(wav: np.ndarray) -> np.ndarray:
    """(32,) mean power in dB of equal bands."""
    power = np.square(np.abs(np.fft.rfft(wav[: len(wav) // 512 * 512].reshape(-1, 512) * np.hanning(512)))).mean(0)
    return 10 * np.log10(power[1:].reshape(32, 8).mean(1))


@pytest.fixture(scope="module")
def street() -> tuple[np.ndarray, np.ndarray, list]:
    """Speech from 2 s on in 8 s of rain, the rain alone, and the span of the speech."""
    speech, noise = spoken(0, RATE)[: 3 * RATE], rain(8)
    wav = noise.copy()
    wav[2 * RATE : 2 * RATE + len(speech)] += speech
    return wav, noise, [(2.0, 2.0 + len(speech) / RATE)]


def test_pauses_are_kept_as_they_are(street):
    wav, _, [(start, end)] = street
    found = masked(wav, [(start, end)])
    assert found.shape == wav.shape
    assert found.dtype == np.float32
    away = 0.05  # s, a frame
    for part in (slice(0, round((start - away) * RATE)), slice(round((end + away) * RATE), None)):
        assert np.allclose(found[part], wav[part], atol=1e-6)


def test_speech_gives_way_to_noise_of_the_pauses_level_and_spectrum(street):
    wav, noise, spans = street
    part = slice(round(2.1 * RATE), round(4.9 * RATE))
    found = masked(wav, spans)[part]
    assert level(wav[part]) > level(noise[part]) + 6
    assert abs(level(found) - level(noise[part])) < 1
    assert np.abs(spectrum(found) - spectrum(noise[part])).max() < 3
    assert abs(np.corrcoef(found, wav[part])[0, 1]) < 0.05


@pytest.mark.parametrize("size", [1, 700, 100_000])
def test_the_size_of_the_blocks_changes_nothing(street, size):
    wav, _, _ = street
    short, spans = wav[: RATE // 2 if size == 1 else len(wav)], [(0.2, 0.4), (2.0, 5.0)]
    assert np.array_equal(masked(short, spans, size), masked(short, spans))


def test_speech_at_the_beginning_has_the_spectrum_of_the_first_pause(street):
    wav, noise, _ = street
    found = masked(wav[2 * RATE :], [(0.0, 3.0)])
    assert abs(level(found[: 2 * RATE]) - level(noise)) < 1


def test_without_a_pause_the_background_is_silence_and_without_speech_all_of_it(street):
    wav, _, _ = street
    assert not masked(wav, [(0.0, 100.0)]).any()
    assert np.allclose(masked(wav, []), wav, atol=1e-6)


def test_the_spectrum_follows_the_pauses():
    """Loud rain before the first speech, faint rain before the second."""
    wav = np.concatenate([rain(6, 0.1), rain(16, 0.01)])
    found = masked(wav, [(4.0, 6.0), (19.0, 20.0)])
    assert abs(level(found[5 * RATE : 6 * RATE]) - level(wav[: 4 * RATE])) < 1.5
    assert abs(level(found[19 * RATE : 20 * RATE]) - level(wav[8 * RATE : 19 * RATE])) < 1.5


@pytest.mark.parametrize("start", [0.2, 1.0, 3.3])
def test_a_slam_in_a_pause_does_not_make_the_noise_louder(start):
    """0.15 s, 40 dB above the rain; before the first speech and between two."""
    wav, spans = rain(5), [(1.5, 3.0), (4.0, 4.9)]
    slam = slice(round(start * RATE), round((start + 0.15) * RATE))
    quiet = wav.copy()
    wav[slam] *= 100
    found = masked(wav, spans)
    assert np.allclose(found[slam], wav[slam], atol=1e-4), "the slam itself is kept"
    for part in (slice(round(1.6 * RATE), round(2.9 * RATE)), slice(round(4.1 * RATE), round(4.8 * RATE))):
        assert abs(level(found[part]) - level(quiet[part])) < 1.5


@pytest.mark.parametrize(("pause", "limit"), [(0.5, 4), (0.6, 2), (0.8, 1.5)])
def test_a_slam_anywhere_in_the_only_pause_raises_the_noise_by_a_few_db(pause, limit):
    """0.15 s, 40 dB above the rain, in a pause between two spans of speech."""
    wav = rain(2 + pause)
    spans, part = [(0.0, 1.0), (1 + pause, 2 + pause)], slice(round((1.1 + pause) * RATE), None)
    assert -2 < level(masked(wav, spans)[part]) - level(wav[part]) < 0.5
    for start in np.arange(1, 1 + pause - 0.149, 0.05):
        slammed = wav.copy()
        slammed[round(start * RATE) : round((start + 0.15) * RATE)] *= 100
        assert level(masked(slammed, spans)[part]) - level(wav[part]) < limit


def test_noise_and_tones_keep_their_power():
    rng = np.random.default_rng(0)
    spectra = np.stack([rng.exponential(size=4000), np.ones(4000)], axis=1)  # of a band of noise, and of a tone
    noise, tone = median_of_means(list(spectra), 2)
    assert 10 * np.log10(noise) == pytest.approx(0, abs=0.3)
    assert tone == 1
    assert not median_of_means([], 2).any()


def test_the_detector_finds_the_speech(street):
    wav, _, [(start, end)] = street
    (found,) = speech_spans([wav], RATE)
    assert abs(found[0] - start) < 0.5
    assert abs(found[1] - end) < 0.5
