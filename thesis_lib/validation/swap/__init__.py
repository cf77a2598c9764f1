"""Does the vocoder listen? The same content with another speaker's, or another style's, embedding."""

from thesis_lib.validation.swap.speakers import (
    SAMPLES,
    STRONGER,
    Speaker,
    SpeakerScorer,
    System,
    corpus_speakers,
    human_speakers,
    sample_paths,
    score,
    summarise,
    swap_test,
    systems_of,
    trials,
)
from thesis_lib.validation.swap.styles import style_summary, style_swap

__all__ = [
    "SAMPLES",
    "STRONGER",
    "SpeakerScorer",
    "Speaker",
    "System",
    "corpus_speakers",
    "human_speakers",
    "style_summary",
    "style_swap",
    "sample_paths",
    "score",
    "summarise",
    "swap_test",
    "systems_of",
    "trials",
]
