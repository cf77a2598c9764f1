"""Does the vocoder listen? The same content with another speaker's, or another manner's, embedding."""

from thesis_lib.validation.swap.speakers import (
    SAMPLES,
    STRONGER,
    Judge,
    Speaker,
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
from thesis_lib.validation.swap.styles import manner_summary, manner_swap

__all__ = [
    "SAMPLES",
    "STRONGER",
    "Judge",
    "Speaker",
    "System",
    "corpus_speakers",
    "human_speakers",
    "manner_summary",
    "manner_swap",
    "sample_paths",
    "score",
    "summarise",
    "swap_test",
    "systems_of",
    "trials",
]
