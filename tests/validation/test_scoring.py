"""What each output is scored by."""

import numpy as np
import pytest
from helpers import voiced

from thesis_lib.corpus.manifest import NOT_TRANSCRIBED
from thesis_lib.runs.embed import embedded
from thesis_lib.runs.prepare import prepared
from thesis_lib.validation import (
    GROUND_TRUTH,
    OURS,
    SAME,
    Measured,
    Scorers,
    System,
    TestSet,
    ValidationItem,
    evaluate,
)
from thesis_lib.validation.measurements import SOURCE
from thesis_lib.validation.metrics import MetricError, Recording
from thesis_lib.validation.scoring import words
from thesis_lib.validation.validate import SPANISH


def item_of(run) -> ValidationItem:
    """The first test utterance of a run."""
    manifest = prepared(run)
    return ValidationItem.load(manifest.split("test")[0], manifest, embedded(run), run.config.audio)


def test_words_of_a_recording_without_a_transcript_are_not_measured():
    def recognise(*_, **__):
        raise AssertionError("nothing is recognised that nothing is compared with")

    with pytest.raises(MetricError, match="no transcript"):
        words(recognise, Recording(voiced(0.5), 22_050), NOT_TRANSCRIBED)


def test_a_silent_output_is_scored_as_not_measured(tiny_run):
    scorers = Scorers.load(tiny_run.config)
    silence = System(OURS["conversion"], lambda item: scorers.record(np.zeros_like(item.wav)), about={"system": "ours"})
    found = Measured.of(evaluate(TestSet([item_of(tiny_run)]), [silence], scorers.every))
    reasons = {row["metric"]: row["reason"] for row in found.missing}
    assert "silence" in reasons["speaker"]
    assert ("ours", "speaker") not in found.vectors
    assert found.rows[0]["mel_l1"] > 1


def test_each_output_is_scored_by_what_is_defined_for_it(tiny_run):
    """Of the source only embeddings and prosody; the ground truth is not compared with itself."""
    scorers = Scorers.load(tiny_run.config)
    systems = [System(name, lambda item: item.reference, about={"system": name}) for name in (GROUND_TRUTH, "copy")]
    systems += [System(SAME, lambda item: item.reference, has_words=False, about={"system": SAME}), SPANISH]
    found = Measured.of(evaluate(TestSet([item_of(tiny_run)]), systems, scorers.every, parallel=True))
    assert [row["system"] for row in found.rows] == [GROUND_TRUTH, "copy", SAME]
    assert [row.get("mel_l1") for row in found.rows] == [None, 0, None]
    for row in found.rows:
        assert row["source_rate"] != row["output_rate"] == found.rows[0]["output_rate"]
    assert {system for system, _ in found.vectors} == {SOURCE, GROUND_TRUTH, "copy", SAME}
    assert not found.missing


def test_a_metric_without_an_accepted_licence_is_named_and_not_fetched(tiny_run, unpublished):
    config = tiny_run.config.override({"validation.metrics": ("mel_l1", "nisqa")})
    scorers = Scorers.load(config)
    assert scorers.chosen == ("mel_l1",)
    assert "CC BY-NC-SA" in scorers.absent["nisqa"]
    assert "thesis models fetch nisqa-tts" in scorers.absent["nisqa"]
