"""The speaker test: whether speaker encoders recognise the target speaker in the outputs of a system.

Similarity, rank-1 identification and acceptance at natural impostors' rates, beside natural recordings, trivial
systems and chance.
"""

from thesis_lib.validation.speaker_test.degraded import measure_degraded, summarise_degraded
from thesis_lib.validation.speaker_test.measure import about_trials, enrol, measure_speakers, speaker_test
from thesis_lib.validation.speaker_test.same_sex import SexScorer, impostor_levels
from thesis_lib.validation.speaker_test.summary import (
    ALL_PAIRS,
    PITCH_MATCHED,
    beside_natural,
    by_pairs,
    gains,
    summarise_speakers,
)
from thesis_lib.validation.speaker_test.systems import NATURAL, TRIVIAL, speaker_test_systems
from thesis_lib.validation.speaker_test.trials import SpeakerTrials, human_trials, unused_speakers

__all__ = [
    "ALL_PAIRS",
    "NATURAL",
    "PITCH_MATCHED",
    "TRIVIAL",
    "SexScorer",
    "SpeakerTrials",
    "about_trials",
    "beside_natural",
    "by_pairs",
    "enrol",
    "gains",
    "human_trials",
    "impostor_levels",
    "measure_degraded",
    "measure_speakers",
    "speaker_test",
    "speaker_test_systems",
    "summarise_degraded",
    "summarise_speakers",
    "unused_speakers",
]
