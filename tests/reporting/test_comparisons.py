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
    assert [axis.get_title().split(":")[0] for axis in figure.axes] == ["mel_l1", "eres2net"]
    assert "n = 12, 3 seeds" in figure.axes[0].get_title()
    labels = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert labels == ["no mel loss", "no adversarial loss"], "everything is the zero line"
