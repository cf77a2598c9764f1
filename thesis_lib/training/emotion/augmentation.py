"""Augmentation for the emotion encoder: another speaker, another microphone, another part of the utterance.

Shapes: N samples at 16 kHz, T analysis frames, K spectral bins.

The speaker is changed by the WORLD vocoder (Morise et al. 2016, doi:10.1587/transinf.2015EDP7457): the spectral
envelope is stretched, as by another length of the vocal tract, and F0 is multiplied by a constant, so that its movement
in semitones stays. Both factors are independent of the emotion.
"""

import numpy as np

RATE = 16_000  # Hz
FORMANT_STRETCH, PITCH_STRETCH = 0.17, 0.35  # natural log, largest change to each side: 19 % and 6 semitones
EQUALISER_DB, EQUALISER_BANDS = 2.0, 10  # standard deviation of each band's gain
MIN_SNR_DB, MAX_SNR_DB = 20.0, 60.0
MIN_PART = 0.6  # of the utterance that is kept, so that length tells nothing


def augmented(wav: np.ndarray, other_speaker: bool, rng: np.random.Generator) -> np.ndarray:
    """(N,) -> (N',): a random part of it through a random equaliser with noise, optionally by another speaker."""
    wav = wav.astype(np.float64)
    if other_speaker:
        formant, pitch = np.exp(rng.uniform(-1, 1, 2) * (FORMANT_STRETCH, PITCH_STRETCH))
        wav = shifted(wav, formant, pitch)
    wav = _coloured(wav, rng)
    length = int(len(wav) * rng.uniform(MIN_PART, 1))
    start = rng.integers(0, len(wav) - length + 1)
    return wav[start : start + length].astype(np.float32)


def shifted(wav: np.ndarray, formant: float, pitch: float) -> np.ndarray:
    """(N,) float64 with the spectral envelope stretched by ``formant`` and F0 multiplied by ``pitch`` -> (N,)."""
    import pyworld

    f0, times = pyworld.dio(wav, RATE, f0_floor=60, f0_ceil=600)
    f0 = pyworld.stonemask(wav, f0, times, RATE)
    envelope = pyworld.cheaptrick(wav, f0, times, RATE)
    noise = pyworld.d4c(wav, f0, times, RATE)
    stretched = np.exp(_stretched(np.log(envelope), formant))
    return pyworld.synthesize(f0 * pitch, stretched, _stretched(noise, formant), RATE)[: len(wav)]


def _stretched(spectra: np.ndarray, factor: float) -> np.ndarray:
    """(T, K) -> (T, K): the value at f is that at f / factor, interpolated linearly."""
    places = np.clip(np.arange(spectra.shape[1]) / factor, 0, spectra.shape[1] - 1)
    low = np.minimum(places.astype(int), spectra.shape[1] - 2)
    share = places - low
    return np.ascontiguousarray((1 - share) * spectra[:, low] + share * spectra[:, low + 1])


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
