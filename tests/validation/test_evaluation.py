"""The framework of every evaluation: trials, what was not measured, intervals over speakers."""

import numpy as np
import pandas as pd
import pytest

from thesis_lib.validation import Results, Scorer, System, TestSet, evaluate, evaluation
from thesis_lib.validation.evaluation import OfRows, interval, mean_of_present, summarise_groups
from thesis_lib.validation.metrics import MetricError, PartlyMeasured, mean_of

NUMBERS = TestSet([1, 2, 3], lambda item: {"id": item})
PLUS = System("plus", lambda item: item + 10, about={"system": "plus"})


def fails_on_two(item: int) -> int:
    if item == 2:
        raise MetricError("two has no output")
    return -item


MINUS = System("minus", fails_on_two, about={"system": "minus"})


def odd(item: int, output: int) -> dict:
    if output % 2 == 0:
        raise MetricError("even")
    return {"value": output}


SAME = Scorer(lambda item, output: {"value": output}, about={"scorer": "same"})
ODD = Scorer(odd, about={"scorer": "odd"})


def test_every_trial_has_a_row_or_a_reason():
    kept = []
    results = evaluate(NUMBERS, [PLUS, MINUS], [SAME, ODD], keep=lambda item, system, output: kept.append(output))
    assert [(r["id"], r["system"], r["scorer"], r["value"]) for r in results.rows] == [
        (1, "plus", "same", 11),
        (1, "plus", "odd", 11),
        (1, "minus", "same", -1),
        (1, "minus", "odd", -1),
        (2, "plus", "same", 12),
        (3, "plus", "same", 13),
        (3, "plus", "odd", 13),
        (3, "minus", "same", -3),
        (3, "minus", "odd", -3),
    ]
    missing = results.not_measured(["id", "system", "scorer"])
    assert list(missing.columns) == ["id", "system", "scorer", "reason"]
    assert missing.reason.tolist() == ["even", "two has no output"]
    assert kept == [11, -1, 12, 13, -3]


def test_a_scorer_that_measures_some_columns_gives_them_and_the_reason_for_the_others():
    def part(item: int, output: int) -> dict:
        raise PartlyMeasured("no F0", {"value": output})

    results = evaluate(NUMBERS, [PLUS], [Scorer(part)])
    assert [row["value"] for row in results.rows] == [11, 12, 13]
    assert results.missing == [{"id": i, "system": "plus", "reason": "no F0"} for i in (1, 2, 3)]


def test_a_statistic_of_some_rows_has_their_number_or_a_reason():
    table = pd.DataFrame({"system": "a", "kind": "b", "speaker": list("wxyz"), "value": [0.0, np.nan, 2.0, 4.0]})

    def statistics(part: pd.DataFrame) -> dict:
        return {"mean": mean_of_present(part.value.to_numpy()), "none": OfRows(np.arange(0), reason="no text")}

    found = summarise_groups(table, ["system", "kind"], statistics, ["speaker"], 200, 0).set_index("metric")
    assert (found.value["mean"], found.n["mean"], found.reason["mean"]) == (2, 3, "")
    assert np.isnan(found.value["none"])
    assert (found.n["none"], found.reason["none"]) == (0, "no text")


def test_order_and_share_of_the_trials():
    first = System("first", lambda item: item, about={"system": "first"}, takes=lambda item: item == 1)
    by_system = evaluate(NUMBERS, [PLUS, first], [SAME], by_system=True)
    assert [(r["system"], r["id"]) for r in by_system.rows] == [("plus", 1), ("plus", 2), ("plus", 3), ("first", 1)]


def test_a_scorer_scores_the_systems_that_it_takes():
    only = Scorer(lambda item, output: {"value": output}, takes=lambda system: system.name == "plus")
    results = evaluate(NUMBERS, [PLUS, MINUS], [only])
    assert [(row["system"], row["value"]) for row in results.rows] == [("plus", 11), ("plus", 12), ("plus", 13)]


def test_scoring_side_by_side_gives_the_same_rows():
    one, other = (evaluate(NUMBERS, [PLUS, MINUS], [SAME, ODD], parallel=parallel) for parallel in (False, True))
    assert one.rows == other.rows
    assert sorted(row["reason"] for row in one.missing) == sorted(row["reason"] for row in other.missing)


@pytest.mark.parametrize(("parallel", "rendered"), [(False, [1, 2, 3]), (True, [2, 2, 3])])
def test_outputs_are_rendered_in_groups_before_they_are_scored(parallel, rendered, monkeypatch):
    monkeypatch.setattr(evaluation, "OUTPUTS_AT_ONCE", 2)
    outputs, counts = [], {}

    def count(item: int, output: int) -> dict:
        counts[item] = len(outputs)
        return {}

    evaluate(NUMBERS, [PLUS], [Scorer(count)], keep=lambda *made: outputs.append(made), parallel=parallel)
    assert [counts[item] for item in (1, 2, 3)] == rendered


def test_an_error_of_another_kind_is_not_a_missing_value():
    with pytest.raises(ZeroDivisionError):
        evaluate(NUMBERS, [System("broken", lambda item: 1 / 0)], [SAME])


def test_results_are_added():
    both = evaluate(NUMBERS, [PLUS], [SAME]) + evaluate(NUMBERS, [MINUS], [SAME])
    assert (len(both.rows), len(both.missing)) == (5, 1)
    assert len(Results().table) == 0


def test_an_interval_or_its_reason():
    values = np.array([1.0, 2.0, 3.0])
    found = interval(3, mean_of(values), 200, 0)
    assert found["value"] == 2
    assert found["low"] < 2 < found["high"]
    assert (found["n"], found["reason"]) == (3, "")
    one = interval(1, mean_of(values[:1]), 200, 0)
    assert np.isnan([one["value"], one["low"], one["high"]]).all()
    assert "no interval" in one["reason"]


def test_groups_are_summarised_over_speakers():
    """Copies of a speaker's rows narrow no interval."""
    table = pd.DataFrame({"system": "a", "kind": "b", "speaker": ["x", "y", "z"], "value": [0.0, 1.0, 5.0]})

    def statistics(part: pd.DataFrame) -> dict:
        return {"mean": mean_of(part.value.to_numpy())}

    once, often = (
        summarise_groups(x, ["system", "kind"], statistics, ["speaker"], 300, 0)
        for x in (table, pd.concat([table] * 4, ignore_index=True))
    )
    assert once.loc[0, ["low", "high"]].tolist() == pytest.approx(often.loc[0, ["low", "high"]].tolist())
    assert (once.n[0], often.n[0]) == (3, 12)
    crossed = pd.DataFrame({"system": "a", "kind": "b", "value": np.tile([0.0, 1.0, 5.0], 20)})
    crossed = crossed.assign(speaker=np.repeat(np.arange(20), 3), content=np.tile(["u", "v", "w"], 20))
    narrow, wide = (
        summarise_groups(crossed, ["system", "kind"], statistics, groups, 300, 0)
        for groups in (["speaker"], ["speaker", "content"])
    )
    assert narrow.high[0] - narrow.low[0] == pytest.approx(0, abs=1e-9)
    assert wide.high[0] - wide.low[0] > 1, "three contents say little, however many speakers there are"
    empty = summarise_groups(table.iloc[:0], ["system", "kind"], statistics, ["speaker"], 300, 0)
    assert list(empty.columns) == ["system", "kind", "metric", "value", "low", "high", "n", "reason"]
