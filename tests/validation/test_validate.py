"""The validation of a run: its tables, interruptions, and what cannot be measured."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import trained_beside
from planted import cell
from safetensors.torch import load_file, save_file

from thesis_lib import validation
from thesis_lib.config import ConfigError
from thesis_lib.config.registries import METRICS
from thesis_lib.runs.prepare import prepared
from thesis_lib.validation import (
    GROUND_TRUTH,
    INVERSION,
    OTHER,
    OURS,
    PUBLISHED,
    SAME,
    Scorers,
    System,
    validate,
)
from thesis_lib.validation.metrics import MetricError


def test_every_system_and_metric_of_the_tiny_run(tiny_run, unpublished):
    table = validate(tiny_run)
    assert set(table.system) == {GROUND_TRUTH, SAME, OTHER, INVERSION, *OURS.values()}
    assert table.groupby("system").size().eq(3).all()
    rendered = table.system.isin([INVERSION, *OURS.values()])
    assert table.loc[rendered, "mel_l1"].notna().all()
    assert table.loc[~rendered, "mel_l1"].isna().all(), "nothing is scored against itself or another text"
    summary = tiny_run.load_table("validation_summary")
    assert cell(summary, OURS["conversion"], "speaker").role == "conditions"
    assert cell(summary, OURS["conversion"], "style").role == "conditions", "so does the second embedding's encoder"
    assert cell(summary, SAME, "speaker").n == 3
    assert tiny_run.load_json("validation_encoders")["speaker"] == "tiny-test-encoder"
    assert len(list((tiny_run.path / "samples").glob("validation_*.mp3"))) == 18
    assert validate(tiny_run).equals(tiny_run.load_table("validation")), "a finished validation is not done again"


def test_an_interrupted_validation_goes_on(tiny_run, tmp_path, unpublished, monkeypatch):
    run = trained_beside(tiny_run, tmp_path / "run", validation__utterances=3)
    scored = []
    real = validation.validate.__globals__["evaluate"]

    def once(test_set, *given, **options):
        scored.append(test_set.items[0].utterance.id)
        if len(scored) == 2:
            raise KeyboardInterrupt
        return real(test_set, *given, **options)

    monkeypatch.setitem(validation.validate.__globals__, "evaluate", once)
    with pytest.raises(KeyboardInterrupt):
        validate(run)
    assert not run.table_path("validation").exists()
    validate(run)
    assert len(scored) == 4, "the first is kept, the second is done again"
    assert len(set(scored)) == 3
    run.table_path("validation").unlink()
    monkeypatch.setitem(validation.validate.__globals__, "MEASURED_WITH", (99, 99))
    validate(run)
    assert len(scored) == 7, "stored measurements of another version are not used"


def test_a_table_older_than_its_vocoder_is_made_again(tiny_run, tmp_path, unpublished):
    run = trained_beside(tiny_run, tmp_path / "run", validation__utterances=2)
    first = validate(run)
    assert run.stale() == {}
    weights = run.path / "conversion" / "vocoder" / "model.safetensors"
    save_file({name: 2 * tensor for name, tensor in load_file(weights).items()}, weights)
    assert "conversion/vocoder/model.safetensors has changed since" in run.stale()["validation"]
    again = validate(run)
    assert run.stale() == {}
    ours = again.system == OURS["conversion"]
    assert not np.allclose(again.mel_l1[ours], first.mel_l1[ours])
    assert np.allclose(again.mel_l1[again.system == INVERSION], first.mel_l1[again.system == INVERSION])


def test_what_cannot_be_measured_is_listed_with_its_reason(tiny_run, tmp_path, monkeypatch, unpublished):
    def fails(*_):
        raise MetricError("no speech found")

    monkeypatch.setitem(METRICS._entries, "pesq", replace(METRICS.entry("pesq"), value=fails))
    run = trained_beside(tiny_run, tmp_path / "run", validation__utterances=2)
    table = validate(run)
    missing = run.load_table("validation_not_measured")
    assert set(missing.reason[(missing.metric == "pesq") & (missing.id != "all")]) == {"no speech found"}
    assert "thesis models fetch" in missing.reason[missing.system == PUBLISHED].item()
    assert "pesq" not in table
    assert "pesq" not in set(run.load_table("validation_summary").metric)


def test_an_output_that_is_no_sound_is_not_measured_and_stops_nothing(tiny_run, tmp_path, unpublished):
    run = trained_beside(tiny_run, tmp_path / "run", validation__utterances=2)
    systems = {
        "broken": System("broken", lambda item: np.full(len(item.wav), np.nan)),
        "copy": System("copy", lambda item: item.wav),
    }
    chosen = prepared(run).split("test")[:2]
    found = validation.measure(run, chosen, systems, Scorers.load(run.config), tmp_path / "home")
    assert found.systems == ["copy"]
    assert [(row["system"], row["reason"]) for row in found.missing] == 2 * [("broken", "a signal is not finite")]


@pytest.mark.parametrize(
    ("hypothesis", "says"),
    [
        (["mel_l1", "ours, converzion", INVERSION], "no system named 'ours, converzion'"),
        (["mel_l2", OURS["conversion"], INVERSION], "no metric named 'mel_l2'"),
    ],
)
def test_a_hypothesis_of_an_unknown_name_is_refused_before_any_work(tiny_run, tmp_path, monkeypatch, hypothesis, says):
    monkeypatch.setitem(validate.__globals__, "measure", None)
    run = trained_beside(tiny_run, tmp_path / "run", validation__hypotheses=[hypothesis])
    with pytest.raises(ConfigError, match=f"validation.hypotheses: {says}"):
        validate(run)
