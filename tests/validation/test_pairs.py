"""Published pairs of recordings beside our conversions."""

import re
import shutil

import numpy as np
import pandas as pd
import pytest
from helpers import rename_encoder, trained_beside, voiced
from planted import SETTINGS

from thesis_lib.audio.files import write_audio
from thesis_lib.runs.folder import RunError
from thesis_lib.validation import summarise_pairs, validate_pairs
from thesis_lib.vocoder.description import EncoderMismatchError


def pairs_folder(folder):
    for group, system, count in (("a", "es_src", 3), ("a", "en_ref", 2), ("a", "en_other", 3)):
        for number in range(count):
            write_audio(folder / f"{group}_{system}" / f"{number}.wav", voiced(1.0, f0=110 + 30 * number), 22_050)
    return folder


def test_human_pairs_stand_beside_ours(tiny_run, tmp_path):
    folder = pairs_folder(tmp_path / "pairs")
    write_audio(folder / "a_en_other" / "2.wav", np.zeros(22_050), 22_050)
    run = trained_beside(tiny_run, tmp_path / "run")
    table = validate_pairs(run, folder)
    counts = table.groupby("system").size().to_dict()
    assert counts["ref"] == 2
    assert counts["other"] == 2
    assert counts["another Spanish speaker"] == 3
    assert counts["ours, conversion, guidance 1"] == counts["ours, conversion, guidance 2"] == 2
    assert table.set_index(["system", "id"]).loc[("ref", "0"), "speaker"] == pytest.approx(1), "the same samples"
    assert run.load_table("pairs_not_measured").system.tolist() == ["other"]
    summary = run.load_table("pairs_summary")
    assert set(summary.metric) == {"speaker"}
    assert run.stale() == {}
    write_audio(folder / "a_en_ref" / "0.wav", voiced(1.0, f0=300), 22_050)
    reason = [f"{folder / 'a_en_ref' / '0.wav'} has changed since"]
    assert run.stale() == dict.fromkeys(("pairs", "pairs_not_measured", "pairs_summary"), reason)


@pytest.mark.parametrize("title", ["another-encoder (1)", "tiny-test-encoder (2)"])
def test_pairs_need_the_encoders_of_the_vocoder(tiny_run, tmp_path, title):
    """The run has no embeddings, so that only the encoders that are loaded tell."""
    run = trained_beside(tiny_run, tmp_path / "run")
    shutil.rmtree(run.path / "embeddings")
    rename_encoder(run, "conversion", title, stored=False)
    with pytest.raises(EncoderMismatchError, match=rf"{re.escape(title)}, this one is tiny-test-encoder \(1\)"):
        validate_pairs(run, pairs_folder(tmp_path / "pairs"))


def test_a_metric_of_pairs_is_averaged_over_the_rows_that_have_it_and_named_where_there_are_too_few():
    about = {"group": "g", "system": "s"}
    values = [(1.0, 2.0, np.nan), (3.0, np.nan, np.nan), (5.0, 4.0, 1.0)]
    table = pd.DataFrame([about | {"id": str(i), "x": x, "y": y, "z": z} for i, (x, y, z) in enumerate(values)])
    summary = summarise_pairs(table, SETTINGS).set_index("metric")
    assert summary.value[["x", "y"]].tolist() == [3, 3]
    assert summary.n.tolist() == [3, 2, 1]
    assert np.isnan(summary.value["z"])
    assert "no interval" in summary.reason["z"]


def test_a_wrong_folder_of_pairs_is_named(tiny_run, tmp_path):
    with pytest.raises(RunError, match="GROUP_es_src"):
        validate_pairs(tiny_run, tmp_path)


def test_nothing_measured_is_an_empty_summary_with_its_columns():
    summary = summarise_pairs(pd.DataFrame(), SETTINGS)
    assert list(summary.columns) == ["group", "system", "metric", "value", "low", "high", "n", "reason"]
    assert summary.empty
