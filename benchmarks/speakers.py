"""The strong speaker test: the released weights on human voices, beside natural recordings and trivial systems.

THESIS_HUMAN names a folder of human recordings (``human_speakers`` has its layout). All speakers of the folder are
enrolled; targets are spread over them. Contents are bundled English sentences by the TTS, of voices outside the
training split. A speaker with a single recording is enrolled by its second half, and the condition comes from its
first half; the result says so ("same session").
"""

import os
from pathlib import Path

import pandas as pd

from thesis_lib.config import Config
from thesis_lib.embeddings.encoders import Encoder, evaluation_encoders, speaker_encoder
from thesis_lib.utils.progress import bar
from thesis_lib.validation.roles import Roles, named_lineage
from thesis_lib.validation.speaker_test import (
    ALL_PAIRS,
    SpeakerTrials,
    about_trials,
    enrol,
    gains,
    human_trials,
    measure_speakers,
    speaker_test_systems,
    summarise_speakers,
)
from thesis_lib.vocoder.synthesis import DEFAULT, Vocoder

OPTIONS = {"targets": (20, "human target speakers"), "contents": (6, "sentences, each by another TTS voice (1 to 9)")}
QUICK_TARGETS, QUICK_CONTENTS = 3, 2
RELEASED = "released weights"
RESAMPLES, SEED = 1000, 0


def run(quick: bool, targets: int, contents: int) -> dict:
    """Rows of each system, encoder, kind of pairs and statistic; gains over the best trivial system; an overview."""
    vocoder = Vocoder.from_torch(DEFAULT)
    trials, encoders = human_set(vocoder, *((QUICK_TARGETS, QUICK_CONTENTS) if quick else (targets, contents)))
    scorers = enrol(trials, encoders, bar)
    results = measure_speakers(trials, speaker_test_systems(RELEASED, vocoder, encoders[0]), scorers, bar)
    summary = summarise_speakers(results.table, RESAMPLES, SEED)
    roles = roles_of(vocoder)
    summary["role"] = [roles.of_network(encoder) for encoder in summary.encoder]
    gained = gains(results.table, RELEASED, RESAMPLES, SEED)
    gained["role"] = [roles.of_network(encoder) for encoder in gained.encoder]
    return about_trials(trials, scorers) | {
        "system": RELEASED,
        "not measured": results.missing,
        "rows": records(summary),
        "gains": records(gained),
        "table": overview(summary),
    }


def human_set(vocoder: Vocoder, targets: int, contents: int) -> tuple[SpeakerTrials, list[Encoder]]:
    """The trials of the folder that THESIS_HUMAN names, and the encoders: first that of the condition."""
    folder = os.environ.get("THESIS_HUMAN")
    if not folder:
        raise SystemExit("THESIS_HUMAN must name a folder of human recordings: a subfolder or a file is a speaker")
    config = Config.from_profile("demo").override({"encoders.emotion": vocoder.encoders.emotion})
    encoders = [speaker_encoder(config.encoders), *evaluation_encoders(config.encoders)]
    return human_trials(Path(folder), config, targets, contents), encoders


def roles_of(vocoder: Vocoder) -> Roles:
    """The roles of every network in the released weights."""
    return Roles.along(named_lineage(DEFAULT, vocoder.meta))


def records(table: pd.DataFrame) -> list[dict]:
    """The rows of a table; NaN, which JSON has not, as None."""
    return table.astype(object).where(table.notna(), None).to_dict("records")


def overview(summary: pd.DataFrame) -> dict[str, dict[str, float]]:
    """system -> "statistic, encoder" -> value, of all pairs."""
    part = summary[(summary.pairs == ALL_PAIRS) & summary.value.notna()]
    found: dict[str, dict[str, float]] = {}
    for row in part.itertuples():
        found.setdefault(row.system, {})[f"{row.statistic}, {row.encoder}"] = round(row.value, 3)
    return found
