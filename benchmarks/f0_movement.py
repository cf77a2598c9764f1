"""What the output gains and loses when it follows the slow F0 movement of each source segment.

The default pipeline is compared with the same one without ``cloning.follow_movement``, on recordings of acted speech,
one of each actor and emotion. The two of a recording have the same content, speaking rate, F0 median, F0 standard
deviation, loudness and embeddings.

THESIS_EMOTIONS names the folder, with a table utterances.tsv, as for ``emotion``, which has the measures. The number of
cosines of a movement was chosen on rows marked "train", in a trial of which no result is saved. So these rows serve the
choice, and the other rows are the test. The rows of the result say which it is.
"""

import warnings
from functools import partial

import pandas as pd

from benchmarks import emotion
from benchmarks.acted import evaluated
from benchmarks.emotion_loss import clones_of_each
from benchmarks.emotion_statistics import SOURCE, comparison
from benchmarks.prosody_ways import F0_SLOPE, FINAL_MOVEMENT, ContourMeasures, common_sentences_first
from benchmarks.together import made_together
from thesis_lib.audio.voice_activity import RATE
from thesis_lib.cloning import VoiceCloningPipeline, build

WITHOUT, WITH = "without F0 movement", "with F0 movement"
CHOICE, TEST = "choice", "test"
CORRELATED = (F0_SLOPE, FINAL_MOVEMENT, emotion.WORLD_F0_STD, emotion.SPEAKING_RATE, "loudness variation")


def run(quick: bool) -> dict:
    """The statistics of both, and their paired differences, on the rows of the choice and on those of the test."""
    warnings.filterwarnings("ignore", category=UserWarning)
    default = build()
    plain = default.copy_with(config=default.config.model_copy(update={"follow_movement": False}))
    tables = {CHOICE: common_sentences_first(emotion.acted_recordings(train=True)), TEST: emotion.acted_recordings()}
    return {name: _compared(table, {WITHOUT: plain, WITH: default}, quick) for name, table in tables.items()}


def _compared(table: pd.DataFrame, pipelines: dict[str, VoiceCloningPipeline], quick: bool) -> dict:
    systems = made_together((SOURCE, *pipelines), (SOURCE,), partial(clones_of_each, pipelines))
    items = emotion.items_of(emotion.chosen_recordings(quick, table), RATE)
    measured, missing = evaluated(items, systems, ContourMeasures())
    return comparison(measured, pipelines, WITHOUT, CORRELATED) | {"not measured": missing}
