"""Commands of the evaluation: what they print."""

import json

import pandas as pd
from typer.testing import CliRunner

from thesis_lib.cli import app
from thesis_lib.runs.folder import Run
from thesis_lib.validation import swap

SPEAKERS = pd.DataFrame({"metric": ["resemblyzer"], "value": [0.25]})
STYLES = pd.DataFrame({"metric": ["emotion"], "value": [0.5]})


def test_swap_test_prints_one_json_object_or_two_tables(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(swap, "swap_test", lambda run, progress: None)
    monkeypatch.setattr(swap, "style_swap", lambda run, progress: STYLES)
    monkeypatch.setattr(swap, "style_summary", lambda trials, seed, missing: trials)
    monkeypatch.setattr(Run, "load_table", lambda run, name: SPEAKERS if name == "swap_summary" else None)
    printed = CliRunner().invoke(app, ["swap-test", "--json"], catch_exceptions=False).stdout
    assert json.loads(printed) == {
        "speaker": [{"metric": "resemblyzer", "value": 0.25}],
        "style": [{"metric": "emotion", "value": 0.5}],
    }
    printed = CliRunner().invoke(app, ["swap-test"], catch_exceptions=False).stdout
    assert printed.split() == ["metric", "value", "resemblyzer", "0.250", "metric", "value", "emotion", "0.500"]
