"""What happens to a file of speech on its way: compression, resampling, noise, other speeds, resynthesis.

The resynthesis is by HiFi-GAN from the mel spectrogram. A trained neural codec (such as EnCodec) is not measured: the
project has the weights of none.

Shapes: (N,) at ``RATE`` -> (N',) and its sample rate.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from thesis_lib.audio.files import read_audio, resample, write_audio
from thesis_lib.utils.load_librosa import load_librosa
from thesis_lib.validation.degradations import MP3_KBIT_S, noisy, through_mp3
from thesis_lib.vocoder.synthesis import DEFAULT, UNIVERSAL, Vocoder

RATE = 22_050  # Hz
MP3_LEVEL = 0.85  # libsndfile's compression level of a constant 32 kbit/s at this rate
OPUS_LEVELS = {64: 0.768, 24: 0.928}  # kbit/s -> level, which libsndfile maps linearly to 256..6 kbit/s
SPEEDS = (0.9, 0.95, 0.98, 1.02, 1.05, 1.1)
SNRS = (30, 20, 10)  # dB
STRETCH = 1.05  # time scale with the pitch kept

Alteration = Callable[[np.ndarray], tuple[np.ndarray, int]]


def alterations() -> dict[str, Alteration]:
    """Name -> alteration. Loads the released weights and the published HiFi-GAN."""
    own, universal = Vocoder.from_torch(DEFAULT), Vocoder.from_torch(UNIVERSAL)
    return {
        "nothing": lambda wav: (wav, RATE),
        "16-bit WAV": _through(".wav"),
        "MP3, variable rate": _through(".mp3", bitrate_mode="VARIABLE", compression_level=0.6),
        f"MP3, {MP3_KBIT_S} kbit/s": lambda wav: (through_mp3(wav, RATE), RATE),
        "MP3, 32 kbit/s": _through(".mp3", bitrate_mode="CONSTANT", compression_level=MP3_LEVEL),
        "Ogg Vorbis": _through(".ogg"),
        **{f"Opus, {rate} kbit/s": _through(".opus", compression_level=level) for rate, level in OPUS_LEVELS.items()},
        "16 kHz": lambda wav: (resample(wav, RATE, 16_000), 16_000),
        "8 kHz": lambda wav: (resample(wav, RATE, 8_000), 8_000),
        "a quarter of the level": lambda wav: (0.25 * wav, RATE),
        **{f"white noise, {snr} dB": _noisy(snr) for snr in SNRS},
        "its middle second": lambda wav: (middle_second(wav), RATE),
        **{f"{abs(speed - 1):.0%} {'faster' if speed > 1 else 'slower'}": _faster(speed) for speed in SPEEDS},
        "5 % faster at the same pitch": lambda wav: (load_librosa().effects.time_stretch(wav, rate=STRETCH), RATE),
        "resynthesis by HiFi-GAN from the mel spectrogram": lambda wav: (universal.render(wav), RATE),
        "conversion by the released weights, mean speaker": lambda wav: (own.render(wav, guidance=0.0), RATE),
    }


def middle_second(wav: np.ndarray) -> np.ndarray:
    """(N,) -> (RATE,), half of it before the middle; a shorter signal is returned whole."""
    first = max(0, (len(wav) - RATE) // 2)
    return wav[first : first + RATE]


def _through(suffix: str, **options: object) -> Alteration:
    def change(wav: np.ndarray) -> tuple[np.ndarray, int]:
        with tempfile.TemporaryDirectory() as work:
            path = Path(work) / f"x{suffix}"
            write_audio(path, wav, RATE, **options)
            return read_audio(path)

    return change


def _noisy(snr: float) -> Alteration:
    return lambda wav: (noisy(wav, RATE, snr), RATE)


def _faster(speed: float) -> Alteration:
    """Played ``speed`` times as fast, so the pitch changes too."""
    return lambda wav: (resample(wav, RATE * speed, RATE), RATE)
