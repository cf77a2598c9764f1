import re
import shutil

import numpy as np
import pandas as pd
import pytest
from helpers import beside
from typer.testing import CliRunner

from thesis_lib.cli import app
from thesis_lib.config import Config
from thesis_lib.runs import history
from thesis_lib.runs.folder import Run, RunError
from thesis_lib.training import train
from thesis_lib.utils.files import write_text


@pytest.fixture(scope="module")
def two(tiny_run, tmp_path_factory):
    """The tiny run and one with another learning rate, side by side."""
    root = tmp_path_factory.mktemp("runs")
    first = beside(tiny_run, root / "first")
    second = beside(tiny_run, root / "second", conversion__training__learning_rate=0.01)
    for run in (first, second):
        train(run, "conversion")
    first.save_table(
        "validation_summary",
        pd.DataFrame([{"system": "ours", "metric": "pesq", "value": 2.5, "low": 2, "high": 3, "n": 3}]),
        first.provenance([]),
    )
    (root / "latest").symlink_to("first")
    return root


def command(*arguments):
    done = CliRunner().invoke(app, ["runs", *map(str, arguments)])
    assert done.exit_code == 0, done.exception
    return done.output


def test_list_has_every_run_once(two):
    table = history.runs(two)
    assert list(table.run) == ["first", "second"]
    assert list(table.resynthesis) == ["-", "-"]
    assert table.conversion[0].startswith("4 steps, ")
    assert table.config.nunique() == 2
    assert "second" in command("list", "--root", two)
    assert "no runs in" in command("list", "--root", two / "first" / "corpus")


def test_show_names_what_differs_from_the_profile(two):
    text = command("show", two / "second")
    assert "conversion.training.learning_rate = 0.01 instead of 0.0005" in text
    assert "2.5  ours, pesq" in command("show", two / "first")


def test_compare_has_settings_and_results(two):
    one, other = (history.open_run(two / name) for name in ("first", "second"))
    (row,) = history.differences(one.config, other.config).itertuples(index=False)
    assert tuple(row) == ("conversion.training.learning_rate", 5e-4, 0.01)
    table = history.compare(one, other).set_index("result")
    assert table.loc["conversion: steps"].tolist() == [4, 4, 0, ""]
    mel = table.loc["conversion: validation mel, last"]
    assert mel.difference == pytest.approx(mel.second - mel.first) != 0
    assert "ours, pesq" not in table.index, "only what both have measured"
    assert "conversion.training.learning_rate" in command("compare", two / "first", two / "second")


def test_a_value_by_a_network_of_the_vocoder_is_marked(two, tmp_path):
    shutil.copytree(two / "first", tmp_path / "run")
    run = history.open_run(tmp_path / "run")
    rows = [("speaker", 0.6, "conditions"), ("resemblyzer", 0.5, "evaluation"), ("pesq", 2.5, np.nan)]
    table = pd.DataFrame([{"system": "ours", "metric": m, "value": v, "role": role} for m, v, role in rows])
    run.save_table("validation_summary", table, run.provenance([]))
    text = command("show", tmp_path / "run")
    assert "0.6  ours, speaker (its network conditions the vocoder, which favours it)" in text
    assert re.search(r"0\.5  ours, resemblyzer$", text, re.MULTILINE)
    assert history.compare(run, run).set_index("result").role[["ours, speaker", "ours, pesq"]].tolist() == [
        "conditions",
        "",
    ]


def test_a_training_under_way_is_read_without_its_half_line(tiny_run, tmp_path):
    run = beside(tiny_run, tmp_path / "run")
    assert history.training(run, "conversion") == {}
    path = run.path / "conversion" / "metrics.jsonl"
    path.parent.mkdir()
    path.write_text('{"step": 0, "validation_mel": 2.0, "conditioning_sensitivity": 0.0}\n{"step": 1, "sec')
    assert history.training(run, "conversion")["validation mel, last"] == 2.0


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(RunError, match="holds no run"):
        history.open_run(tmp_path)


def test_logs_and_tables_of_an_earlier_version_are_read_or_left_out(tmp_path):
    run = Run(tmp_path / "old", Config())
    (run.path / "conversion").mkdir()
    (run.path / "conversion" / "metrics.jsonl").write_text('{"step": 0, "validation_mel": 2.0, "listening": 0.5}\n')
    write_text(run.table_path("swap_summary"), "material,judge,value\nx,ecapa,1.0\n")
    for name in ("swap_summary", "manner_swap"):
        (run.path / "tables" / f"{name}.origin.json").write_text("{}")
    assert history.training(run, "conversion")["conditioning sensitivity, last"] == 0.5
    assert history.results(run) == {f"conversion: {k}": v for k, v in history.training(run, "conversion").items()}
    assert set(run.stale()) == {"swap_summary"}, "nothing makes manner_swap again"


def test_a_run_that_cannot_be_opened_does_not_hide_the_others(tmp_path):
    Run(tmp_path / "good", Config())
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "config.json").write_text('{"profile": "thesis", "nonsense": 1}')
    found = history.runs(tmp_path).set_index("run").profile
    assert found["good"] == "thesis"
    assert "cannot be opened: nonsense" in found["bad"]
