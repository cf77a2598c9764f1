"""Prosody of a recording that the output follows, and how strongly it follows it."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from thesis_lib.audio.prosody import letter_rate, loudness_variation, syllable_rate
from thesis_lib.audio.voice_activity import RATE
from thesis_lib.vocoder.voice import Voice

# Medians over the bundled English voices, what a strength of 0 stands for; `python -m benchmarks emotion` measures them
# and the next two.
NEUTRAL_LOG_F0_STD, NEUTRAL_LOUDNESS_VARIATION = 0.18, 0.62
SPANISH_SYLLABLES_PER_SECOND = 5.1  # by ``syllable_rate``, in the bundled Spanish voices
SPANISH_LETTERS_PER_SECOND = 13.5  # by ``letter_rate``, in the bundled Spanish voices
# Relative speaking rate: at 1.4 the synthesizer's word errors rise (`python -m benchmarks segment_style`).
MIN_SPEED, MAX_SPEED = 0.7, 1.25
# Between the rates by letters and by syllables, both relative to the average: a transcript that differs more is wrong.
MAX_RATE_RATIO = 1.3
MIN_STRETCH, MAX_STRETCH = 0.8, 1.25  # of content features, with ``cloning.fit``


@dataclass(frozen=True)
class Prosody:
    """Loudness variation and syllable rate (1/s) of a recording; None where they cannot be measured."""

    loudness_variation: float | None = None
    syllable_rate: float | None = None
    relative_rate: float = 1.0  # of the output, relative to the source's speaking rate

    def mixed_with(self, style: "Prosody", share: float) -> "Prosody":
        """Interpolate towards the prosody of another recording: 0 keeps this one's, 1 takes the style's."""
        relative = 1.0
        if self.syllable_rate is not None and style.syllable_rate is not None:
            relative = (style.syllable_rate / self.syllable_rate) ** share
        variation = mixed(self.loudness_variation, style.loudness_variation, share)
        return replace(self, loudness_variation=variation, relative_rate=relative)


def prosody_of(wav: np.ndarray, sample_rate: int) -> Prosody:
    """Measure the speech in (N,)."""
    return Prosody(loudness_variation(wav, sample_rate), syllable_rate(wav, sample_rate))


def mixed(own: Any, other: Any, share: float) -> Any:
    """Interpolate two numbers or vectors: 0 gives the first, 1 the second; where one is None, the other."""
    return own if other is None else other if own is None else (1 - share) * own + share * other


def speed_of(wav: np.ndarray, transcript: str) -> float:
    """Speaking rate of (N,) at RATE, relative to the bundled Spanish voices; 1 where it cannot be measured.

    Letters of the transcript per second of speech, without pauses, within a factor of ``MAX_RATE_RATIO`` of the rate by
    syllables: words that are missing from the transcript change the rate by no more. Without a transcript the rate is
    that by syllables, and where these cannot be counted, that by letters.
    """
    letters, syllables = letter_rate(wav, RATE, transcript), syllable_rate(wav, RATE)
    if letters is None:
        return speaking_speed(syllables)
    relative = letters / SPANISH_LETTERS_PER_SECOND
    if syllables is None:
        return relative
    other = speaking_speed(syllables)
    return float(np.clip(relative, other / MAX_RATE_RATIO, other * MAX_RATE_RATIO))


def limited_speed(relative: float) -> float:
    """Bring a relative speaking rate smoothly within ``MIN_SPEED`` and ``MAX_SPEED``: faster speech stays faster.

    With L the logarithm of the limit on the same side of 1: exp(L tanh(log(relative) / L)). Near 1 it hardly changes
    the rate.
    """
    limit = np.log(MAX_SPEED if relative > 1 else MIN_SPEED)
    return float(np.exp(limit * np.tanh(np.log(relative) / limit)))


def fitting_stretch(seconds: float, wanted: float) -> float:
    """Return the factor that brings speech of a duration in s near the wanted one, within the limits."""
    return float(np.clip(wanted / seconds, MIN_STRETCH, MAX_STRETCH))


def speaking_speed(rate: float | None) -> float:
    """Speaking rate relative to the average Spanish speaker, for syllables a second; 1 where it is not known."""
    return 1.0 if rate is None else rate / SPANISH_SYLLABLES_PER_SECOND


def strengthened(value: float | None, neutral: float, strength: float) -> float | None:
    """Scale a statistic's ratio to its neutral value: 0 gives the neutral value, 1 the value, 2 exaggerates it."""
    return None if value is None else neutral * (value / neutral) ** strength


def styled(voice: Voice, mean_emotion: np.ndarray, strength: float) -> Voice:
    """Return the voice with its speaking style neutral (strength 0), as it is (1) or exaggerated (above 1).

    The emotion embedding (E,) moves on the line from the training set's mean; the log-F0 standard deviation by
    ``strengthened``.
    """
    if strength == 1.0 or voice.emotion is None:
        return voice
    emotion = (mean_emotion + strength * (voice.emotion - mean_emotion)).astype(np.float32)
    return replace(voice, emotion=emotion, log_f0_std=strengthened(voice.log_f0_std, NEUTRAL_LOG_F0_STD, strength))
