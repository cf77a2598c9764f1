"""Swap tests of the condition: the same content with another speaker's or another style's embedding."""

from thesis_lib.validation.swap.scorer import ACCEPTED, SpeakerScorer, speaker_statistics
from thesis_lib.validation.swap.speakers import (
    SAVED_TRIALS,
    STRONG_GUIDANCE,
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
from thesis_lib.validation.swap.voices import (
    SwapSpeaker,
    corpus_speakers,
    human_fingerprints,
    human_speakers,
    recordings_by_speaker,
    speakers_of_split,
)

__all__ = [
    "ACCEPTED",
    "SAVED_TRIALS",
    "STRONG_GUIDANCE",
    "SpeakerScorer",
    "SwapSpeaker",
    "SwapSystem",
    "Trial",
    "corpus_speakers",
    "human_fingerprints",
    "human_speakers",
    "recordings_by_speaker",
    "sample_paths",
    "score_trials",
    "speaker_scorers",
    "speaker_statistics",
    "speakers_of_split",
    "style_summary",
    "style_swap",
    "summarise_swaps",
    "swap_systems",
    "swap_test",
    "trial_scorer",
    "trial_system",
    "trials",
]
