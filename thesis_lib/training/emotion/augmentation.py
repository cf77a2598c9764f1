"""Augmentation for the emotion encoder: another speaker, another microphone, another part of the utterance.

Shapes: N samples at 16 kHz.

The speaker is changed by the WORLD vocoder (``audio.world``): the spectral envelope is stretched, as by another length
of the vocal tract, and F0 is multiplied by a constant, so that its movement in semitones stays. Both factors are
independent of the emotion.
"""

import numpy as np

from thesis_lib.audio.world import shifted

RATE = 16_000  # Hz
FORMANT_STRETCH, PITCH_STRETCH = 0.17, 0.35  # natural log, largest change to each side: 19 % and 6 semitones
EQUALISER_DB, EQUALISER_BANDS = 2.0, 10  # standard deviation of each band's gain
MIN_F0_HZ = 60.0  # of the speech
MIN_SNR_DB, MAX_SNR_DB = 20.0, 60.0
MIN_KEPT_SHARE = 0.6  # of the utterance: its length must carry no information


def augmented(wav: np.ndarray, other_speaker: bool, rng: np.random.Generator) -> np.ndarray:
    """(N,) -> (N',): a random part of it through a random equaliser with noise, optionally by another speaker."""
    wav = wav.astype(np.float64)
    if other_speaker:
        formant, pitch = np.exp(rng.uniform(-1, 1, 2) * (FORMANT_STRETCH, PITCH_STRETCH))
        wav = shifted(wav, RATE, pitch, formant, MIN_F0_HZ)
    wav = _coloured(wav, rng)
    length = int(len(wav) * rng.uniform(MIN_KEPT_SHARE, 1))
    start = rng.integers(0, len(wav) - length + 1)
    return wav[start : start + length].astype(np.float32)


def _coloured(wav: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(N,) -> (N,): random gains of frequency bands, then noise between white and falling with frequency."""
    frequencies = np.fft.rfftfreq(len(wav), 1 / RATE)
    gains = np.interp(
        frequencies, np.linspace(0, RATE / 2, EQUALISER_BANDS), rng.normal(0, EQUALISER_DB, EQUALISER_BANDS)
    )
    wav = np.fft.irfft(np.fft.rfft(wav) * 10 ** (gains / 20), len(wav))
    spectrum = np.fft.rfft(rng.normal(size=len(wav))) / np.maximum(frequencies, 50) ** rng.uniform(0, 0.7)
    noise = np.fft.irfft(spectrum, len(wav))
    scale = np.sqrt(np.mean(wav**2) / np.mean(noise**2)) * 10 ** (-rng.uniform(MIN_SNR_DB, MAX_SNR_DB) / 20)
    return wav + scale * noise
