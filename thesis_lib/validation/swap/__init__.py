"""Swap tests of the condition: the same content with another speaker's or another style's embedding."""

from thesis_lib.validation.swap.speakers import (
    SAMPLES,
    STRONGER,
    SpeakerScorer,
    SwapSystem,
    Trial,
    sample_paths,
    score_trials,
    speaker_scorers,
    summarise_swaps,
    swap_systems,
    swap_test,
    trial_scorer,
    trial_system,
    trials,
)
from thesis_lib.validation.swap.styles import style_summary, style_swap
from thesis_lib.validation.swap.voices import SwapSpeaker, corpus_speakers, human_speakers

__all__ = [
    "SAMPLES",
    "STRONGER",
    "SpeakerScorer",
    "SwapSpeaker",
    "SwapSystem",
    "Trial",
    "corpus_speakers",
    "human_speakers",
    "sample_paths",
    "score_trials",
    "speaker_scorers",
    "style_summary",
    "style_swap",
    "summarise_swaps",
    "swap_systems",
    "swap_test",
    "trial_scorer",
    "trial_system",
    "trials",
]
