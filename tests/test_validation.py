import numpy as np
import pandas as pd
import pytest

from thesis_lib import metrics, validation
from thesis_lib.config import ValidationConfig
from thesis_lib.dataset import prepared
from thesis_lib.validation import GROUND_TRUTH, OURS, PUBLISHED, summarise, validate


def test_every_system_and_metric_of_the_tiny_run(tiny_run, monkeypatch):
    monkeypatch.setattr(validation.models, "is_cached", lambda name: False)
    table = validate(tiny_run)
    assert set(table.system) == {GROUND_TRUTH, *OURS.values()}
    assert table.groupby("system").size().eq(3).all()
    assert table.loc[table.system.isin(OURS.values()), ["mel_l1", "speaker"]].notna().all(axis=None)
    assert table.loc[table.system == GROUND_TRUTH, "mel_l1"].isna().all(), "nothing is scored against itself"
    encoders = tiny_run.load_json("validation_encoders")
    assert encoders["speaker"] == "tiny-test-encoder"
    assert len(list((tiny_run.path / "samples").glob("validation_*.mp3"))) == 9
    assert validate(tiny_run).equals(tiny_run.load_table("validation")), "a finished validation is not done again"


def test_what_cannot_be_measured_is_listed_with_its_reason(tiny_run, tmp_path, monkeypatch):
    def fails(*_):
        raise metrics.MetricError("no speech found")

    monkeypatch.setattr(validation.metrics, "pesq", fails)
    monkeypatch.setattr(validation.models, "is_cached", lambda name: False)
    tiny_run.table_path("validation").unlink(missing_ok=True)
    table = validate(tiny_run)
    tiny_run.table_path("validation").unlink()
    missing = tiny_run.load_table("validation_not_measured")
    assert set(missing.metric) == {"pesq", "all"}
    assert set(missing.reason[missing.metric == "pesq"]) == {"no speech found"}
    assert "thesis models fetch" in missing.reason[missing.system == PUBLISHED].item()
    assert "pesq" not in table
    assert "pesq" not in set(tiny_run.load_table("validation_summary").metric)


def test_a_silent_output_is_scored_as_not_measured(tiny_run):
    manifest = prepared(tiny_run)
    scorers = validation._load(tiny_run)
    item = validation._item(manifest.split("test")[0], manifest, scorers)
    silent = np.zeros_like(item.reference)
    row, reasons = validation._score(OURS["conversion"], silent, item, scorers, tiny_run.config.validation)
    assert "silence" in reasons["speaker"]
    assert "speaker" not in row
    assert row["mel_l1"] > 1


def test_summary_by_hand():
    table = pd.DataFrame(
        {
            "system": ["a", "a", "b", "b"],
            "mel_l1": [1.0, 3.0, np.nan, np.nan],
            "heard": ["one two three four five", "x", "one two three four five", "six"],
            "target_text": ["one two three four five", "six"] * 2,
            "word_errors": [0, 1, 0, 0],
            "words": [5, 1, 5, 1],
        }
    )
    summary = summarise(table, ValidationConfig(resamples=200)).set_index(["system", "metric"])
    assert summary.loc[("a", "mel_l1"), "value"] == 2
    assert (summary.loc[("a", "mel_l1"), "low"], summary.loc[("a", "mel_l1"), "high"]) == (1, 3)
    assert ("b", "mel_l1") not in summary.index, "no value is invented"
    assert summary.loc[("a", "wer"), "value"] == pytest.approx(100 / 6), "errors over words, not a mean of ratios"
    assert summary.loc[("b", "wer"), "value"] == 0
    assert summary.loc[("b", "bleu"), "value"] > summary.loc[("a", "bleu"), "value"]
    assert (summary.n == 2).all()
