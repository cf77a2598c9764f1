"""Prosody of a recording that the output follows, and how strongly it follows it."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from thesis_lib.audio.prosody import phonetic_change
from thesis_lib.config import CloningConfig
from thesis_lib.vocoder.voice import Voice

# Medians over the bundled English voices, what a strength of 0 stands for; `python -m benchmarks emotion` measures them
# and the next one.
NEUTRAL_LOG_F0_STD, NEUTRAL_LOUDNESS_VARIATION = 0.18, 0.62
SPANISH_PHONETIC_CHANGE = 0.454  # in the bundled Spanish voices, by Whisper tiny.en
RATE_EXPONENT = 1.35  # of the phonetic change; least squares give 1.2 and 1.4 (`python -m benchmarks speaking_rate`)
# Relative speaking rate: at 1.4 the synthesizer's word errors rise (`python -m benchmarks segment_style`).
MIN_SPEED, MAX_SPEED = 0.7, 1.25
MIN_STRETCH, MAX_STRETCH = 0.8, 1.25  # of content features, with ``cloning.fit``


@dataclass(frozen=True)
class Prosody:
    """Loudness variation and speaking rate of a recording; None where they cannot be measured."""

    loudness_variation: float | None = None
    speaking_rate: float | None = None  # relative to the bundled Spanish voices
    relative_rate: float = 1.0  # of the output, relative to the source's speaking rate

    def mixed_with(self, style: "Prosody", share: float) -> "Prosody":
        """Interpolate towards the prosody of another recording: 0 keeps this one's, 1 takes the style's."""
        relative = 1.0
        if self.speaking_rate is not None and style.speaking_rate is not None:
            relative = (style.speaking_rate / self.speaking_rate) ** share
        variation = mixed(self.loudness_variation, style.loudness_variation, share)
        return replace(self, loudness_variation=variation, relative_rate=relative)


def mixed(own: Any, other: Any, share: float) -> Any:
    """Interpolate two numbers or vectors: 0 gives the first, 1 the second; where one is None, the other."""
    return own if other is None else other if own is None else (1 - share) * own + share * other


def speaking_rate_of(states: np.ndarray, wav: np.ndarray) -> float | None:
    """Speaking rate of (N,) at RATE, relative to the bundled Spanish voices; None for too little speech.

    ``states`` (T, D) are those of Whisper tiny.en's encoder for ``wav``.
    """
    change = phonetic_change(states, wav)
    return None if change is None else (change / SPANISH_PHONETIC_CHANGE) ** RATE_EXPONENT


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


def strengthened(value: float | None, neutral: float, strength: float) -> float | None:
    """Scale a statistic's ratio to its neutral value: 0 gives the neutral value, 1 the value, 2 exaggerates it."""
    return None if value is None else neutral * (value / neutral) ** strength


def followed(voice: Voice, part: tuple[float, float], config: CloningConfig) -> Voice:
    """Return the voice with the F0 statistics that the output follows, and with the movement in a part of the segment.

    ``part`` is that of ``TranslatedSegment``.
    """
    deviation = voice.log_f0_std if config.follow_pitch else None
    movement = voice.movement.part(*part) if voice.movement and config.follow_movement else None
    return replace(voice, log_f0_std=deviation, movement=movement)


def styled(voice: Voice, mean_emotion: np.ndarray, strength: float) -> Voice:
    """Return the voice with its speaking style neutral (strength 0), as it is (1) or exaggerated (above 1).

    The emotion embedding (E,) moves on the line from the training set's mean; the log-F0 standard deviation by
    ``strengthened``; the F0 movement on the line from the synthesizer's.
    """
    if strength == 1.0 or voice.emotion is None:
        return voice
    emotion = (mean_emotion + strength * (voice.emotion - mean_emotion)).astype(np.float32)
    deviation = strengthened(voice.log_f0_std, NEUTRAL_LOG_F0_STD, strength)
    movement = voice.movement and voice.movement.scaled(strength)
    return replace(voice, emotion=emotion, log_f0_std=deviation, movement=movement)
