"""Tables of the speaker test: chance levels beside each number, and pairs beside natural and trivial systems."""

import numpy as np
import pandas as pd
import pytest

from thesis_lib.reporting import by_encoder, degraded_table, pairs_table, speakers_figure, speakers_table, swap_rows

LEVELS = {"all": (0.05, 0.087), "male to female": (0.017, 0.136)}


@pytest.fixture
def summary():
    rows = [
        {
            "system": system,
            "encoder": "e",
            "pairs": pairs,
            "statistic": statistic,
            "value": value,
            "low": value - 0.1,
            "high": value + 0.1,
            "n": 12,
            "reason": "",
            "chance": chance,
            "chance_same_sex": same,
            "role": "evaluation",
        }
        for pairs, (chance, same) in LEVELS.items()
        for system, value in (("natural recording", 0.9), ("ours", 0.4), ("WORLD", 0.2))
        for statistic in ("normalised_similarity", "identified", "accepted_5")
    ]
    return pd.DataFrame(rows)


@pytest.fixture
def gains():
    about = {"encoder": "e", "statistic": "accepted_5", "system": "ours", "best trivial": "WORLD = other"}
    numbers = {"value": 0.2, "low": 0.1, "high": 0.3, "n": 11, "reason": "", "role": "evaluation"}
    return pd.DataFrame([about | numbers | {"pairs": pairs} for pairs in LEVELS])


def test_the_table_has_both_chance_levels(summary):
    found = speakers_table(summary).set_index("system")["accepted at 5 % (chance 0.05)"]
    assert found["ours"] == "0.400 [0.300, 0.500]"
    assert found["chance: natural impostors of the target's sex"] == "0.087"


def test_each_kind_of_pair_has_its_chance_levels_its_natural_and_its_trivial_row(summary, gains):
    table = pairs_table(summary, gains, "ours")
    for pairs, (chance, same) in LEVELS.items():
        found = table[table["content to target"] == pairs].set_index("system")["accepted at 5 %"]
        assert list(found) == [
            "0.900 [0.800, 1.000]",
            "0.400 [0.300, 0.500]",
            "WORLD = other: 0.200 [0.100, 0.300]",
            "0.200 [0.100, 0.300]",
            f"{chance:.2g}",
            f"{same:.2g}",
        ]


def test_the_figure_has_a_line_for_each_chance_level(summary):
    figure = speakers_figure(summary)
    lines = {round(line.get_xdata()[0], 3) for line in figure.axes[2].lines if len(set(line.get_xdata())) == 1}
    assert {0.05, 0.087} <= lines


def test_a_share_that_is_not_given_says_why():
    about = {"encoder": "e", "degradation": "noise", "role": "evaluation", "n": 12}
    nothing = dict.fromkeys(("remains", "remains_low", "remains_high", "difference", "low", "high"), np.nan)
    kept = {"remains": 0.5, "remains_low": 0.4, "remains_high": 0.6, "difference": -0.5, "low": -0.6, "high": -0.4}
    rows = [
        about | {"system": "ours", "before": 0.4, "reason": ""} | kept,
        about | {"system": "TTS", "before": 0.01, "reason": "too small"} | nothing,
    ]
    found = degraded_table(pd.DataFrame(rows)).set_index("system")
    assert found["share that remains after noise"].to_dict() == {
        "ours": "0.500 [0.400, 0.600]",
        "TTS": "not measured: too small",
    }
    assert found["share that remains after noise, minus natural"].to_dict() == {
        "ours": "-0.500 [-0.600, -0.400]",
        "TTS": "",
    }


@pytest.fixture
def swap():
    about = {"test_set": "bundled", "task": "conversion", "stage": "after training", "target": "seen", "n": 9}
    values = {"normalised_similarity": 0.456, "identified": 0.25, "accepted_5": np.nan, "target_preference": 0.8}
    rows = [
        about | {"encoder": encoder, "statistic": name, "value": value, "low": value, "high": value, "reason": "few"}
        for encoder in ("e", "f")
        for name, value in {**values, "to_target": 0.3}.items()
    ]
    return pd.DataFrame(rows)


def test_a_speaker_swap_is_shown_as_the_speaker_test_with_its_chance_levels(swap):
    rows = swap_rows(swap, voices=8)
    assert set(rows.system) == {"conversion, after training, to seen voices"}
    assert "to_target" not in set(rows.statistic)
    (line, _) = speakers_table(rows).to_dict("records")
    assert line["normalised similarity (chance 0)"].startswith("0.456")
    assert line["identified at rank 1 (chance 0.12)"].startswith("0.250")
    assert line["accepted at 5 % (chance 0.05)"] == "not measured: few"
    assert line["target-preference rate (chance 0.5)"].startswith("0.800")


def test_a_sentence_has_the_value_of_each_encoder_and_says_what_was_not_measured(swap):
    said = {name: by_encoder(part) for name, part in swap.groupby("statistic")}
    assert said["normalised_similarity"] == "0.46 (e), 0.46 (f)"
    assert said["identified"] == "25 % (e), 25 % (f)"
    assert said["accepted_5"] == "not measured (e), not measured (f)"
