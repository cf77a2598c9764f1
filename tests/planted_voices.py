"""Planted voices: tones that an encoder tells apart with known cosines, as speakers of the speaker test."""

from functools import cache

import numpy as np

from thesis_lib.config import AudioConfig
from thesis_lib.validation.speaker_test import SexScorer, SpeakerTrials, enrol
from thesis_lib.validation.swap import SwapSpeaker, Trial
from thesis_lib.vocoder.voice import Voice

RATE = 22_050
AUDIO = AudioConfig()
COUNT = 20  # planted speakers


class PlantedEncoder:
    """The voice of a tone is its frequency, 20 Hz a voice; up to 4 Hz beside it are recordings of that voice."""

    name, revision, dim, sample_rate = "planted", "1", 24, 16_000

    def __init__(self):
        self._voices, self._changes = np.random.default_rng(0).normal(size=(2, COUNT + 1, self.dim))

    def encode(self, wav):
        peak = np.abs(np.fft.rfft(wav * np.hanning(len(wav)), 4 * len(wav))).argmax() * 4000 / len(wav)
        voice = int(round((peak - 200) / 20))
        return (self._voices[voice] + 0.1 * (peak - 200 - 20 * voice) * self._changes[voice]).astype(np.float32)


def tone(voice: int, change: float = 0.0) -> np.ndarray:
    f0 = 200 + 20 * voice + change
    return (0.3 * np.sin(2 * np.pi * f0 * np.arange(RATE // 2) / RATE)).astype(np.float32)


@cache
def trials_of(sexes: str = "") -> SpeakerTrials:
    """All ordered pairs of speakers: the content of one, the voice of another; the sexes come in turn."""
    speakers = [
        SwapSpeaker(
            f"s{i}",
            "human",
            f"s{i}",
            tone(i),
            Voice(log_f0_median=np.log(200 + 20 * i)),
            [tone(i, 2)],
            sex=sexes[i % len(sexes)] if sexes else "",
        )
        for i in range(COUNT)
    ]
    trials = [Trial(c, t, number) for t in speakers for number, c in enumerate(s for s in speakers if s is not t)]
    return SpeakerTrials("planted", speakers, [], trials, AUDIO)


@cache
def enrolled(sexes: str = "") -> SexScorer:
    return enrol(trials_of(sexes), [PlantedEncoder()])[0]
