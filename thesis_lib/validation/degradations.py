"""Degradations that a speaker score should survive: noise, a lossy codec, a narrow band.

Shapes: N samples. Each takes (N,) and its rate in Hz, and returns (N,).
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from thesis_lib.audio.files import AudioError, of_length, read_audio, resample, write_audio

Degrade = Callable[[np.ndarray, int], np.ndarray]

SNR_DB = 20.0
MP3_KBIT_S = 64
BAND_HZ = 4_000
# libsndfile's compression level for MP3_KBIT_S at a constant rate, by the sample rates of MPEG-2 (8 to 160 kbit/s).
MP3_LEVEL, MP3_RATES_HZ = 0.6, (16_000, 22_050, 24_000)


def noisy(wav: np.ndarray, rate: int, snr_db: float = SNR_DB) -> np.ndarray:
    """Add white Gaussian noise, from seed 0, at a signal-to-noise ratio of ``snr_db``."""
    noise = np.random.default_rng(0).normal(size=len(wav))
    scale = np.sqrt(np.mean(np.square(wav, dtype=np.float64)) / np.mean(noise**2)) * 10 ** (-snr_db / 20)
    return (wav + scale * noise).astype(np.float32)


def through_mp3(wav: np.ndarray, rate: int) -> np.ndarray:
    """Encode as MP3 of a constant ``MP3_KBIT_S`` by libsndfile's LAME, and decode again.

    AudioError for a rate other than ``MP3_RATES_HZ``: the level of the encoder would mean another bit rate.
    """
    if rate not in MP3_RATES_HZ:
        raise AudioError("another rate", f"{rate} Hz", f"resample to one of {MP3_RATES_HZ} Hz before the MP3 codec")
    with tempfile.TemporaryDirectory() as work:
        path = Path(work) / "x.mp3"
        write_audio(path, wav, rate, bitrate_mode="CONSTANT", compression_level=MP3_LEVEL)
        found = read_audio(path)[0]
    return of_length(found, len(wav))


def narrow(wav: np.ndarray, rate: int) -> np.ndarray:
    """Remove what is above ``BAND_HZ``: resample to twice that rate and back."""
    found = resample(resample(wav, rate, 2 * BAND_HZ), 2 * BAND_HZ, rate)
    return of_length(found, len(wav))


DEGRADATIONS: dict[str, Degrade] = {
    f"white noise, {SNR_DB:g} dB": noisy,
    f"MP3, {MP3_KBIT_S} kbit/s": through_mp3,
    f"low-pass, {BAND_HZ // 1000} kHz": narrow,
}
