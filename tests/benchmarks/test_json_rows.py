"""Tables and intervals for JSON."""

import json

import numpy as np
import pandas as pd
import pytest

from benchmarks.json_rows import interval_columns, records, share_columns
from thesis_lib.validation.metrics import Bounded, bootstrap, mean_of, share_interval

VALUES = np.random.default_rng(0).normal(size=24)
GROUPS = np.arange(24) // 3


def test_the_rows_of_a_table_have_none_for_nan():
    table = pd.DataFrame({"value": [0.5, np.nan], "n": [3, 4], "reason": [np.nan, "silent"]})
    rows = [{"value": 0.5, "n": 3, "reason": None}, {"value": None, "n": 4, "reason": "silent"}]
    assert records(table) == rows
    assert json.loads(json.dumps(records(table), allow_nan=False)) == rows
    assert records(table[:0]) == []


@pytest.mark.parametrize("groups", [None, GROUPS, [GROUPS, np.arange(24) % 3]])
def test_an_interval_is_that_of_the_bootstrap_or_of_a_share(groups):
    for statistic in (mean_of(VALUES), Bounded(mean_of(VALUES), -1, 0.2)):
        found = interval_columns(24, statistic, 200, groups, "mean")
        numbers = bootstrap(24, statistic, 200, 0, groups)
        assert found == dict(zip(("mean", "low", "high"), numbers, strict=True))
    share = share_interval(VALUES > 0, groups)
    assert share_columns(VALUES > 0, groups) == dict(zip(("share", "low", "high"), share, strict=True))


def test_where_there_is_no_interval_the_reason_is_given():
    none = {"value": None, "low": None, "high": None, "reason": "1 utterances give no interval"}
    assert interval_columns(1, mean_of(VALUES[:1]), 200) == none
    assert share_columns(VALUES > 0, np.zeros(24))["reason"] == "1 groups give no interval"
