"""Tables and figures of the speaker test show chance levels, and mark encoders with a role."""

import numpy as np
import pandas as pd
import pytest

from thesis_lib import reporting


@pytest.fixture
def summary() -> pd.DataFrame:
    """Two systems by two encoders; acceptance at 1 % was not measured. As of a JSON file, without numbers."""
    rows = []
    chance = {"normalised_similarity": 0.0, "identified": 0.01, "accepted_1": 0.01, "accepted_5": 0.05}
    for encoder, role in (("ecapa", "conditions and trains"), ("resemblyzer", "evaluation")):
        for number, system in enumerate(("natural recording", "released weights")):
            for statistic, level in chance.items():
                row = {"system": system, "encoder": encoder, "pairs": "all", "statistic": statistic, "n": 6}
                row |= {"value": 0.9 - 0.5 * number, "low": 0.3, "high": 1.0, "reason": "", "chance": level}
                if statistic == "accepted_1":
                    row |= {"value": None, "low": None, "high": None, "reason": "6 impostor pairs"}
                rows.append(row | {"role": role})
    return pd.DataFrame(rows)


def test_the_table_has_chance_levels_and_evaluation_encoders_first(summary):
    table = reporting.speakers_table(summary)
    assert list(table.columns) == [
        "encoder",
        "system",
        "n",
        "normalised similarity (chance 0)",
        "identified at rank 1 (chance 0.01)",
        "accepted at 1 % (chance 0.01)",
        "accepted at 5 % (chance 0.05)",
    ]
    assert table.encoder.tolist() == ["resemblyzer"] * 2 + ["ecapa †"] * 2
    assert table["identified at rank 1 (chance 0.01)"].tolist()[:2] == ["0.900 [0.300, 1.000]", "0.400 [0.300, 1.000]"]
    assert set(table["accepted at 1 % (chance 0.01)"]) == {"not measured: 6 impostor pairs"}


def test_the_figure_has_a_panel_a_statistic_with_its_chance_level(summary):
    figure = reporting.speakers_figure(summary)
    assert len(figure.axes) == 3
    for axis, chance in zip(figure.axes, (0, 0.01, 0.05), strict=True):
        assert axis.texts[0].get_text() == f"chance {chance:.2g}"
        assert any(np.allclose(line.get_xdata(), chance) for line in axis.lines)
    names = [text.get_text() for text in figure.axes[-1].get_legend().get_texts()]
    assert names == ["resemblyzer", "ecapa †"]


def test_kinds_of_pairs_are_lines_of_one_system(summary):
    both = pd.concat([summary, summary.assign(pairs="female to male", n=2)])
    gains = pd.DataFrame(columns=["encoder", "pairs", "statistic", "best trivial", "value", "low", "high", "n", "role"])
    table = reporting.pairs_table(both, gains, "released weights")
    table = table[table.system == "released weights"]
    assert table["content to target"].tolist() == ["all", "female to male"] * 2
    assert table.n.tolist() == [6, 2] * 2
    assert set(table["accepted at 5 %"]) == {"0.400 [0.300, 1.000]"}


def test_gains_and_shares_that_remain_are_beside_their_reference():
    about = {"encoder": "resemblyzer", "role": "evaluation", "n": 6, "reason": "", "low": 0.1, "high": 0.3}
    gains = pd.DataFrame(
        [about | {"pairs": "all", "statistic": "identified", "best trivial": "nearest TTS voice", "value": 0.2}]
    )
    (line,) = reporting.gains_table(gains).to_dict("records")
    assert line["gain (no gain: 0)"] == "0.200 [0.100, 0.300]"
    assert line["best trivial system"] == "nearest TTS voice"
    empty = gains.assign(**{"best trivial": np.nan, "value": np.nan, "reason": "too few"})
    (line,) = reporting.gains_table(empty).to_dict("records")
    assert (line["best trivial system"], line["gain (no gain: 0)"]) == ("", "not measured: too few")
    change = about | {"system": "natural recording", "before": 1.0, "difference": None}
    change |= {"remains": 0.8, "remains_low": 0.7, "remains_high": 0.9}
    lost = [change | {"degradation": name, "lost": 0.2, "after": 0.8} for name in ("noise", "MP3")]
    earlier = pd.DataFrame(lost).drop(columns=["remains", "remains_low", "remains_high", "difference"])
    (line,) = reporting.degraded_table(earlier).to_dict("records")
    assert line["undegraded (chance 0)"] == "1.000"
    assert line["lost by noise"] == line["lost by MP3"] == "0.200 [0.100, 0.300]"
    kept = [change | {"degradation": name, "after": 0.8} for name in ("noise", "MP3")]
    (line,) = reporting.degraded_table(pd.DataFrame(kept)).to_dict("records")
    assert line["undegraded (chance 0)"] == "1.000"
    assert line["share that remains after noise"] == line["share that remains after MP3"] == "0.800 [0.700, 0.900]"
