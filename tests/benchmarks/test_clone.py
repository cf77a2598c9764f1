"""The paired differences of the benchmark of the whole pipeline, on data with a known answer."""

import numpy as np
import pandas as pd
import pytest

from benchmarks import clone
from benchmarks.clone import TRANSFER, system_differences
from thesis_lib.validation.cloning_report import OURS, OURS_ADAPTED


def test_differences_are_of_the_same_recordings():
    names = [f"g/{number}" for number in range(10)]
    level = np.linspace(0, 1, 10)  # of each recording; as large as this, an unpaired difference of 0.1 is not shown
    small = 0.01 * np.tile([-1, 1], 5)
    systems = {OURS: (names, level), OURS_ADAPTED: (names, level + 0.1 + small), TRANSFER: (names[:2], level[:2])}
    table = pd.concat(
        pd.DataFrame({"id": ids, "speaker": ids, "system": system, "x": cosines[: len(ids)], "x_normalised": 0.0})
        for system, (ids, cosines) in systems.items()
    )
    found = {(row["system"], row["against"]): row for row in system_differences(table)}
    assert set(found) == {(OURS_ADAPTED, OURS), (OURS, TRANSFER), (OURS_ADAPTED, TRANSFER)}
    gain = found[OURS_ADAPTED, OURS]
    assert (gain["encoder"], gain["n"], gain["value"]) == ("x", 10, pytest.approx(0.1))
    assert 0.08 < gain["low"] < gain["value"] < gain["high"] < 0.12
    assert found[OURS, TRANSFER]["n"] == 2
    assert found[OURS, TRANSFER]["value"] == 0


def test_the_corpus_of_the_report_is_prepared_first(tmp_path, monkeypatch):
    done = []

    def report(run, *rest):
        assert done == [run.path]
        raise RuntimeError("the report begins")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("THESIS_PAIRS", str(tmp_path))
    monkeypatch.setattr(clone, "prepared", lambda run, progress: done.append(run.path))
    monkeypatch.setattr(clone, "clone_report", report)
    with pytest.raises(RuntimeError, match="the report begins"):
        clone.run(quick=True)
