"""The prosody half of Kokoro's style vectors, chosen among the voices for a source's speaking style.

The first 128 of the 256 values of a style vector give the timbre, the others rate, F0 and dynamics (StyleTTS 2, Li et
al. 2023, arXiv:2306.07691). It is one of the ways that ``prosody_ways`` compares.

Shapes: N samples, V voices.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from tqdm import tqdm

from thesis_lib.audio.files import resample
from thesis_lib.audio.pitch import MIN_LOG_F0_STD, track
from thesis_lib.audio.prosody import letter_rate, loudness_variation
from thesis_lib.audio.voice_activity import RATE
from thesis_lib.cloning.prosody import NEUTRAL_LOG_F0_STD, NEUTRAL_LOUDNESS_VARIATION
from thesis_lib.cloning.speaker import Speaker
from thesis_lib.cloning.tts import KokoroSynthesizer
from thesis_lib.cloning.voices import voice_rate
from thesis_lib.config import AudioConfig

TIMBRE_VALUES = 128  # of a style vector; the others are the prosody half
SPEED = "rate"
STATISTICS = ("log-F0 standard deviation", "loudness variation", SPEED)


class HalvesSynthesizer(KokoroSynthesizer):
    """Kokoro with the timbre half of the named voice and the prosody half of another; it keeps what it synthesised."""

    def __init__(self, threads: int | None = None) -> None:
        super().__init__(threads)
        self.prosody: str | None = None  # name of the other voice; None: the voice's own half
        self._kept: dict[tuple, np.ndarray] = {}

    def voice(self, name: str) -> np.ndarray:
        """The style vectors of a voice; their prosody half is that of ``prosody`` where it is set."""
        own = super().voice(name)
        return own if self.prosody is None else with_prosody_half(own, super().voice(self.prosody))

    def __call__(self, text: str, voice: str, language: str = "en", speed: float = 1.0) -> np.ndarray:
        """The speech of a text, as ``KokoroSynthesizer`` makes it; it is synthesised once.

        The pipeline divides its speed by the speaking rate of ``voice``; with another prosody half, the rate of that
        half takes its place.
        """
        if self.prosody is not None:
            speed *= voice_rate(voice, text) / voice_rate(self.prosody, text)
        key = text, voice, language, speed, self.prosody
        if key not in self._kept:
            self._kept[key] = super().__call__(text, voice, language, speed)
        return self._kept[key]


def with_prosody_half(timbre: np.ndarray, prosody: np.ndarray) -> np.ndarray:
    """Style vectors (..., 256) of two voices -> the first half of one and the second half of the other."""
    return np.concatenate([timbre[..., :TIMBRE_VALUES], prosody[..., TIMBRE_VALUES:]], -1)


def voice_statistics(synthesizer: KokoroSynthesizer, voices: Sequence[str], texts: Sequence[str]) -> pd.DataFrame:
    """Logs of the ``STATISTICS`` of each voice's speech, relative to the median over the voices: (V, 3).

    Voices without enough voiced speech, as one that whispers, are left out.
    """
    audio, rows = AudioConfig(), {}
    for voice in tqdm(voices, "voices"):
        found = []
        for text in texts:
            wav = resample(synthesizer(text, voice), synthesizer.sample_rate, RATE)
            pitch = track(resample(wav, RATE, audio.sample_rate), audio)
            statistics = loudness_variation(wav, RATE), letter_rate(wav, RATE, text)
            if pitch.is_voiced and None not in statistics:
                found.append((max(pitch.range.log_f0_std, MIN_LOG_F0_STD), *statistics))
        if len(found) == len(texts):
            rows[voice] = np.log(np.mean(found, 0))
    table = pd.DataFrame(rows, index=list(STATISTICS)).T
    return table - table.median()


def source_statistics(speaker: Speaker) -> np.ndarray:
    """Logs of the ``STATISTICS`` of a source, relative to the neutral ones, (3,); 0 where one is not known."""
    deviation, prosody = speaker.voice.log_f0_std, speaker.prosody
    variation, rate = prosody.loudness_variation, prosody.speaking_rate
    relative = (
        1.0 if deviation is None else max(deviation, MIN_LOG_F0_STD) / NEUTRAL_LOG_F0_STD,
        1.0 if variation is None else variation / NEUTRAL_LOUDNESS_VARIATION,
        1.0 if rate is None else rate * prosody.relative_rate,
    )
    return np.log(relative)


def nearest_half(wanted: np.ndarray, voices: pd.DataFrame) -> str:
    """The voice (of V) with the statistics nearest to (3,), each in its standard deviations over the voices."""
    return str((((voices - wanted) / voices.std()) ** 2).sum(axis=1).idxmin())
