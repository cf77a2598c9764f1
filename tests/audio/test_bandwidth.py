"""The measured bandwidth of signals with a known bandwidth."""

import io

import numpy as np
import pytest
import soundfile
from helpers import spoken

from thesis_lib.audio.bandwidth import Bandwidth, effective_bandwidth, recorded_bandwidth
from thesis_lib.audio.files import resample, write_audio


def sixteen_bits(wav: np.ndarray) -> np.ndarray:
    return (np.rint(np.clip(wav, -1, 32767 / 32768) * 32768) / 32768).astype(np.float32)


def band_limited(wav: np.ndarray, rate: int, hz: float) -> np.ndarray:
    """Nothing from ``hz`` on, as after recording at twice that rate."""
    return sixteen_bits(resample(resample(wav, rate, int(2 * hz)), int(2 * hz), rate)[: len(wav)])


def noise(rate: int, seconds: float = 2.0, seed: int = 0) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).normal(size=int(seconds * rate)).astype(np.float32)


def compressed(wav: np.ndarray, rate: int, subtype: str = "OPUS") -> np.ndarray:
    """After a codec at its default bit rate; Opus at some 48 kbit/s or more for one channel."""
    stored = io.BytesIO()
    soundfile.write(stored, wav, rate, format="OGG" if subtype == "OPUS" else "MP3", subtype=subtype)
    stored.seek(0)
    return soundfile.read(stored, dtype="float32")[0][: len(wav)]


@pytest.mark.parametrize("rate", [22_050, 44_100])
@pytest.mark.parametrize("hz", [3000, 4000, 5500, 8000])
@pytest.mark.parametrize("signal", ["noise", "speech"])
def test_a_known_limit_is_found(rate, hz, signal):
    wav = noise(rate) if signal == "noise" else resample(spoken(0, 22_050), 22_050, rate)
    assert effective_bandwidth(band_limited(wav, rate, hz), rate).hz == pytest.approx(hz, rel=0.05)


@pytest.mark.parametrize("number", range(4))
def test_16_khz_speech_through_opus_has_8_khz(number):
    speech = resample(spoken(number, 16_000), 16_000, 48_000)
    decoded = compressed(speech, 48_000)
    for rate in (22_050, 44_100):
        measured = effective_bandwidth(sixteen_bits(resample(decoded, 48_000, rate)), rate).hz
        assert measured == pytest.approx(8000, rel=0.05)
    inside = compressed(spoken(number, 16_000), 16_000)  # Opus itself at 16 kHz, as the shared recordings are
    assert effective_bandwidth(sixteen_bits(resample(inside, 16_000, 22_050)), 22_050).hz == pytest.approx(
        8000, rel=0.05
    )


@pytest.mark.parametrize("gain", [1.0, 0.03])
def test_a_quiet_recording_has_the_same_bandwidth(gain):
    limited = sixteen_bits(gain * resample(spoken(1, 16_000), 16_000, 22_050))
    assert effective_bandwidth(limited, 22_050).hz == pytest.approx(8000, rel=0.05)
    assert effective_bandwidth(sixteen_bits(gain * spoken(1, 22_050)), 22_050).hz > 0.88 * 11_025


def test_a_full_band_reaches_the_nyquist_frequency_or_the_codecs_limit():
    assert effective_bandwidth(sixteen_bits(noise(22_050)), 22_050).hz == 11_025
    assert effective_bandwidth(spoken(0, 16_000), 16_000).hz == pytest.approx(8000, rel=0.03)
    opus = effective_bandwidth(compressed(noise(48_000), 48_000), 48_000).hz
    assert 18_000 < opus < 21_500  # Opus has nothing above 20 kHz
    assert effective_bandwidth(noise(44_100), 44_100).hz == 22_050


def test_a_click_does_not_widen_it():
    wav = band_limited(noise(22_050), 22_050, 4000)
    wav[20_000] = 0.9
    assert effective_bandwidth(wav, 22_050).hz == pytest.approx(4000, rel=0.05)


@pytest.mark.parametrize("level", [3e-4, 3e-3])
@pytest.mark.parametrize("signal", ["noise", "speech"])
def test_a_lone_tone_above_the_speech_does_not_widen_it(signal, level):
    rate = 22_050
    wav = band_limited(noise(rate) if signal == "noise" else spoken(0, rate), rate, 4000)
    tone = level * np.sin(2 * np.pi * 10_700 * np.arange(len(wav)) / rate)
    assert effective_bandwidth(sixteen_bits(wav + tone), rate).hz == pytest.approx(4000, rel=0.05)


def test_a_single_tone_alone_has_a_bandwidth():
    tone = 0.1 * np.sin(2 * np.pi * 1000 * np.arange(22_050) / 22_050)
    assert 1000 <= effective_bandwidth(sixteen_bits(tone), 22_050).hz < 1300


def test_silence_and_other_signals_without_a_bandwidth_have_a_reason():
    rate = 22_050
    assert effective_bandwidth(np.zeros(rate), rate) == Bandwidth(None, "silence")
    assert effective_bandwidth(np.zeros(0), rate) == Bandwidth(None, "silence")
    assert effective_bandwidth(np.full(rate, np.nan), rate) == Bandwidth(None, "not finite")
    assert effective_bandwidth(noise(rate, 0.02), rate) == Bandwidth(None, "too short")
    rounding = np.where(np.random.default_rng(0).random(rate) < 1e-4, 2e-4, 0).astype(np.float32)
    assert effective_bandwidth(rounding, rate) == Bandwidth(None, "no louder than the noise of 16 bits")


def test_a_file_of_full_band_has_no_number(tmp_path):
    write_audio(tmp_path / "full.wav", noise(22_050), 22_050)
    write_audio(tmp_path / "narrow.wav", band_limited(noise(22_050), 22_050, 4000), 22_050)
    write_audio(tmp_path / "silent.wav", np.zeros(22_050), 22_050)
    assert recorded_bandwidth(tmp_path / "full.wav") is None
    assert recorded_bandwidth(tmp_path / "narrow.wav") == pytest.approx(4000, rel=0.05)
    assert recorded_bandwidth(tmp_path / "silent.wav") is None
