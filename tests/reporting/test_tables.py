"""Tables as the pages show them."""

import numpy as np
import pandas as pd
import pytest

from thesis_lib import reporting
from thesis_lib.config import AudioConfig, ContentConfig, HifiganConfig
from thesis_lib.vocoder.generators import build_generator


def test_parameters_add_up():
    generator = build_generator(AudioConfig(), ContentConfig(), HifiganConfig(), 192, 768)
    table = reporting.parameter_table(generator).set_index("part").parameters
    assert table["all"] == sum(p.numel() for p in generator.parameters())
    assert table["all"] == table.drop("all").sum()


def test_the_sizes_of_generators_are_in_millions_and_by_their_names():
    generator = build_generator(AudioConfig(), ContentConfig(), HifiganConfig(), 192, 768)
    parts = reporting.parameter_table(generator)
    first, second = reporting.sizes_table({"v1": parts, "mine": parts}).to_dict("records")
    assert (first["vocoder"], first["preset"]) == ("HiFi-GAN V1", "v1")
    assert (second["vocoder"], second["preset"]) == ("mine", "–")
    assert first["all (M)"] == f"{parts.parameters.max() / 1e6:.2f}"
    assert first["float32 (MB)"] == f"{4 * parts.parameters.max() / 1e6:.1f}"


def test_an_ablation_has_the_difference_with_its_interval_and_marks_networks_with_a_role():
    row = {"variant": "no mel loss", "metric": "f0_cents", "value": 72.549, "difference": 11.341, "n": 11, "seeds": 3}
    row |= {"low": 0.411, "high": 29.844, "role": ""}
    table = reporting.ablation_table(pd.DataFrame([row, row | {"role": "gives content to"}]))
    assert table.metric.tolist() == ["f0_cents", "f0_cents †"]
    assert table["difference from the full recipe"].tolist() == ["11.3 [0.411, 29.8]"] * 2
    assert table.value.tolist() == ["72.5", "72.5"]


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
    fixed = reporting.summary_table(summary.assign(low=summary.value, high=summary.value), NO_COMPARISONS)
    assert fixed.set_index("metric").loc["pesq", "a"] == "2 (the same in all draws)"
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
            "pesq": "0.50 [0.25, 0.75]",
            "conversion, wer": "50 [25, 75]",
            "answers": "0.50 [0.25, 0.75]",
            "wer, base": "",
        },
        {
            "system": "b",
            "pesq": "",
            "conversion, wer": "",
            "answers": "",
            "wer, base": "12 [25, 75]",
        },
    ]


def test_the_error_rates_of_the_speaker_check_have_intervals():
    rate = {"share": 0.1, "low": 0.02, "high": 0.25}
    rows = [{"test_set": "human", "n": 40, "one voice called several": rate, "two voices called one": rate | {"n": 39}}]
    table = reporting.speaker_check_table(rows)
    assert table.n.tolist() == [40]
    assert table["two speakers detected as one"].tolist() == ["10 % [2, 25]"]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ((0.5304, 0.4112, 0.6049), "0.53 [0.41, 0.60]"),
        ((0.2404, 0.2363, 0.2447), "0.240 [0.236, 0.245]"),
        ((3.311, 3.187, 3.423), "3.31 [3.19, 3.42]"),
        ((1.037, 1.028, 1.048), "1.04 [1.03, 1.05]"),
        ((0.720, 0.133, 1.189), "0.72 [0.13, 1.19]"),
        ((3.030, -0.751, 9.333), "3 [-1, 9]"),
        ((0.0, 0.0, 0.0), "0 (the same in all draws)"),
        ((1.0, 0.972, 1.0), "1.000 [0.972, 1.000]"),
        ((-10.796, -14.252, -7.602), "-10.8 [-14.3, -7.6]"),
        ((660.0, 0.0, 2676.998), "660 [0, 2677]"),
        ((100.0, 100.0, 100.0), "100 (the same in all draws)"),
        ((-0.0004, -0.001, 0.0004), "0.000 [-0.001, 0.000]"),
    ],
)
def test_an_interval_has_the_digits_that_its_width_supports(row, says):
    assert reporting.with_interval(dict(zip(("value", "low", "high"), row, strict=True))) == says


def test_a_clone_table_marks_encoders_with_a_role():
    row = {"test_set": "human", "system": "ours", "value": 0.5, "low": 0.25, "high": 0.75, "n": 9, "reason": None}
    roles = {"ecapa_normalised": "conditions and trains", "resemblyzer_normalised": "evaluation", "dnsmos_ovrl": None}
    summary = pd.DataFrame([row | {"metric": metric, "role": role} for metric, role in roles.items()])
    table = reporting.clone_table(summary, "human", {metric: reporting.heading(metric) for metric in roles})
    shown = ["normalised similarity, ECAPA †", "normalised similarity, Resemblyzer", "DNSMOS P.835 overall"]
    assert list(table.columns) == ["system", "n", *shown]
    assert list(reporting.show(table).columns) == ["system", "n", *shown]
    other = summary.assign(test_set="bundled", role="trains")
    both = reporting.clone_table(pd.concat([summary, other]), "human", {"dnsmos_ovrl": "DNSMOS"})
    assert list(both.columns) == ["system", "n", "DNSMOS"], "the roles are those of the test set"
