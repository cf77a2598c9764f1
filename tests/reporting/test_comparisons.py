"""Figures that compare systems."""

import pandas as pd

from thesis_lib import reporting


def test_the_forest_has_a_panel_a_metric_and_a_row_a_variant():
    rows = pd.DataFrame(
        [
            {"variant": v, "metric": m, "difference": d, "low": d - 1, "high": d + 1, "n": 12, "seeds": 3}
            for m in ("mel_l1", "eres2net")
            for v, d in (("full recipe", 0.0), ("no mel loss", 2.0), ("no adversarial loss", -1.0))
        ]
    )
    figure = reporting.forest(rows)
    assert [axis.get_title().split("\n")[0] for axis in figure.axes] == [
        "mel L1 (nepers)",
        "cosine to the Spanish source, ERes2Net",
    ]
    assert "n = 12, 3 seeds" in figure.axes[0].get_title()
    labels = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert labels == ["no mel loss", "no adversarial loss"], "everything is the zero line"


def test_a_variant_has_its_interval():
    about = {"times_real_time": 2.0, "megabytes": 1.0, "mel_l1": 0.5}
    rows = [{"variant": "a", "mel_l1_low": 0.25, "mel_l1_high": 1.0}, {"variant": "b"}]
    (axis,) = reporting.pareto(pd.DataFrame([row | about for row in rows])).axes
    ends = [tuple(map(tuple, bar.get_segments()[0])) for bar in axis.collections if hasattr(bar, "get_segments")]
    assert ends[0] == ((2.0, 0.25), (2.0, 1.0))
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["a", "b"], "without an interval too"
