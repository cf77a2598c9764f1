"""Loudness variation, phonetic change and letter rate of speech, and how a loudness variation is given.

Shapes: N samples, F frames of loudness, T frames of an encoder, D values.
"""

import numpy as np
from scipy.ndimage import gaussian_filter1d

from thesis_lib.audio.files import resample
from thesis_lib.audio.voice_activity import PROBABILITY_FRAME, RATE, speech_frames, speech_seconds

HOP_SECONDS = 0.01
LOUDNESS_FRAME_SECONDS = 0.05
STEVENS_EXPONENT = 0.6  # loudness in sones is about the 0.6th power of the sound pressure (Stevens 1955)
NOISE_PERCENTILE = 10  # of the frames' powers: the power of the noise, which is subtracted
MAX_BELOW_PEAK_DB = 40.0  # of a frame that gets the gain of its own level; quieter frames get the gain of this level
MIN_EXPONENT, MAX_EXPONENT = 0.6, 1.8  # of the change of dynamics
GAIN_SMOOTHING_FRAMES = 1.5  # standard deviation of a Gaussian
SEARCH_STEPS = 25  # of a bisection
MIN_SECONDS = 1.0  # for every statistic

STATES_PER_SECOND = 50  # of a Whisper encoder
CHANGE_FRAMES = 3  # between the two states of a change: 60 ms
MIN_SPEECH_SECONDS = 0.5  # without pauses, for a rate
MIN_RELATIVE_RMS, MIN_RMS = 1e-4, 1e-9  # of a frame, relative to the loudest and to full scale


def loudness_variation(wav: np.ndarray, sample_rate: int) -> float | None:
    """Coefficient of variation (standard deviation / mean) of the short-time loudness of (N,); None if too short.

    The loudness is the 0.6th power of a frame's RMS (Stevens 1955, doi:10.1121/1.1908048). It does not depend on the
    gain of the recording, and hardly on steady noise.
    """
    if len(wav) < MIN_SECONDS * sample_rate:
        return None
    return _variation(_rms(wav, sample_rate), 1.0)


def with_loudness_variation(wav: np.ndarray, sample_rate: int, wanted: float) -> np.ndarray:
    """Change the dynamics of (N,) so that its loudness varies by ``wanted``, as far as that sounds natural.

    The level of each frame is moved away from the mean level, or towards it, by one factor in dB, which is between
    ``MIN_EXPONENT`` and ``MAX_EXPONENT``. Audio below ``MIN_SECONDS`` is returned unchanged.
    """
    if len(wav) < MIN_SECONDS * sample_rate:
        return wav
    rms = _rms(wav, sample_rate)
    low, high = MIN_EXPONENT, MAX_EXPONENT
    for _ in range(SEARCH_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if _variation(rms, middle) < wanted else (low, middle)
    mean = np.exp(np.average(np.log(rms), weights=rms))
    audible = np.maximum(rms, rms.max() * 10 ** (-MAX_BELOW_PEAK_DB / 20))
    gain = gaussian_filter1d((low - 1) * np.log(audible / mean), GAIN_SMOOTHING_FRAMES)
    places = np.arange(len(rms)) * round(HOP_SECONDS * sample_rate)
    return (wav * np.exp(np.interp(np.arange(len(wav)), places, gain))).astype(np.float32)


def phonetic_change(states: np.ndarray, wav: np.ndarray) -> float | None:
    """Mean cosine distance (0..2) of a recogniser's states 60 ms apart, a measure of the speaking rate of (N,) at RATE.

    ``states`` (T, D) are those of a Whisper encoder for ``wav``; their mean over the speech is removed. Pauses are left
    out (``speech_frames``). None for too little speech. Faster speech has larger changes; the gain and steady noise
    hardly matter. It is to these states what the spectral transition measure is to cepstra (Furui 1986,
    doi:10.1121/1.393842).
    """
    if len(wav) < MIN_SECONDS * RATE:
        return None
    speech = speech_frames(wav)
    centres = ((np.arange(len(states)) + 0.5) / STATES_PER_SECOND * RATE).astype(int)
    is_speech = speech[np.minimum(centres // PROBABILITY_FRAME, len(speech) - 1)]
    if is_speech.sum() < MIN_SPEECH_SECONDS * STATES_PER_SECOND:
        return None
    centred = states - states[is_speech].mean(0)
    units = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    distances = 1 - (units[CHANGE_FRAMES:] * units[:-CHANGE_FRAMES]).sum(1)
    first = CHANGE_FRAMES // 2  # a change counts where its middle is speech
    return float(distances[is_speech[first : first + len(distances)]].mean())


def letter_rate(wav: np.ndarray, sample_rate: int, text: str) -> float | None:
    """Letters a second of speech in (N,), without pauses (``speech_frames``), for what is said.

    None without letters and for too little speech.
    """
    letters = sum(letter.isalpha() for letter in text)
    if len(wav) < MIN_SECONDS * sample_rate or not letters:
        return None
    seconds = speech_seconds(resample(wav, sample_rate, RATE))
    return letters / seconds if seconds >= MIN_SPEECH_SECONDS else None


def _rms(wav: np.ndarray, sample_rate: int, seconds: float = LOUDNESS_FRAME_SECONDS) -> np.ndarray:
    """(N,) -> (F,) RMS of frames centred at multiples of the hop, without that of the noise."""
    size, hop = round(seconds * sample_rate), round(HOP_SECONDS * sample_rate)
    padded = np.pad(np.asarray(wav, np.float64), (size // 2, size // 2))
    energy = np.concatenate([[0.0], np.cumsum(padded**2)])
    starts = np.arange(0, len(padded) - size + 1, hop)
    power = (energy[starts + size] - energy[starts]) / size
    rms = np.sqrt(np.maximum(power - np.percentile(power, NOISE_PERCENTILE), 0))
    return np.maximum(rms, max(MIN_RELATIVE_RMS * rms.max(initial=0.0), MIN_RMS))


def _variation(rms: np.ndarray, exponent: float) -> float:
    loudness = rms ** (STEVENS_EXPONENT * exponent)
    return float(loudness.std() / loudness.mean())
