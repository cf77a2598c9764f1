"""Tables as the pages show them."""

import numpy as np
import pandas as pd

from thesis_lib import reporting
from thesis_lib.config import AudioConfig, ContentConfig, HifiganConfig
from thesis_lib.vocoder.generators import build_generator


def test_parameters_add_up():
    generator = build_generator(AudioConfig(), ContentConfig(), HifiganConfig(), 192, 768)
    table = reporting.parameter_table(generator).set_index("part").parameters
    assert table["all"] == sum(p.numel() for p in generator.parameters())
    assert table["all"] == table.drop("all").sum()


def test_a_notice_names_the_profile_of_the_results():
    assert "Smoke results: no measure of quality" in reporting.notice("smoke")
    assert reporting.notice("demo").startswith("> Results of the profile `demo`")


def a_summary(*cells) -> pd.DataFrame:
    """Rows of (system, metric, value, role)."""
    about = {"n": 3, "speakers": 3}
    return pd.DataFrame(
        [
            {"system": s, "metric": m, "value": v, "low": v - 0.5, "high": v + 0.5, "role": r} | about
            for s, m, v, r in cells
        ]
    )


NO_COMPARISONS = pd.DataFrame(columns=["metric", "first", "second", "difference", "significant"])


def test_summary_table_says_not_measured():
    summary = a_summary(("a", "pesq", 2.0, ""), ("b", "mel_l1", 0.75, ""))
    table = reporting.summary_table(summary, NO_COMPARISONS).set_index("metric")
    assert table.loc["pesq", "a"] == "2 [1.5, 2.5]"
    assert table.loc["pesq", "b"] == "not measured"
    assert len(reporting.intervals(summary, ["pesq"]).axes) == 1
    settings = reporting.settings_table(summary).set_index("metric")
    assert "P.862.2" in settings.loc["pesq", "measured by"]


def test_a_word_score_that_an_earlier_summary_lacks_is_not_measured():
    earlier = a_summary(*(("a", m, 2.0, "") for m in ("pesq", "wer", "cer", "bleu", "chrf", "speaker")))
    table = reporting.summary_table(earlier, NO_COMPARISONS).set_index("metric")
    assert list(table.index) == ["pesq", "wer", "cer", "bleu", "chrf", "ter", "speaker"]
    assert table.loc["ter", "a"] == "not measured"
    assert "ter" not in reporting.summary_table(a_summary(("a", "pesq", 2.0, "")), NO_COMPARISONS).metric.tolist()


def test_the_ground_truth_is_the_reference_of_signal_metrics_alone():
    cells = ("ours", "pesq"), ("ours", "dnsmos_ovrl"), ("ground truth", "speaker")
    summary = a_summary(*((s, m, 1.0, "") for s, m in cells))
    column = reporting.summary_table(summary, NO_COMPARISONS).set_index("metric")["ground truth"]
    assert column["pesq"] == "the reference"
    assert column["dnsmos_ovrl"] == "not measured"


def test_nothing_is_starred_without_significance_nor_headlined_by_its_own_encoder():
    ours, other = "ours, conversion", "Griffin-Lim"
    summary = a_summary((ours, "pesq", 3.0, ""), (other, "pesq", 2.0, ""), (ours, "speaker", 0.5, "conditions"))
    row = {"metric": "pesq", "first": ours, "second": other, "difference": 1.0, "effect": 1.0}
    for significant, cell in ((True, "3 [2.5, 3.5] *"), (False, "3 [2.5, 3.5]")):
        table = reporting.summary_table(summary, pd.DataFrame([row | {"significant": significant}]))
        assert table.set_index("metric").loc["pesq", ours] == cell
    assert "speaker †" in set(table.metric)


def test_a_shown_table_says_what_is_missing():
    page = reporting.show(pd.DataFrame({"a": [1.23456, np.nan]})).to_html()
    assert "1.235" in page
    assert "not measured" in page


def test_a_saved_word_error_rate_is_shown_in_per_cent():
    row = {"system": "a", "low": 0.25, "high": 0.75, "reason": ""}
    rows = [row | {"metric": metric, "value": 0.5} for metric in ("pesq", "conversion, wer", "answers")]
    saved = reporting.saved_rows([*rows, row | {"system": "b", "metric": "wer, base", "value": 0.125}])
    assert saved.value.tolist() == [0.5, 50, 0.5, 12.5]
    assert reporting.interval_table(saved, ["system"]).fillna("").to_dict("records") == [
        {
            "system": "a",
            "pesq": "0.500 [0.250, 0.750]",
            "conversion, wer": "50.000 [25.000, 75.000]",
            "answers": "0.500 [0.250, 0.750]",
            "wer, base": "",
        },
        {
            "system": "b",
            "pesq": "",
            "conversion, wer": "",
            "answers": "",
            "wer, base": "12.500 [25.000, 75.000]",
        },
    ]


def test_the_error_rates_of_the_speaker_check_have_intervals():
    rate = {"share": 0.1, "low": 0.02, "high": 0.25}
    rows = [{"test_set": "human", "n": 40, "one voice called several": rate, "two voices called one": rate | {"n": 39}}]
    table = reporting.speaker_check_table(rows)
    assert table.n.tolist() == [40]
    assert table["two speakers detected as one"].tolist() == ["10 % [2, 25]"]
